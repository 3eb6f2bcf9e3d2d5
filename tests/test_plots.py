"""Figures carry a description, their intervals and all of their data."""

import base64
import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402 - after the choice of a backend

from helpers import metrics, plots  # noqa: E402
from helpers.metrics import Score  # noqa: E402

SCORES = {"frozen": Score(0.7, 0.65, 0.75, 500), "counts": Score(0.6, 0.55, 0.64, 500)}


@pytest.fixture
def shown(monkeypatch):
    """What would have been displayed."""
    calls = []
    monkeypatch.setattr(plots, "display", lambda *a, **k: calls.append((a, k)))
    return calls


@pytest.fixture(autouse=True)
def theme():
    with plt.rc_context():
        plots.set_theme()
        yield


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_show_puts_the_alt_text_where_readers_and_the_lint_find_it(shown):
    figure, _ = plt.subplots()
    plots.show(figure, "Two bars; the upper one is longer.")
    [((data,), options)] = shown
    assert options["raw"] is True
    told = options["metadata"]["image/png"]
    assert told["alt"] == "Two bars; the upper one is longer."
    assert data["text/plain"] == "Two bars; the upper one is longer."
    png = base64.b64decode(data["image/png"], validate=True)
    assert png.startswith(b"\x89PNG")
    pixels = matplotlib.image.imread(io.BytesIO(png)).shape[:2]
    assert pixels == pytest.approx([2 * told["height"], 2 * told["width"]], abs=1)
    assert 500 < told["width"] < 800


def test_show_can_store_the_same_picture_in_a_file(shown, tmp_path):
    figure, _ = plt.subplots()
    plots.show(figure, "Empty axes.", tmp_path / "figure.png")
    [((data,), _)] = shown
    stored = (tmp_path / "figure.png").read_bytes()
    assert stored == base64.b64decode(data["image/png"])


def test_show_wants_a_description():
    with pytest.raises(TypeError):
        plots.show(plt.figure())
    plt.close("all")


def test_a_shown_figure_is_closed(shown):
    plt.close("all")
    for _ in range(3):
        figure, _ = plt.subplots()
        plots.show(figure, "Empty axes.")
    assert plt.get_fignums() == []


def test_intervals_show_every_name_value_and_interval_in_order(ax):
    plots.intervals(ax, SCORES, "accuracy")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["frozen", "counts"]
    assert ax.yaxis_inverted()  # the first name stands on top
    assert ax.get_xlabel() == "accuracy"
    dots = [box.lines[0] for box in ax.containers]
    assert [dot.get_xdata()[0] for dot in dots] == [0.7, 0.6]
    assert len({dot.get_marker() for dot in dots}) == 2  # not by colour alone
    assert [text.get_text() for text in ax.texts] == ["0.700", "0.600"]
    figure = ax.figure
    figure.canvas.draw()
    assert all(t.get_window_extent().x0 > ax.bbox.x1 for t in ax.texts), "on the frame"
    ends = [line.get_segments()[0][:, 0].tolist() for line in ax.collections]
    assert ends == [pytest.approx([0.65, 0.75]), pytest.approx([0.55, 0.64])]


def test_learning_curves_show_every_curve_with_its_interval(ax):
    curves = {
        name: {25: Score(v, v - 0.1, v + 0.1, 5), 100: Score(v + 0.1, v, v + 0.2, 5)}
        for name, v in {"frozen": 0.6, "counts": 0.5}.items()
    }
    plots.learning_curves(ax, curves, "labelled examples", "accuracy")
    assert [line.get_label() for line in ax.lines] == ["frozen", "counts"]
    assert ax.lines[0].get_xydata().tolist() == [[25, 0.6], [100, 0.7]]
    assert len({line.get_marker() for line in ax.lines}) == 2  # not by colour alone
    assert len(ax.collections) == 2
    heights = ax.collections[1].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((0.4, 0.7))
    assert ax.get_xscale() == "log"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["25", "100"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("labelled examples", "accuracy")
    assert ax.get_legend() is not None


def test_no_curve_is_left_out_however_many_there_are(ax):
    points = {25: Score(0.5, 0.4, 0.6, 5)}
    names = [f"curve {i}" for i in range(len(plots.MARKERS) + 2)]
    plots.learning_curves(ax, dict.fromkeys(names, points), "n", "accuracy")
    assert len(ax.lines) == len(names)


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(1, 1, 1), (3, 3, 1), (5, 2, 3)]
)
def test_a_gallery_shows_every_picture_under_its_title(count, columns, rows):
    pictures = [np.full((4, 6), i, np.uint8) for i in range(count)]
    titles = [f"picture {i}" for i in range(count)]
    figure = plots.gallery(pictures, titles, columns)
    axes = figure.get_axes()
    assert len(axes) == rows * columns
    drawn = [ax for ax in axes if ax.images]
    assert [ax.get_title() for ax in drawn] == titles
    for ax, picture in zip(drawn, pictures, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), picture)
        assert ax.images[0].get_clim() == (0, 255)  # a brighter picture looks brighter
    assert not any(ax.axison for ax in axes)
    plt.close(figure)


LOWER_LEFT = np.array([[0, 0, 0], [0, 0, 0], [0.4, 0, 0]])  # a heat map


