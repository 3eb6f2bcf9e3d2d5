"""The course's recurring drawing: a classifier, what is trained, what is not.

Lengths are inches. What is trained is coloured, has a bold outline and is named.
"""

from itertools import groupby
from typing import NamedTuple

import numpy as np
from matplotlib.patches import Polygon, Rectangle
from PIL import Image

from helpers import plots, shapes
from helpers.shapes import BLUE, DARK, FROZEN, KEPT, TRAINED

TEXT = "a charming and fine film"
TOKENS = ("[CLS]", "a", "charming", "and", "fine", "film", "[SEP]")
IDS = (101, 1037, 11951, 1998, 2986, 2143, 102)  # of TOKENS, in BERT's vocabulary


class Strategy(NamedTuple):
    """What is trained of the blocks: 0 input, 1 embeddings, 2 … layers, -1 head.

    All of a block from `whole` on, and what is `inside` those from `lowest` on, which
    is where the backward pass ends.
    """

    whole: int
    lowest: int
    inside: str = ""


STRATEGIES = {
    "frozen + linear": Strategy(-1, -1),
    "last two layers": Strategy(-3, -3),
    "full fine-tuning": Strategy(1, 1),
    "from scratch": Strategy(1, 1),
    "LoRA": Strategy(-1, 2, "low-rank matrices A, B"),
    "bottleneck adapter": Strategy(-1, 2, "adapters"),
    "BitFit": Strategy(-1, 1, "biases"),
    "prefix tuning": Strategy(-1, 2, "virtual keys and values"),
    "prompt tuning": Strategy(-1, 0, "virtual tokens"),
}


def model(
    trained: str,
    *,
    text: str = TEXT,
    tokens=TOKENS,
    ids=IDS,
    picture: Image.Image | np.ndarray | None = None,
    patches: int = 7,
    shape: tuple[int, ...] | None = None,
    num_layers: int | None = None,
    parameters: tuple[int, int] | None = None,
) -> None:
    """Show text → token ids → batch → encoder → head → loss for one of `STRATEGIES`.

    With a `picture` (Pillow, or uint8 array) it is batch → patches → encoder: at least
    3 × 3 `patches`, [CLS], and 12 layers instead of 6, unless `num_layers` differs.
    `shape` is the batch's; `parameters` are how many are trained, of how many. Long
    texts and deep encoders are shortened, poolers left out. Raises ValueError for
    unknown strategies, and for virtual tokens, keys or values with a picture.
    """
    if trained not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise ValueError(f"There is no drawing of '{trained}': name one of {known}.")
    whole, lowest, inside = STRATEGIES[trained]
    given, first, depth = "Text, token ids", "embeddings", 6
    if picture is not None:
        if "virtual" in inside:
            raise ValueError(f"'{trained}' needs a text: name another strategy.")
        given, first, depth = "Picture, patches", "patch embedding", 12
    layers = [f"layer {n}" for n in range(1, (num_layers or depth) + 1)]
    names = ["virtual tokens", first, *layers, "head"]
    whole, lowest = whole % len(names), lowest % len(names)
    states = dict.fromkeys(names, "frozen")
    if lowest:  # virtual tokens stand in no block
        states |= dict.fromkeys(names[lowest:whole], f"frozen; {inside} trained")
    states |= dict.fromkeys(names[whole:], "trained")
    if trained == "from scratch":
        states = dict.fromkeys(names, "trained, randomly initialised")

    ax = shapes.canvas(0.12 if parameters else 0.45, 3.66)
    shapes.heading(ax, trained, "activations kept")
    if picture is None:
        _text_input(ax, text, tokens, ids, shape or (16, len(ids)), lowest == 0)
    else:
        _picture_input(ax, picture, patches, shape)
    left = _blocks(ax, trained, states)
    end = left.get(names[lowest], 1.8)
    kept = {"color": KEPT, "lw": 0, "zorder": 0, "label": "activations kept"}
    ax.add_patch(Rectangle((end - 0.05, 1.27), 6.97 - end, 1.48, **kept))
    shapes.arrow(ax, DARK, (2.06, 3.08), (6.92, 3.08))
    shapes.text(ax, 4.46, 3.08, "forward pass", backgroundcolor="w")
    around = (0.09, 0.84), (0.09, 2.5), (0.22, 2.5)  # the token ids
    shapes.arrow(ax, BLUE, (6.92, 0.84), *([(end, 0.84)] if lowest else around))
    verb = f"flow through {'frozen' if inside else 'all'} layers to"
    verb = verb if inside or lowest == 1 else "stop at"
    reached = f"gradients {verb} the {names[lowest]}".replace("the layer", "layer")
    shapes.text(ax, 6.92, 0.65, f"backward pass: {reached}", color=BLUE, ha="right")

    what = f"{names[whole]} to head".replace("head to ", "")
    what = f"{inside}; head" if inside else what
    what += ", all randomly initialised" if trained == "from scratch" else ""
    alt = f"{given}, batch, encoder, head and loss. "
    alt += f"Strategy: {trained}. Trained: {what}. In the backward pass, {reached}; "
    alt += "activations are kept from there to the loss."
    if parameters:
        some, everything = parameters
        percent = 100 * some / everything
        counts = f"{_grouped(some)} of {_grouped(everything)} parameters are trained: "
        counts += f"{percent:.2g} %" if percent < 1 else f"{percent:.1f} %"
        shapes.text(ax, 3.5, 0.3, counts, size=11)
        alt += f" {counts}."
    plots.show(ax.figure, alt)


