"""The course's recurring drawing: a text classifier, what is trained, what is not.

Lengths are inches. What is trained is coloured, has a bold outline and is named.
"""

from itertools import groupby
from typing import NamedTuple

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.patches import Circle, FancyBboxPatch, Polygon, Rectangle

from helpers import plots

BLUE, TRAINED = sns.color_palette("colorblind", 2).as_hex()  # blue: backward pass
KEPT, FROZEN, GREY, DARK = "#d9eaf5", "0.88", "0.55", "0.15"
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
    shape: tuple[int, int] | None = None,
    num_layers: int = 6,
    parameters: tuple[int, int] | None = None,
) -> None:
    """Show text → token ids → batch → encoder → head → loss for one of `STRATEGIES`.

    `shape` is the batch's; `parameters` are how many are trained, of how many. Long
    texts and deep encoders are shortened, poolers left out.
    """
    if trained not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise ValueError(f"There is no drawing of '{trained}': name one of {known}.")
    whole, lowest, inside = STRATEGIES[trained]
    layers = [f"layer {n}" for n in range(1, num_layers + 1)]
    names = ["virtual tokens", "embeddings", *layers, "head"]
    whole, lowest = whole % len(names), lowest % len(names)
    states = dict.fromkeys(names, "frozen")
    if lowest:  # virtual tokens stand in no block
        states |= dict.fromkeys(names[lowest:whole], f"frozen; {inside} trained")
    states |= dict.fromkeys(names[whole:], "trained")
    if trained == "from scratch":
        states = dict.fromkeys(names, "trained, randomly initialised")

    ax = _canvas(0.12 if parameters else 0.45, trained, "activations kept")
    _input(ax, text, tokens, ids, shape or (16, len(ids)), lowest == 0)
    left = _blocks(ax, trained, states, layers)
    end = left.get(names[lowest], 1.8)
    kept = {"color": KEPT, "lw": 0, "zorder": 0, "label": "activations kept"}
    ax.add_patch(Rectangle((end - 0.05, 1.27), 6.97 - end, 1.48, **kept))
    _arrow(ax, DARK, (2.06, 3.08), (6.92, 3.08))
    _text(ax, 4.46, 3.08, "forward pass", backgroundcolor="w")
    around = (0.09, 0.84), (0.09, 2.5), (0.22, 2.5)  # the token ids
    _arrow(ax, BLUE, (6.92, 0.84), *([(end, 0.84)] if lowest else around))
    verb = f"flow through {'frozen' if inside else 'all'} layers to"
    verb = verb if inside or lowest == 1 else "stop at"
    reached = f"gradients {verb} the {names[lowest]}".replace("the layer", "layer")
    _text(ax, 6.92, 0.65, f"backward pass: {reached}", color=BLUE, ha="right")

    what = f"{names[whole]} to head".replace("head to ", "")
    what = f"{inside}; head" if inside else what
    what += ", all randomly initialised" if trained == "from scratch" else ""
    alt = "Text, token ids, batch, encoder, head and loss. "
    alt += f"Strategy: {trained}. Trained: {what}. In the backward pass, {reached}; "
    alt += "activations are kept from there to the loss."
    if parameters:
        some, everything = parameters
        percent = 100 * some / everything
        counts = f"{_grouped(some)} of {_grouped(everything)} parameters are trained: "
        counts += f"{percent:.2g} %" if percent < 1 else f"{percent:.1f} %"
        _text(ax, 3.5, 0.3, counts, size=11)
        alt += f" {counts}."
    plots.show(ax.figure, alt)