def test_a_heat_map_lies_over_its_grey_picture_with_an_outline_at_half(ax):
    picture = np.full((60, 30, 3), (200, 100, 0), np.uint8)
    plots.overlay(ax, picture, LOWER_LEFT, "attention")
    under, over = ax.images
    np.testing.assert_array_equal(under.get_array(), np.full((60, 30), 118))
    assert (under.get_clim(), over.get_array().shape) == ((0, 255), (60, 30))
    assert over.get_alpha()[:20].max() == 0  # the picture stays as it is
    assert np.unravel_index(over.get_alpha().argmax(), (60, 30)) == (50, 0)
    assert over.get_alpha().max() == pytest.approx(0.7)
    [path] = ax.collections[0].get_paths()
    x, y = path.vertices.T
    assert x.max() == pytest.approx(9.5, abs=0.1)  # halfway to the next centre, 14.5
    assert y.min() == pytest.approx(39.5, abs=0.1)
    assert ax.get_xlabel() == "attention\nmaximum 0.4"


@pytest.mark.parametrize("form", [np.asarray, Image.fromarray, lambda m: m > 0])
def test_a_mask_is_outlined_and_an_empty_one_is_not(form, ax):
    mask = np.zeros((40, 40), np.uint8)
    plots.overlay(ax, Image.fromarray(mask), form(mask), "no lesion")
    assert len(ax.collections) == 0
    mask[10:20, 5:25] = 255
    plots.overlay(ax, Image.fromarray(mask), form(mask), "lesion")
    [outline] = ax.collections
    ends = outline.get_paths()[0].get_extents().extents
    assert ends == pytest.approx([4.5, 9.5, 24.5, 19.5])
    assert (ax.images[-1].get_alpha() > 0).sum() == 200
    assert ax.get_xlabel() == "lesion"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0.0, 0.2])
def test_a_heat_map_without_differences_has_no_outline(value, ax):
    plots.overlay(ax, np.zeros((9, 9), np.uint8), np.full((3, 3), value), "flat")
    assert ax.get_xlabel() == f"flat\nmaximum {value:.2g}"
    assert len(ax.collections) == 0


@pytest.mark.parametrize("wrong", [-0.1, np.nan])
def test_a_heat_map_has_no_negative_numbers(wrong, ax):
    with pytest.raises(ValueError, match="take the absolute values"):
        plots.overlay(ax, np.zeros((9, 9), np.uint8), [[0.2, wrong]], "signed")


def test_a_reliability_diagram_has_a_dot_an_interval_and_a_number_per_bin(ax):
    probabilities = [0, 0.1, 0.2, 0.6, 0.7, 0.7, 1]  # the bins begin at 0, .25, .5, .75
    labels = [0, 0, 1, 1, 1, 0, 1]
    plots.reliability(ax, probabilities, labels, bins=4)
    dots = [box.lines[0].get_xydata()[0] for box in ax.containers]
    expected = [(0.1, 1 / 3), (2 / 3, 2 / 3), (1, 1)]  # none between .25 and .5
    np.testing.assert_allclose(dots, expected)
    bars = [box.lines[2][0].get_segments()[0][:, 1] for box in ax.containers]
    scores = [metrics.proportion(*counts) for counts in ((1, 3), (2, 3), (1, 1))]
    np.testing.assert_allclose(bars, [(score.low, score.high) for score in scores])
    [top] = ax.child_axes
    told = [(tick.get_text(), tick.get_position()[0]) for tick in top.get_xticklabels()]
    assert told == [("3", 0.125), ("3", 0.625), ("1", 0.875)]
    assert ax.lines[0].get_xydata().tolist() == [[0, 0], [1, 1]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == (
        "predicted probability",
        "fraction positive",
    )


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [([0.5, 1.2], [0, 1]), ([0.5, np.nan], [0, 1]), ([0.5], [0, 1]), ([0.5], [2])],
)
def test_a_reliability_diagram_needs_probabilities_of_two_classes(
    probabilities, labels, ax
):
    with pytest.raises(ValueError, match="label, 0 or 1, a probability between 0"):
        plots.reliability(ax, probabilities, labels)


def test_text_is_large_enough_to_be_projected(ax):
    plots.intervals(ax, SCORES, "accuracy")
    sizes = [label.get_fontsize() for label in (*ax.get_yticklabels(), ax.xaxis.label)]
    assert min(sizes) >= 11
    assert plt.rcParams["figure.figsize"][0] == 7


def test_outlines_are_drawn_where_masks_are_and_only_there():
    masks = np.zeros((2, 8, 8), bool)
    masks[0, 2:5, 2:5] = True
    figure = plots.outlines(np.ones((2, 8, 8)), masks, ~masks, ["a", "b"])
    drawn = [[type(one).__name__ for one in ax.collections] for ax in figure.axes]
    assert [len(one) for one in drawn] == [2, 1]  # the second has no lesion
    assert [ax.get_title() for ax in figure.axes] == ["a", "b"]
    widths = [one.get_linewidths()[0] for one in figure.axes[0].collections]
    assert widths[0] < widths[1]  # told apart without colour
    plt.close(figure)


def test_a_large_picture_is_made_smaller_and_looks_the_same():
    rng = np.random.default_rng(0)
    figure, ax = plt.subplots()
    ax.imshow(rng.uniform(0.2, 1, (300, 300)), cmap="gray")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    plt.close(figure)
    before = Image.open(buffer).convert("RGB")
    png = plots._small(buffer.getvalue())
    after = Image.open(io.BytesIO(png)).convert("RGB")
    assert abs(after.width - 0.6 * before.width) < 2
    assert len(png) < 0.5 * len(buffer.getvalue())
    change = np.subtract(before.resize(after.size), after, dtype=float)
    assert np.abs(change).mean() < 5


def test_a_small_picture_stays_as_it_is():
    assert plots._small(b"few bytes") == b"few bytes"