def lora(d_in=384, d_out=384, r=8, lora_alpha=16) -> None:
    """Show a frozen linear layer with LoRA's two trained matrices, to scale."""
    ax = shapes.canvas(-0.1, 3.66)
    shapes.heading(ax, "LoRA beside a linear layer")
    scale = 1.4 / max(d_in, d_out)
    wide, high, thin = d_in * scale, d_out * scale, max(r * scale, 0.06)
    for name, x, y, width, height, face in (
        ("x", 0.5, 2.28, 0.1, wide, "w"),
        ("W", 2.15, 2.28, wide, high, FROZEN),
        ("A", 2.15, 1.0, wide, thin, TRAINED),
        ("B", 3.35, 1.0, thin, high, TRAINED),
        ("output", 6.45, 2.28, 0.1, high, "w"),
    ):
        shapes.box(ax, x - width / 2, y - height / 2, width, height, face, name, lw=1.5)
    shapes.text(ax, 0.5, 2.05 - wide / 2, f"x\n[{d_in}]")
    shapes.text(ax, 2.15, 2.4 + high / 2, f"W [{d_out} × {d_in}], frozen")
    bold = {"weight": "bold", "va": "top"}
    shapes.text(ax, 2.15, 0.92 - thin / 2, f"A [{r} × {d_in}], trained", **bold)
    shapes.text(
        ax, 3.45, 0.88, f"B [{d_out} × {r}],\ntrained from 0", ha="left", **bold
    )
    shapes.text(ax, 6.45, 2.05 - high / 2, f"output\n[{d_out}]")
    shapes.arrow(ax, DARK, (0.6, 2.28), (2.11 - wide / 2, 2.28))
    shapes.arrow(ax, DARK, (1.0, 2.28), (1.0, 1.0), (2.11 - wide / 2, 1.0))
    shapes.arrow(ax, DARK, (2.19 + wide / 2, 1.0), (3.29 - thin / 2, 1.0))
    shapes.arrow(ax, DARK, (3.41 + thin / 2, 1.0), (4.83, 1.0))
    shapes.arrow(ax, DARK, (5.33, 1.0), (5.7, 1.0), (5.7, 2.02))
    shapes.arrow(ax, DARK, (2.19 + wide / 2, 2.28), (5.44, 2.28))
    shapes.arrow(ax, DARK, (5.96, 2.28), (6.37, 2.28))
    shapes.circle(ax, 5.08, 1.0, "× α/r")
    shapes.circle(ax, 5.7, 2.28, "+")
    shapes.text(ax, 5.08, 0.62, f"{lora_alpha}/{r} = {lora_alpha / r:g}")
    some, others = _grouped(r * (d_in + d_out)), _grouped(d_in * d_out)
    counts = f"{some} parameters are trained beside {others} frozen ones"
    shapes.text(ax, 3.5, 0.08, counts, size=11)
    alt = f"x [{d_in}] is multiplied by the frozen matrix W [{d_out} × {d_in}], and "
    alt += f"beside it by the trained matrices A [{r} × {d_in}] and B [{d_out} × {r}] "
    alt += f"and by α/r = {lora_alpha / r:g}; the sum is the output. {counts}."
    plots.show(ax.figure, alt)


