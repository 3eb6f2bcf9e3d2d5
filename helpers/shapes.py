"""The shapes that drawings are made of: boxes, circles, text, arrows, pictures.

Lengths are inches from a canvas's lower left; what is trained has a bold outline.
"""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.patches import Circle, FancyBboxPatch

from helpers import plots

BLUE, TRAINED = sns.color_palette("colorblind", 2).as_hex()  # blue: backward pass
KEPT, FROZEN, GREY, DARK = "#d9eaf5", "0.88", "0.55", "0.15"


def canvas(low: float, high: float):
    """Return axes in inches without a frame, `plots.WIDTH` wide, from `low` to `high`.

    They fill a figure of their own.
    """
    figure = plt.figure(figsize=(plots.WIDTH, high - low))
    ax = figure.add_axes([0, 0, 1, 1], xlim=(0, plots.WIDTH), ylim=(low, high))
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return ax


def heading(ax, title: str, kept: str = "") -> None:
    """Write a title and beside it what the colours mean, 3.37 to 3.66 inches high.

    `kept` names what is `KEPT`, if the drawing has any.
    """
    text(ax, 0.22, 3.46, title, size=15, weight="bold", ha="left")
    legend = ("trained", TRAINED, 3.71), ("frozen", FROZEN, 4.67), (kept, KEPT, 5.55)
    for word, face, x in legend if kept else legend[:2]:
        x += 0 if kept else 1.58
        box(ax, x, 3.37, 0.22, 0.18, face)
        text(ax, x + 0.3, 3.46, word, ha="left")


def box(ax, x, y, width, height, face, name="", lw=2.0) -> None:
    """Add a rounded box with its lower left corner at (x, y) and a colour `face`.

    `name` is the label of the patch; `lw` (points) is used if `face` is `TRAINED`.
    """
    corner = min(0.04, 0.2 * height, 0.2 * width)
    shape = f"round,pad=0,rounding_size={corner}"
    edge = {"edgecolor": "k", "lw": lw} if face == TRAINED else {"edgecolor": GREY}
    style = {"boxstyle": shape, "facecolor": face, "label": name} | edge
    ax.add_patch(FancyBboxPatch((x, y), width, height, **style))


def circle(ax, x, y, word) -> None:
    """Add a circle of radius 0.24 with a word in its middle, (x, y)."""
    style = {"facecolor": "w", "edgecolor": DARK, "lw": 1.2}
    ax.add_patch(Circle((x, y), 0.24, **style))
    text(ax, x, y, word)


def text(ax, x, y, words, **style) -> None:
    """Write `words` at (x, y), centred and of 9.5 points unless `style` differs."""
    style = {"size": 9.5, "ha": "center", "va": "center", "color": DARK} | style
    ax.text(x, y, str(words), **style)


def arrow(ax, color, *points) -> None:
    """Draw a line through two or more points (x, y), with a head at the last one."""
    ax.plot(*zip(*points[:-1], strict=True), color=color, lw=2)
    style = {"arrowstyle": "-|>,head_width=.22,head_length=.45", "color": color}
    style |= {"lw": 2, "shrinkA": 0, "shrinkB": 0, "joinstyle": "miter"}
    ax.annotate("", points[-1], points[-2], arrowprops=style)


def picture(ax, pixels: np.ndarray, x, y, side, cells: int = 1) -> None:
    """Show pixels, uint8 [height, width, 3], as a square with (x, y) at lower left.

    A grid of `cells` × `cells` lies over it.
    """
    extent = x, x + side, y, y + side
    ax.imshow(pixels, extent=extent, aspect="auto", zorder=2)
    lines = np.linspace(0, side, cells + 1)
    style = {"color": GREY, "lw": 0.8, "zorder": 2.5}
    ax.vlines(x + lines, y, y + side, **style)
    ax.hlines(y + lines, x, x + side, **style)
