"""The recurring drawing colours what is trained and shows how far gradients flow."""

from itertools import combinations

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import BertConfig, BertForSequenceClassification

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402 - after the choice of a backend
from matplotlib.colors import same_color  # noqa: E402

from helpers import drawings, plots, shapes  # noqa: E402
from helpers.models import methods  # noqa: E402
from helpers.training import freezing  # noqa: E402

LAYERS = {f"layer {n}" for n in range(1, 7)}
COLOURED = {  # besides the head and the legend
    "frozen + linear": set(),
    "last two layers": {"layer 5", "layer 6"},
    "full fine-tuning": {"embeddings"} | LAYERS,
    "from scratch": {"embeddings"} | LAYERS,
    "LoRA": {"A", "B"},
    "bottleneck adapter": {"adapter"},
    "BitFit": {"bias"},
    "prefix tuning": {"virtual k", "virtual v"},
    "prompt tuning": {"virtual tokens"},
}
REACHED = {  # as the alt text says it, and the block
    "frozen + linear": ("stop at the head", "head"),
    "last two layers": ("stop at layer 5", "layer 5"),
    "full fine-tuning": ("flow through all layers to the embeddings", "embeddings"),
    "from scratch": ("flow through all layers to the embeddings", "embeddings"),
    "LoRA": ("flow through frozen layers to layer 1", "layer 1"),
    "bottleneck adapter": ("flow through frozen layers to layer 1", "layer 1"),
    "BitFit": ("flow through frozen layers to the embeddings", "embeddings"),
    "prefix tuning": ("flow through frozen layers to layer 1", "layer 1"),
    "prompt tuning": ("flow through frozen layers to the virtual tokens", "embeddings"),
}
VIRTUAL = {"prefix tuning", "prompt tuning"}  # for texts only
COLUMNS, ROWS = np.meshgrid(np.arange(98) // 14, np.arange(98) // 14)
PICTURE = np.stack([30 * COLUMNS, 30 * ROWS, 0 * ROWS], -1).astype(np.uint8)
each_strategy = pytest.mark.parametrize("strategy", drawings.STRATEGIES)


@pytest.fixture
def shown(monkeypatch):
    """The figures, alt texts and files that would have been displayed."""
    calls = []
    monkeypatch.setattr(plots, "show", lambda *call: calls.append(call))
    with plt.rc_context():
        plots.set_theme()
        yield calls
    plt.close("all")


def patches(figure) -> dict:
    """Return the named shapes of a drawing; of equal names the last one."""
    return {p.get_label(): p for p in figure.axes[0].patches if p.get_label()}


def coloured(figure) -> set:
    found = patches(figure).items()
    return {n for n, p in found if same_color(p.get_facecolor(), shapes.TRAINED)}


def words(figure) -> list:
    return [text.get_text() for text in figure.axes[0].texts]


def check_layout(figure):
    """No text leaves the figure, is too small, or touches another one."""
    figure.canvas.draw()
    frame = figure.bbox
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    for text, box in zip(texts, boxes, strict=True):
        assert text.get_fontsize() >= 9
        assert frame.x0 < box.x0 and box.x1 < frame.x1, text
        assert frame.y0 < box.y0 and box.y1 < frame.y1, text
    for (a, one), (b, other) in combinations(zip(texts, boxes, strict=True), 2):
        assert not one.padded(-1).overlaps(other.padded(-1)), (a, b)


@each_strategy
def test_what_is_trained_is_coloured_outlined_and_named(strategy, shown):
    drawings.model(strategy)
    [(figure, alt)] = shown
    assert coloured(figure) == COLOURED[strategy] | {"head"}
    head, batch = (patches(figure)[name] for name in ("head", "batch"))
    assert head.get_linewidth() > batch.get_linewidth()
    inside = drawings.STRATEGIES[strategy].inside
    assert f"Strategy: {strategy}. Trained: {inside}" in alt
    assert f"{inside}".strip() in " ".join(words(figure))
    assert any(word.startswith("trained") for word in words(figure)[4:])


def test_the_alt_text_names_what_is_trained(shown):
    for strategy in ("frozen + linear", "last two layers", "from scratch", "LoRA"):
        drawings.model(strategy)
    found = [alt.split("Trained: ")[1].split(". ")[0] for _, alt in shown]
    assert found == [
        "head",
        "layer 5 to head",
        "embeddings to head, all randomly initialised",
        "low-rank matrices A, B; head",
    ]
    assert "trained, randomly initialised" in words(shown[2][0])


@each_strategy
def test_the_backward_pass_ends_at_the_lowest_block_that_is_trained(strategy, shown):
    drawings.model(strategy)
    [(figure, alt)] = shown
    reached, block = REACHED[strategy]
    assert f"gradients {reached};" in alt
    assert f"backward pass: gradients {reached}" in words(figure)
    begin = patches(figure)["activations kept"].get_x()
    blocks = {"embeddings", "head"} | LAYERS
    places = {n: p.get_x() for n, p in patches(figure).items() if n in blocks}
    assert min(x for x in places.values() if x > begin) == places[block]


@each_strategy
def test_torch_stops_the_gradients_where_the_drawing_does(strategy):
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(vocab_size=50, num_hidden_layers=6, **sizes)
    model = adapted = BertForSequenceClassification(config)
    if strategy == "frozen + linear":
        freezing.train_only(model, "head")
    elif strategy == "last two layers":
        freezing.train_only(model, strategy)
    elif strategy not in ("full fine-tuning", "from scratch"):
        adapted = methods.apply(strategy, model)
    bert = model.bert
    blocks = {"embeddings": bert.embeddings, "head": model.classifier}
    blocks |= {f"layer {n}": layer for n, layer in enumerate(bert.encoder.layer, 1)}
    reached = set()

    def note(name, output):
        first = output[0] if isinstance(output, tuple) else output
        if first.requires_grad:
            reached.add(name)

    for name, block in blocks.items():
        block.register_forward_hook(lambda _, __, output, name=name: note(name, output))
    adapted(torch.tensor([[2, 5, 3]]), attention_mask=torch.ones(1, 3))
    order = ["embeddings", *sorted(LAYERS), "head"]
    first = order.index(REACHED[strategy][1])
    assert reached == set(order[first:])


@each_strategy
@pytest.mark.parametrize("num_layers", [2, 6, 12])
def test_no_text_leaves_the_figure_or_touches_another(strategy, num_layers, shown):
    drawings.model(strategy, num_layers=num_layers, parameters=(74498, 22788484))
    check_layout(shown[0][0])


@pytest.mark.parametrize("sizes", [(384, 384, 8), (768, 3072, 64), (3072, 768, 1)])
def test_lora_has_its_shapes_and_its_layout(sizes, shown):
    d_in, d_out, r = sizes
    drawings.lora(*sizes)
    [(figure, alt)] = shown
    check_layout(figure)
    assert coloured(figure) == {"A", "B"}
    for told in (f"W [{d_out} × {d_in}]", f"A [{r} × {d_in}]", f"B [{d_out} × {r}]"):
        assert told in alt
        assert told in " ".join(words(figure))
    frozen = patches(figure)["W"]
    ratio = frozen.get_height() / frozen.get_width()
    assert ratio == pytest.approx(d_out / d_in)


def test_the_numbers_of_parameters_are_told(shown):
    drawings.model("LoRA", parameters=(74498, 22788484))
    drawings.model("frozen + linear", parameters=(770, 22713986))
    drawings.model("full fine-tuning", parameters=(22713986, 22713986))
    drawings.lora(384, 384, 8, 16)
    captions = (
        "74 498 of 22 788 484 parameters are trained: 0.33 %",
        "770 of 22 713 986 parameters are trained: 0.0034 %",
        "22 713 986 of 22 713 986 parameters are trained: 100.0 %",
        "6 144 parameters are trained beside 147 456 frozen ones",
    )
    for caption, (figure, alt) in zip(captions, shown, strict=True):
        assert caption in [word.replace("\u00a0", " ") for word in words(figure)]
        assert caption in alt.replace("\u00a0", " ")
    assert "16/8 = 2" in words(shown[-1][0])


def test_text_tokens_and_shape_are_the_readers_own(shown):
    tokens, ids = ["[CLS]", "good", "[SEP]"], [101, 2204, 102]
    own = {"text": "good", "tokens": tokens, "ids": ids}
    drawings.model("prompt tuning", **own)
    drawings.model("LoRA", **own, shape=(32, 128))
    (one, _), (other, _) = shown
    assert {"good", *tokens, *map(str, ids), "batch [16, 20 + 3]"} <= set(words(one))
    assert "batch [32, 128]" in words(other)


def test_long_texts_and_deep_encoders_are_shortened(shown):
    tokens = ["[CLS]", *"abcdefghijk", "[SEP]"]
    own = {"text": "letter " * 9, "tokens": tokens, "ids": range(13)}
    drawings.model("last two layers", **own, num_layers=24)
    [(figure, alt)] = shown
    check_layout(figure)
    found = words(figure)
    assert {"[CLS]", "d", "…", "[SEP]", "12", "23", "24"} <= set(found)
    assert not {"e", "11", "22"} & set(found)
    assert "stop at layer 23" in alt


@pytest.mark.parametrize("strategy", [s for s in REACHED if s not in VIRTUAL])
def test_a_picture_and_its_patches_take_the_place_of_the_text(strategy, shown):
    drawings.model(strategy, picture=PICTURE, parameters=(74498, 22788484))
    [(figure, alt)] = shown
    check_layout(figure)
    found = words(figure)
    assert {"batch [16, 3, 98, 98]", "7 × 7 patches", "[CLS]", "12"} <= set(found)
    assert {"[CLS] + 49 patch tokens", "patch\nembedding"} <= set(found)
    assert not {"token ids", "embeddings", "101", "film"} & set(found)
    assert alt.startswith("Picture, patches, batch, encoder, head and loss. Strategy")
    reached = REACHED[strategy][0].replace("embeddings", "patch embedding")
    reached = reached.replace("layer 5", "layer 11")  # the last two of twelve
    assert f"gradients {reached};" in alt
    assert f"backward pass: gradients {reached}" in found
    named = {name.replace("layer 5", "layer 11") for name in COLOURED[strategy]}
    named = {name.replace("layer 6", "layer 12") for name in named}
    if "embeddings" in named:  # layers 4 to 10 are left out
        named = {f"layer {n}" for n in (1, 2, 3, 11, 12)} | {"patch embedding"}
    assert coloured(figure) == named | {"head"}


@pytest.mark.parametrize("given", [PICTURE, Image.fromarray(PICTURE)])
def test_a_picture_is_cut_into_patches_row_by_row(given, shown):
    drawings.model("LoRA", picture=given)
    whole, *some = [im.get_array() for im in shown[0][0].axes[0].images]
    np.testing.assert_array_equal(whole, PICTURE)
    assert [patch.shape for patch in some] == 4 * [(14, 14, 3)]
    assert all((patch == patch[0, 0]).all() for patch in some)  # not from two patches
    places = [(patch[0, 0, :2] // 30).tolist() for patch in some]  # column and row
    assert places == [[0, 0], [3, 3], [4, 3], [6, 6]]


def test_patches_batch_and_depth_are_the_readers_own(shown):
    grey = Image.fromarray(PICTURE[:50, :, 0])
    own = {"patches": 16, "shape": (32, 3, 224, 224), "num_layers": 4}
    drawings.model("LoRA", picture=grey, **own)
    drawings.model("LoRA", picture=grey, patches=16)
    for (figure, _), batch in zip(shown, (32, 16), strict=True):
        check_layout(figure)
        told = {f"batch [{batch}, 3, 224, 224]", "[CLS] + 256 patch tokens"}
        assert told | {"16 × 16 patches"} <= set(words(figure))
    assert ("4" in words(shown[0][0]), "12" in words(shown[0][0])) == (True, False)


@pytest.mark.parametrize("strategy", VIRTUAL)
def test_virtual_tokens_need_a_text(strategy, shown):
    with pytest.raises(ValueError, match=f"'{strategy}' needs a text: name another"):
        drawings.model(strategy, picture=PICTURE)
    assert shown == []


def test_an_unknown_strategy_names_the_known_ones(shown):
    with pytest.raises(ValueError, match="no drawing of 'lora'.*LoRA.*prompt tuning"):
        drawings.model("lora")
    assert shown == []


def test_a_guide_shows_each_question_its_answer_advice_and_evidence(shown):
    steps = [("Is it long,\nvery long?", "yes", "Cut it", "saves 3 of 5 MB")]
    steps += [("Several?", "no", "One", ".7"), ("", "yes", "Many", ".8 ± .1")]
    drawings.guide(steps)
    [(figure, alt)] = shown
    check_layout(figure)
    assert words(figure).count("yes") == words(figure).count("no") == 2
    assert {word for step in steps for word in step if word} == {*words(figure)} - {""}
    assert set(patches(figure)) == {steps[0][0], "Several?", "Cut it", "One", "Many"}
    assert alt == (
        "Is it long, very long? yes: Cut it (saves 3 of 5 MB). Several? no: One (.7). "
        "yes: Many (.8 ± .1)."
    )
