"""The figure styles that chapters share. Every figure is shown with its alt text."""

import base64
import io
from itertools import cycle
from pathlib import Path

import matplotlib.pyplot as plt
import seaborn as sns
from IPython.display import Image, display
from matplotlib.figure import Figure

WIDTH = 7  # inches; a figure of this width stays readable when projected
MARKERS = "os^DvP"  # with colours, so that colour never carries a meaning alone


def set_theme() -> None:
    """Set the style of all figures to come; `course.start` does it."""
    settings = {
        "figure.figsize": (WIDTH, 4),
        "figure.dpi": 100,
        "savefig.dpi": 200,
        "savefig.bbox": "tight",
        "axes.spines.top": False,
    }
    sns.set_theme(style="whitegrid", palette="colorblind", font_scale=1.15, rc=settings)


def show(figure: Figure, alt: str, file: Path | None = None) -> None:
    """Display a figure with alt text, perhaps store it in a file, and close it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    plt.close(figure)
    png = buffer.getvalue()
    if file:
        file.write_bytes(png)
    size = Image(png, retina=True)  # two pixels of the picture for one of the page
    about = {"alt": alt, "width": size.width, "height": size.height}
    data = {"image/png": base64.b64encode(png).decode(), "text/plain": alt}
    display(data, raw=True, metadata={"image/png": about})


def intervals(ax, scores: dict, xlabel: str) -> None:
    """Draw one row per name: a dot, its interval, and its value at the right.

    `scores` maps a name to a `metrics.Score`; the first name stands on top.
    """
    for row, score in enumerate(scores.values()):
        marker = MARKERS[row % len(MARKERS)]
        reach = [[score.value - score.low], [score.high - score.value]]
        ax.errorbar(score.value, row, xerr=reach, fmt=marker, markersize=9, capsize=5)
        right = {"transform": ax.get_yaxis_transform(), "va": "center"}
        ax.text(1.02, row, f"{score.value:.3f}", **right)
    ax.set_yticks(range(len(scores)), list(scores))
    ax.set(ylim=(len(scores) - 0.5, -0.5), xlabel=xlabel)


def learning_curves(ax, curves: dict, xlabel: str, ylabel: str) -> None:
    """Draw score against number of examples, with intervals, on a logarithmic axis.

    `curves` maps a name to {number of examples: `metrics.Score`}.
    """
    for (name, points), marker in zip(curves.items(), cycle(MARKERS), strict=False):
        x, (value, low, high, _) = list(points), zip(*points.values(), strict=True)
        ax.plot(x, value, marker=marker, label=name)
        ax.fill_between(x, low, high, alpha=0.2)
    ax.set(xscale="log", xlabel=xlabel, ylabel=ylabel)
    ax.set_xticks(x, x)
    ax.minorticks_off()
    ax.legend(fontsize=11, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))


def gallery(images, titles, columns: int) -> Figure:
    """Return a figure with a row or grid of pictures, each under its title."""
    rows = -(-len(images) // columns)
    shape = (WIDTH, rows * (WIDTH / columns + 0.25))
    figure, axes = plt.subplots(rows, columns, figsize=shape, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, title in zip(axes.flat, images, titles, strict=False):
        ax.imshow(image, cmap="gray")
        ax.set_title(title, fontsize=11)
    return figure
