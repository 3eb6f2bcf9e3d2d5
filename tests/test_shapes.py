"""The shapes stand where they are put, in inches, and the trained ones stand out."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402 - after the choice of a backend
from matplotlib.colors import same_color  # noqa: E402

from helpers import shapes  # noqa: E402


@pytest.fixture
def ax():
    ax = shapes.canvas(-1, 2)
    yield ax
    plt.close(ax.figure)


def test_one_unit_of_a_canvas_is_one_inch(ax):
    assert ax.figure.get_size_inches().tolist() == [7, 3]
    inches = ax.transData.transform([(0, -1), (1, 0), (7, 2)]) / ax.figure.dpi
    np.testing.assert_allclose(inches, [(0, 0), (1, 1), (7, 3)])


def test_only_what_is_trained_has_a_bold_black_outline(ax):
    shapes.box(ax, 1, 0.5, 2, 0.3, shapes.TRAINED, "B", lw=3)
    shapes.box(ax, 1, 0.5, 2, 0.3, shapes.FROZEN, lw=3)
    trained, frozen = ax.patches
    assert trained.get_label() == "B"
    assert (trained.get_linewidth(), frozen.get_linewidth() < 3) == (3, True)
    assert same_color(trained.get_edgecolor(), "k")
    assert same_color(frozen.get_edgecolor(), shapes.GREY)
    assert (trained.get_x(), trained.get_y()) == (1, 0.5)
    assert (trained.get_width(), trained.get_height()) == (2, 0.3)


def test_a_heading_explains_the_colours_that_are_used(ax):
    shapes.heading(ax, "LoRA")
    shapes.heading(ax, "BitFit", "activations kept")
    assert [text.get_text() for text in ax.texts] == (
        ["LoRA", "trained", "frozen"] + ["BitFit", "trained", "frozen"]
    ) + ["activations kept"]
    faces = [shapes.TRAINED, shapes.FROZEN, shapes.TRAINED, shapes.FROZEN, shapes.KEPT]
    pairs = zip(ax.patches, faces, strict=True)
    assert all(same_color(patch.get_facecolor(), face) for patch, face in pairs)


def test_an_arrow_passes_its_points_and_ends_in_a_head(ax):
    shapes.arrow(ax, shapes.BLUE, (1, 1), (2, 1), (2, 0))
    assert ax.lines[0].get_xydata().tolist() == [[1, 1], [2, 1]]
    [head] = ax.texts
    assert (head.xyann, head.xy) == ((2, 1), (2, 0))


def test_a_circle_holds_its_word(ax):
    shapes.circle(ax, 3, 1, "+")
    assert (ax.patches[0].center, ax.texts[0].get_position()) == ((3, 1), (3, 1))
    assert ax.texts[0].get_text() == "+"


def test_a_picture_keeps_up_up_under_its_grid_and_the_canvas_its_limits(ax):
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[0] = 255  # the upper row
    shapes.picture(ax, pixels, 2, 0.5, 1, cells=4)
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 7), (-1, 2))
    [shown] = ax.images
    assert shown.get_extent() == [2, 3, 0.5, 1.5]
    upright, level = (lines.get_segments() for lines in ax.collections)
    assert [line[0, 0] for line in upright] == [2, 2.25, 2.5, 2.75, 3]
    assert [line[0, 1] for line in level] == [0.5, 0.75, 1, 1.25, 1.5]
    assert shown.get_zorder() < ax.collections[0].get_zorder()
    ax.figure.canvas.draw()
    seen = np.asarray(ax.figure.canvas.buffer_rgba())[..., 0]
    inch = round(ax.figure.dpi)
    column = seen[:, round(2.6 * inch)]  # from the top, y = 2
    assert (column[round(0.6 * inch)], column[round(1.4 * inch)]) == (255, 0)
