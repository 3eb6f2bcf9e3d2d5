"""Figures carry a description, their intervals and all of their data."""

import base64
import io

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402 - after the choice of a backend

from helpers import plots  # noqa: E402
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
    assert not any(ax.axison for ax in axes)
    plt.close(figure)


def test_text_is_large_enough_to_be_projected(ax):
    plots.intervals(ax, SCORES, "accuracy")
    sizes = [label.get_fontsize() for label in (*ax.get_yticklabels(), ax.xaxis.label)]
    assert min(sizes) >= 11
    assert plt.rcParams["figure.figsize"][0] == 7