def guide(steps: list[tuple[str, str, str, str]]) -> None:
    """Show a decision list, one step below the other.

    A step is a question, the answer that ends the search, the advice it leads to, and
    the numbers this rests on. The last step has no question.
    """
    high = 0.8 * len(steps) - 0.2
    ax = shapes.canvas(-high, 0)
    ax.set_axis_off()
    for row, (question, answer, advice, evidence) in enumerate(steps):
        y = -0.3 - 0.8 * row  # the middle of the step
        shapes.box(ax, 3.3, y - 0.27, 3.66, 0.54, KEPT, advice)
        shapes.text(ax, 5.13, y + 0.11, advice, weight="bold")
        shapes.text(ax, 5.13, y - 0.12, evidence)
        begin = [(2.56, y)] if question else [(1.3, y + 0.53), (1.3, y)]
        shapes.arrow(ax, DARK, *begin, (3.26, y))
        shapes.text(ax, 2.9, y + 0.12, answer)
        if question:
            shapes.box(ax, 0.04, y - 0.27, 2.52, 0.54, "w", question)
            shapes.text(ax, 1.3, y, question)
            if row + 2 < len(steps):
                shapes.arrow(ax, DARK, (1.3, y - 0.27), (1.3, y - 0.51))
                shapes.text(ax, 1.5, y - 0.39, "no" if answer == "yes" else "yes")
    lines = [f"{q} {answer}: {advice} ({why})." for q, answer, advice, why in steps]
    plots.show(ax.figure, " ".join(" ".join(lines).split()))


def _blocks(ax, trained, states):
    """Draw embeddings, layers, head and loss; return where each begins."""
    _, first, *layers, head = states
    shown = layers if len(layers) < 7 else [*layers[:3], "…", *layers[-2:]]
    step = 3.12 / len(shown)
    left = {name: 2.5 + n * step for n, name in enumerate(shown)}
    left = {first: 2.06} | left | {head: 5.66}
    width = dict.fromkeys(shown, step - 0.08) | {first: 0.36, head: 0.54}
    for name, x in left.items():
        middle = x + width[name] / 2
        whole = "frozen" not in states.get(name, "")
        if name == "…":
            shapes.text(ax, middle, 2.01, name, size=14)
            continue
        shapes.box(ax, x, 1.32, width[name], 1.38, TRAINED if whole else FROZEN, name)
        if name in layers:
            shapes.text(ax, middle, 2.57, name.split()[1])
            for y, part in ((1.92, "attn"), (1.37, "FFN")):
                shapes.box(ax, x + 0.04, y, width[name] - 0.08, 0.52, "w")
                shapes.text(ax, middle, y + 0.41, part)
                if not whole:
                    _inside(ax, trained, part, middle, y + 0.04)
        else:
            word = name.replace(" ", "\n")
            shapes.text(ax, middle, 2.01, word, rotation=90 if name == first else 0)
    if trained == "BitFit":  # a layer normalisation has biases, too
        _inside(ax, trained, first, left[first] + 0.18, 1.36)
    shapes.text(ax, 4, 2.86, "encoder")
    shapes.arrow(ax, DARK, (6.21, 2.01), (6.41, 2.01))
    shapes.circle(ax, 6.66, 2.01, "loss")
    for state, group in groupby(left, lambda name: states.get(name, states["layer 1"])):
        names = list(group)
        a, b = left[names[0]], left[names[-1]] + width[names[-1]]
        ax.plot([a, a, b, b], [1.22, 1.18, 1.18, 1.22], color=DARK, lw=1)
        weight = "normal" if state == "frozen" else "bold"
        shapes.text(ax, (a + b) / 2, 1.06, state, weight=weight)
    return left


