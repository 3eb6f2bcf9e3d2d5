"""The figure styles that chapters share. Every figure is shown with its alt text."""

import base64
import io
from itertools import cycle
from pathlib import Path

import matplotlib.pyplot as plt
import seaborn as sns
from IPython.display import display
from matplotlib.figure import Figure

WIDTH = 7  # inches; a figure of this width stays readable when projected
MARKERS = "os^DvP"  # with colours, so that colour never carries a meaning alone

sns.set_theme(style="whitegrid", palette="colorblind", font_scale=1.15)
plt.rcParams.update({"figure.figsize": (WIDTH, 4), "figure.dpi": 80})
plt.rcParams.update({"savefig.bbox": "tight", "axes.spines.top": False})


def show(figure: Figure, alt: str, file: Path | None = None) -> None:
    """Display a figure with alt text for those who cannot see it, and close it.

    With `file` the picture is also stored there.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    plt.close(figure)
    if file:
        file.write_bytes(buffer.getvalue())
    png = base64.b64encode(buffer.getvalue()).decode()
    data = {"image/png": png, "text/plain": alt}
    display(data, raw=True, metadata={"image/png": {"alt": alt}})


def bars(ax, scores: dict, xlabel: str) -> None:
    """Draw one horizontal bar per name with its interval and its value beside it.

    `scores` maps a name to a `metrics.Score`; the first name stands on top.
    """
    names = list(scores)
    colours = sns.color_palette(n_colors=len(names))
    for row, score in enumerate(scores.values()):
        reach = [[score.value - score.low], [score.high - score.value]]
        ax.barh(row, score.value, color=colours[row], xerr=reach, capsize=4, height=0.6)
        ax.text(score.high + 0.01, row, f"{score.value:.3f}", va="center")
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set_xlabel(xlabel)


def learning_curves(ax, curves: dict, xlabel: str, ylabel: str) -> None:
    """Draw score against number of examples, with intervals, on a logarithmic axis.

    `curves` maps a name to {number of examples: `metrics.Score`}.
    """
    for (name, points), marker in zip(curves.items(), cycle(MARKERS), strict=False):
        x = list(points)
        low, high = [p.low for p in points.values()], [p.high for p in points.values()]
        ax.plot(x, [p.value for p in points.values()], marker=marker, label=name)
        ax.fill_between(x, low, high, alpha=0.2)
    ax.set_xscale("log")
    ax.set_xticks(x, x)
    ax.minorticks_off()
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.legend(fontsize=11)


def gallery(images, titles, columns: int) -> Figure:
    """Return a figure with a row or grid of pictures, each under its title."""
    rows = -(-len(images) // columns)
    size = WIDTH / columns
    shape = (WIDTH, rows * (size + 0.25))
    figure, axes = plt.subplots(rows, columns, figsize=shape, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, title in zip(axes.flat, images, titles, strict=False):
        ax.imshow(image, cmap="gray")
        ax.set_title(title, fontsize=11)
    return figure
