"""The figure styles that chapters share. Every figure is shown with its alt text."""

import base64
import io
from itertools import cycle
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
import seaborn as sns
from IPython.display import Image, display
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from helpers import metrics

WIDTH = 7  # inches; a figure of this width stays readable when projected
LARGE = 200_000  # bytes of a figure from which on it is made smaller
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
    data = {"image/png": base64.b64encode(_small(png)).decode(), "text/plain": alt}
    display(data, raw=True, metadata={"image/png": about})


def _small(png: bytes) -> bytes:
    """Return a large picture, such as many noisy scans, with fewer pixels and colours.

    Scans have far fewer pixels than a figure for print, and their noise takes space.
    """
    if len(png) < LARGE:
        return png
    picture, buffer = PIL.Image.open(io.BytesIO(png)).convert("RGB"), io.BytesIO()
    picture.thumbnail([0.6 * side for side in picture.size])
    small = picture.quantize(256, dither=PIL.Image.Dither.NONE)
    small.save(buffer, "png", optimize=True)
    return buffer.getvalue()


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
    """Return a figure with a row or grid of pictures, each under its title.

    Grey pictures of 8 bits keep their brightness; other numbers are stretched.
    """
    rows = -(-len(images) // columns)
    shape = (WIDTH, rows * (WIDTH / columns + 0.25))
    figure, axes = plt.subplots(rows, columns, figsize=shape, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, title in zip(axes.flat, images, titles, strict=False):
        array = np.asarray(image)
        scale = {"vmin": 0, "vmax": 255} if array.dtype == np.uint8 else {}
        ax.imshow(array, cmap="gray", **scale)
        ax.set_title(title, fontsize=11)
    return figure


def overlay(ax, picture, heat, label: str) -> None:
    """Show a heat map or a mask over a grey picture, in colour and with an outline.

    `picture` is a Pillow image or uint8 [height, width]. `heat` [rows, columns] is
    stretched over it, smoothly: a heat map has floats from 0 on and its outline is at
    half of the maximum; a mask is a Pillow image, bool or integers. `label` stands
    below, with the maximum of a heat map. Raises ValueError for negative numbers.
    """
    heat = np.asarray(heat)
    if not (heat >= 0).all():
        raise ValueError("A heat map starts at 0: take the absolute values.")
    grey = PIL.Image.fromarray(np.asarray(picture)).convert("L")
    small = PIL.Image.fromarray((heat / (heat.max() or 1)).astype(np.float32))
    share = np.array(small.resize(grey.size, PIL.Image.Resampling.BILINEAR))
    ax.imshow(grey, cmap="gray", vmin=0, vmax=255)
    ax.imshow(share, cmap=ListedColormap(["C1"]), alpha=0.7 * share)
    if share.min() < 0.5 < share.max():
        outline = ax.contour(share, [0.5], colors="w", linewidths=1)
        outline.set_path_effects([withStroke(linewidth=2.5, foreground="k")])
    ax.set(xticks=[], yticks=[])
    below = f"{label}\nmaximum {heat.max():.2g}" if heat.dtype.kind == "f" else label
    ax.set_xlabel(below, fontsize=11)


def outlines(pictures, wanted, found=None, titles=()) -> Figure:
    """Return a figure with a row of pictures and the outlines of two masks on each.

    `pictures` are grey, numbers from 0 to 1; `wanted` and `found` are bool, all [n,
    height, width]. What is wanted is thin and white, what was found thick and orange.
    """
    shape = (13, 13 / len(pictures) + 0.4)
    figure, axes = plt.subplots(1, len(pictures), figsize=shape, squeeze=False)
    styles = [(wanted, "w", 1.2), (found, "C1", 2.2)]
    for n, ax in enumerate(axes[0]):
        ax.imshow(pictures[n], cmap="gray", vmin=0, vmax=1)
        for masks, color, width in styles:
            if masks is not None and masks[n].any():
                ax.contour(masks[n], [0.5], colors=color, linewidths=width)
        ax.set(xticks=[], yticks=[], title=titles[n] if len(titles) else "")
        ax.grid(visible=False)
    return figure


def reliability(ax, probabilities, labels, bins: int = 10) -> None:
    """Draw how often cases are positive against their predicted probability.

    `probabilities` [n] lie between 0 and 1, `labels` [n] are 0 or 1. Each of so many
    bins of equal width that has cases is a dot at its mean probability with a Wilson
    interval; the numbers of cases stand above (half of `WIDTH` has room for 5). The
    dots of a calibrated model lie on the diagonal (DeGroot and Fienberg 1983). Raises
    ValueError for other input.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    right = ((probabilities >= 0) & (probabilities <= 1)).all()
    right = right and np.isin(labels, (0, 1)).all()
    if not right or probabilities.shape != labels.shape:
        raise ValueError("Give each label, 0 or 1, a probability between 0 and 1.")
    ax.plot([0, 1], [0, 1], "--", color="0.4")
    chosen = np.minimum((probabilities * bins).astype(int), bins - 1)
    used, numbers = np.unique(chosen, return_counts=True)
    for one, n in zip(used, numbers, strict=True):
        value, low, high, _ = metrics.proportion(labels[chosen == one].sum(), n)
        style = {"fmt": "o", "color": "C0", "markersize": 8, "capsize": 4}
        x = probabilities[chosen == one].mean()
        ax.errorbar(x, value, [[value - low], [high - value]], **style)
    edge = (-0.03, 1.03)  # whole dots at 0 and 1
    labelled = {"xlabel": "predicted probability", "ylabel": "fraction positive"}
    ax.set(xlim=edge, ylim=edge, **labelled)
    top = ax.secondary_xaxis("top")
    top.set_xticks((used + 0.5) / bins, numbers)
    top.tick_params(length=0, labelsize=11)
    top.set_xlabel("number of cases", fontsize=11)
    top.spines[:].set_visible(False)
