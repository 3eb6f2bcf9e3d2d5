"""Right and wrong answers to the exercises of chapter 6, sixth sitting."""

from functools import partial

import numpy as np

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


def patch_map(states, first=1, last=None, swap=True, turn=False):
    patches = states[:, first:last]
    side = int(patches.shape[1] ** 0.5)
    patches = patches.transpose(1, 2) if swap else patches
    maps = patches.reshape(len(states), -1, side, side)
    return maps.transpose(2, 3) if turn else maps


RIGHT = {"iou": iou, "patch_map": patch_map, "screening": "b"}
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
    "patch_map": [
        (partial(patch_map, swap=False), "swap"),
        (partial(patch_map, first=0, last=-1), "[CLS] stands first"),
        (partial(patch_map, turn=True), "changed places"),
        (
            lambda states: states[:, 1:].reshape(len(states), 3, 3, -1),
            "hidden axis second",
        ),
        (lambda states: states[:, 1:], "shape"),
    ],
    "screening": [("a", "interval"), ("c", "stay in its mean"), ("x", "Choose")],
}
UNREPAIRED = {"patch_map": partial(patch_map, first=0, last=-1, swap=False)}