def lora(d_in=384, d_out=384, r=8, lora_alpha=16) -> None:
    """Show a frozen linear layer with LoRA's two trained matrices, to scale."""
    ax = _canvas(-0.1, "LoRA beside a linear layer")
    scale = 1.4 / max(d_in, d_out)
    wide, high, thin = d_in * scale, d_out * scale, max(r * scale, 0.06)
    for name, x, y, width, height, face in (
        ("x", 0.5, 2.28, 0.1, wide, "w"),
        ("W", 2.15, 2.28, wide, high, FROZEN),
        ("A", 2.15, 1.0, wide, thin, TRAINED),
        ("B", 3.35, 1.0, thin, high, TRAINED),
        ("output", 6.45, 2.28, 0.1, high, "w"),
    ):
        _box(ax, x - width / 2, y - height / 2, width, height, face, name, lw=1.5)
    _text(ax, 0.5, 2.05 - wide / 2, f"x\n[{d_in}]")
    _text(ax, 2.15, 2.4 + high / 2, f"W [{d_out} × {d_in}], frozen")
    bold = {"weight": "bold", "va": "top"}
    _text(ax, 2.15, 0.92 - thin / 2, f"A [{r} × {d_in}], trained", **bold)
    _text(ax, 3.45, 0.88, f"B [{d_out} × {r}],\ntrained from 0", ha="left", **bold)
    _text(ax, 6.45, 2.05 - high / 2, f"output\n[{d_out}]")
    _arrow(ax, DARK, (0.6, 2.28), (2.11 - wide / 2, 2.28))
    _arrow(ax, DARK, (1.0, 2.28), (1.0, 1.0), (2.11 - wide / 2, 1.0))
    _arrow(ax, DARK, (2.19 + wide / 2, 1.0), (3.29 - thin / 2, 1.0))
    _arrow(ax, DARK, (3.41 + thin / 2, 1.0), (4.83, 1.0))
    _arrow(ax, DARK, (5.33, 1.0), (5.7, 1.0), (5.7, 2.02))
    _arrow(ax, DARK, (2.19 + wide / 2, 2.28), (5.44, 2.28))
    _arrow(ax, DARK, (5.96, 2.28), (6.37, 2.28))
    _circle(ax, 5.08, 1.0, "× α/r")
    _circle(ax, 5.7, 2.28, "+")
    _text(ax, 5.08, 0.62, f"{lora_alpha}/{r} = {lora_alpha / r:g}")
    some, others = _grouped(r * (d_in + d_out)), _grouped(d_in * d_out)
    counts = f"{some} parameters are trained beside {others} frozen ones"
    _text(ax, 3.5, 0.08, counts, size=11)
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
    figure = plt.figure(figsize=(plots.WIDTH, high))
    ax = figure.add_axes([0, 0, 1, 1], xlim=(0, plots.WIDTH), ylim=(-high, 0))
    ax.set_axis_off()
    for row, (question, answer, advice, evidence) in enumerate(steps):
        y = -0.3 - 0.8 * row  # the middle of the step
        _box(ax, 3.3, y - 0.27, 3.66, 0.54, KEPT, advice)
        _text(ax, 5.13, y + 0.11, advice, weight="bold")
        _text(ax, 5.13, y - 0.12, evidence)
        begin = [(2.56, y)] if question else [(1.3, y + 0.53), (1.3, y)]
        _arrow(ax, DARK, *begin, (3.26, y))
        _text(ax, 2.9, y + 0.12, answer)
        if question:
            _box(ax, 0.04, y - 0.27, 2.52, 0.54, "w", question)
            _text(ax, 1.3, y, question)
            if row + 2 < len(steps):
                _arrow(ax, DARK, (1.3, y - 0.27), (1.3, y - 0.51))
                _text(ax, 1.5, y - 0.39, "no" if answer == "yes" else "yes")
    lines = [f"{q} {answer}: {advice} ({why})." for q, answer, advice, why in steps]
    plots.show(figure, " ".join(" ".join(lines).split()))


def _blocks(ax, trained, states, layers):
    """Draw embeddings, layers, head and loss; return where each begins."""
    shown = layers if len(layers) < 7 else [*layers[:3], "…", *layers[-2:]]
    step = 3.12 / len(shown)
    left = {name: 2.5 + n * step for n, name in enumerate(shown)}
    left = {"embeddings": 2.06} | left | {"head": 5.66}
    width = dict.fromkeys(shown, step - 0.08) | {"embeddings": 0.36, "head": 0.54}
    for name, x in left.items():
        middle = x + width[name] / 2
        whole = "frozen" not in states.get(name, "")
        if name == "…":
            _text(ax, middle, 2.01, name, size=14)
            continue
        _box(ax, x, 1.32, width[name], 1.38, TRAINED if whole else FROZEN, name)
        if name in layers:
            _text(ax, middle, 2.57, name.split()[1])
            for y, part in ((1.92, "attn"), (1.37, "FFN")):
                _box(ax, x + 0.04, y, width[name] - 0.08, 0.52, "w")
                _text(ax, middle, y + 0.41, part)
                if not whole:
                    _inside(ax, trained, part, middle, y + 0.04)
        else:
            _text(ax, middle, 2.01, name, rotation=90 if name == "embeddings" else 0)
    if trained == "BitFit":  # a layer normalisation has biases, too
        _inside(ax, trained, "embeddings", left["embeddings"] + 0.18, 1.36)
    _text(ax, 4, 2.86, "encoder")
    _arrow(ax, DARK, (6.21, 2.01), (6.41, 2.01))
    _circle(ax, 6.66, 2.01, "loss")
    for state, group in groupby(left, lambda name: states.get(name, states["layer 1"])):
        names = list(group)
        a, b = left[names[0]], left[names[-1]] + width[names[-1]]
        ax.plot([a, a, b, b], [1.22, 1.18, 1.18, 1.22], color=DARK, lw=1)
        weight = "normal" if state == "frozen" else "bold"
        _text(ax, (a + b) / 2, 1.06, state, weight=weight)
    return left