def _inside(ax, trained, part, x, y):
    """Draw what a strategy trains in a part of a frozen block; x is its middle."""
    attention = part == "attn"
    if trained == "LoRA" and attention:
        for letter, dx in (("q", -0.15), ("v", 0.02)):  # query and value
            shapes.box(ax, x + dx, y, 0.045, 0.28, TRAINED, "B", lw=0.8)
            shapes.box(ax, x + dx + 0.05, y + 0.19, 0.08, 0.045, TRAINED, "A", lw=0.8)
            shapes.text(ax, x + dx + 0.095, y + 0.07, letter)
    elif trained == "bottleneck adapter":
        corners = ((-0.13, 0.28), (0, 0.18), (0.13, 0.28), (0.13, 0), (0, 0.1))
        corners = [(x + dx, y + dy) for dx, dy in (*corners, (-0.13, 0))]
        style = {"facecolor": TRAINED, "edgecolor": "k", "lw": 1, "label": "adapter"}
        ax.add_patch(Polygon(corners, joinstyle="round", **style))
    elif trained == "BitFit":
        shapes.box(ax, x - 0.13, y + 0.04, 0.26, 0.07, TRAINED, "bias", lw=1)
    elif trained == "prefix tuning" and attention:
        for letter, dx in (("k", -0.155), ("v", 0.005)):
            shapes.box(
                ax, x + dx, y + 0.02, 0.15, 0.2, TRAINED, f"virtual {letter}", lw=1
            )
            shapes.text(ax, x + dx + 0.075, y + 0.115, letter)


def _text_input(ax, text, tokens, ids, shape, virtual):
    """Draw the text, its tokens and their ids as the first sequence of a batch."""
    rows = list(zip(tokens, ids, strict=True))
    if len(rows) > 7:
        rows = [*rows[:5], ("…", "…"), rows[-1]]
    text = text if len(text) < 26 else f"{text[:24]}…"
    shapes.text(ax, 0.22, 3.08, text, style="italic", ha="left")
    shapes.arrow(ax, DARK, (0.4, 2.96), (0.4, 2.74))
    shapes.text(ax, 0.54, 2.85, "token ids", ha="left")
    for back in (0.1, 0.05, 0):
        shapes.box(ax, 0.22 + back, 1.32 + back, 1.4, 1.28, "w", "batch")
    above = 0.21 if virtual else 0
    step = (1.24 - above) / len(rows)
    for n, (token, number) in enumerate(rows):
        y = 2.58 - above - step * (n + 0.5)
        shapes.text(ax, 0.31, y, token, ha="left")
        shapes.text(ax, 1.53, y, number, ha="right")
    if virtual:
        shapes.box(ax, 0.24, 2.4, 1.36, 0.18, TRAINED, "virtual tokens", lw=1.5)
        shapes.text(ax, 0.92, 2.49, "virtual tokens")
    length = f"20 + {shape[1]}" if virtual else shape[1]
    shapes.text(ax, 0.95, 1.06, f"batch [{shape[0]}, {length}]")
    shapes.arrow(ax, DARK, (1.77, 2.01), (2.02, 2.01))


def _picture_input(ax, picture, patches, shape):
    """Draw the picture as the first of a batch, and some of its patches as tokens."""
    size = 14 * patches  # pixels: DINOv2's patches have 14 x 14
    picture = Image.fromarray(np.asarray(picture)).convert("RGB")
    pixels = np.array(picture.resize((size, size)))
    for back in (0.1, 0.05):
        shapes.box(ax, 0.22 + back, 2.2 + back, 1, 1, "w", "batch")
    shapes.picture(ax, pixels, 0.22, 2.2, 1, patches)
    batch = ", ".join(map(str, shape or (16, 3, size, size)))
    shapes.text(ax, 0.22, 2.07, f"batch [{batch}]", ha="left")
    shapes.arrow(ax, DARK, (0.4, 1.95), (0.4, 1.7))
    shapes.text(ax, 0.54, 1.83, f"{patches} × {patches} patches", ha="left")
    rows = pixels.reshape(patches, 14, patches, 14, 3).swapaxes(1, 2)
    cut = rows.reshape(-1, 14, 14, 3)
    shapes.text(ax, 0.22, 1.55, "[CLS]", ha="left")
    middle = len(cut) // 2
    for x, n in ((0.66, 0), (1.02, middle), (1.21, middle + 1), (1.57, -1)):
        shapes.picture(ax, cut[n], x, 1.47, 0.16)
    for x in (0.92, 1.47):
        shapes.text(ax, x, 1.55, "…")
    shapes.text(ax, 0.22, 1.3, f"[CLS] + {len(cut)} patch tokens", ha="left")
    shapes.arrow(ax, DARK, (1.77, 1.55), (2.02, 1.55))


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", "\u00a0")
