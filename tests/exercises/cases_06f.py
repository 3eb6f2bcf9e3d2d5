"""Right and wrong answers to the exercises of chapter 6, sixth sitting."""

from functools import partial

import numpy as np
import torch

SLICE = (1, 2)  # the axes of a slice's pixels


def iou(found, lesion, empty=1.0, axis=SLICE, again=0):
    both = (found & lesion).sum(axis)
    union = found.sum(axis) + lesion.sum(axis) - (1 - again) * both
    return np.where(union == 0, empty, both / np.maximum(union, 1))


def part(found, lesion, of=0):
    size = (found, lesion)[of].sum(SLICE)
    return np.where(size == 0, 1.0, (found & lesion).sum(SLICE) / np.maximum(size, 1))


def overlap(found, lesion):
    both, sizes = (found & lesion).sum(SLICE), (found.sum(SLICE) + lesion.sum(SLICE))
    return np.where(sizes == 0, 1.0, 2 * both / np.maximum(sizes, 1))


def mirror(pictures, masks, own=True, paired=True, axis=-1, some=0.5):
    turned = torch.rand(len(pictures)) < some
    other = turned if paired else torch.rand(len(pictures)) < some
    pictures[turned] = pictures[turned].flip(axis)
    if own:
        masks[other] = masks[other].flip(axis)
    return pictures, masks


RIGHT = {"iou": iou, "mirror": mirror, "screening": "b"}
WRONG = {
    "iou": [
        (partial(iou, empty=np.nan), "0 / 0"),
        (partial(iou, empty=0.0), "not 0"),
        (partial(iou, axis=None), "one value per slice"),
        (partial(iou, again=1), "counted twice"),
        (partial(part, of=0), "missed, too"),
        (partial(part, of=1), "false alarms"),
        (overlap, "That is"),
        (lambda found, lesion: 0.5, "one value per slice"),
        (lambda found, lesion: np.ones((3, 4)), "shape"),
    ],
    "mirror": [
        (partial(mirror, own=False), "wrong side"),
        (partial(mirror, axis=-2), "on their heads"),
        (partial(mirror, some=1.1), "about half"),
        (partial(mirror, some=0), "pictures are all as before"),
        (lambda pictures, masks: (pictures * 2, masks), "Something else"),
        (lambda pictures, masks: (pictures[0], masks), "both of the shape"),
    ],
    "screening": [("a", "interval"), ("c", "stay in its mean"), ("x", "Choose")],
}
UNREPAIRED = {"mirror": partial(mirror, paired=False)}