def _inside(ax, trained, part, x, y):
    """Draw what a strategy trains in a part of a frozen block; x is its middle."""
    attention = part == "attn"
    if trained == "LoRA" and attention:
        for letter, dx in (("q", -0.15), ("v", 0.02)):  # query and value
            _box(ax, x + dx, y, 0.045, 0.28, TRAINED, "B", lw=0.8)
            _box(ax, x + dx + 0.05, y + 0.19, 0.08, 0.045, TRAINED, "A", lw=0.8)
            _text(ax, x + dx + 0.095, y + 0.07, letter)
    elif trained == "bottleneck adapter":
        corners = ((-0.13, 0.28), (0, 0.18), (0.13, 0.28), (0.13, 0), (0, 0.1))
        corners = [(x + dx, y + dy) for dx, dy in (*corners, (-0.13, 0))]
        style = {"facecolor": TRAINED, "edgecolor": "k", "lw": 1, "label": "adapter"}
        ax.add_patch(Polygon(corners, joinstyle="round", **style))
    elif trained == "BitFit":
        _box(ax, x - 0.13, y + 0.04, 0.26, 0.07, TRAINED, "bias", lw=1)
    elif trained == "prefix tuning" and attention:
        for letter, dx in (("k", -0.155), ("v", 0.005)):
            _box(ax, x + dx, y + 0.02, 0.15, 0.2, TRAINED, f"virtual {letter}", lw=1)
            _text(ax, x + dx + 0.075, y + 0.115, letter)


def _input(ax, text, tokens, ids, shape, virtual):
    """Draw the text, its tokens and their ids as the first sequence of a batch."""
    rows = list(zip(tokens, ids, strict=True))
    if len(rows) > 7:
        rows = [*rows[:5], ("…", "…"), rows[-1]]
    text = text if len(text) < 26 else f"{text[:24]}…"
    _text(ax, 0.22, 3.08, text, style="italic", ha="left")
    _arrow(ax, DARK, (0.4, 2.96), (0.4, 2.74))
    _text(ax, 0.54, 2.85, "token ids", ha="left")
    for back in (0.1, 0.05, 0):
        _box(ax, 0.22 + back, 1.32 + back, 1.4, 1.28, "w", "batch")
    above = 0.21 if virtual else 0
    step = (1.24 - above) / len(rows)
    for n, (token, number) in enumerate(rows):
        y = 2.58 - above - step * (n + 0.5)
        _text(ax, 0.31, y, token, ha="left")
        _text(ax, 1.53, y, number, ha="right")
    if virtual:
        _box(ax, 0.24, 2.4, 1.36, 0.18, TRAINED, "virtual tokens", lw=1.5)
        _text(ax, 0.92, 2.49, "virtual tokens")
    length = f"20 + {shape[1]}" if virtual else shape[1]
    _text(ax, 0.95, 1.06, f"batch [{shape[0]}, {length}]")
    _arrow(ax, DARK, (1.77, 2.01), (2.02, 2.01))


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", "\u00a0")


def _canvas(low: float, title: str, kept: str = ""):
    """Return axes in inches, from y = `low` to 3.66, with a title and a legend."""
    figure = plt.figure(figsize=(plots.WIDTH, 3.66 - low))
    ax = figure.add_axes([0, 0, 1, 1], xlim=(0, plots.WIDTH), ylim=(low, 3.66))
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    _text(ax, 0.22, 3.46, title, size=15, weight="bold", ha="left")
    legend = ("trained", TRAINED, 3.71), ("frozen", FROZEN, 4.67), (kept, KEPT, 5.55)
    for word, face, x in legend if kept else legend[:2]:
        x += 0 if kept else 1.58
        _box(ax, x, 3.37, 0.22, 0.18, face)
        _text(ax, x + 0.3, 3.46, word, ha="left")
    return ax


def _box(ax, x, y, width, height, face, name="", lw=2.0):
    corner = min(0.04, 0.2 * height, 0.2 * width)
    shape = f"round,pad=0,rounding_size={corner}"
    edge = {"edgecolor": "k", "lw": lw} if face == TRAINED else {"edgecolor": GREY}
    style = {"boxstyle": shape, "facecolor": face, "label": name} | edge
    ax.add_patch(FancyBboxPatch((x, y), width, height, **style))


def _circle(ax, x, y, word):
    style = {"facecolor": "w", "edgecolor": DARK, "lw": 1.2}
    ax.add_patch(Circle((x, y), 0.24, **style))
    _text(ax, x, y, word)


def _text(ax, x, y, words, **style):
    style = {"size": 9.5, "ha": "center", "va": "center", "color": DARK} | style
    ax.text(x, y, str(words), **style)


def _arrow(ax, color, *points):
    """Draw a line through points, with a head at the last one."""
    ax.plot(*zip(*points[:-1], strict=True), color=color, lw=2)
    style = {"arrowstyle": "-|>,head_width=.22,head_length=.45", "color": color}
    style |= {"lw": 2, "shrinkA": 0, "shrinkB": 0, "joinstyle": "miter"}
    ax.annotate("", points[-1], points[-2], arrowprops=style)
