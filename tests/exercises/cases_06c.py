"""Right and wrong answers to the exercises of chapter 6, third sitting."""

import math
from functools import partial


def images_needed(accuracy, half_width, z=1.96, power=2, up=math.ceil, width=1):
    spread = math.sqrt(accuracy * (1 - accuracy))
    return up((z * spread / (half_width * width)) ** power)


def rows(pairs, n, split="test", other="train", column="index", values=True):
    chosen = pairs
    if split:
        chosen = chosen[chosen["split"] == split]
    if other:
        chosen = chosen[chosen["other_split"] == other]
    copies = chosen[column].values if values else chosen[column]
    return [i for i in range(n) if i not in copies]


def with_copies(pairs, n):
    return sorted(set(range(n)) - set(rows(pairs, n)))


as_given = partial(rows, split=None, other=None, column="other_index", values=False)

RIGHT = {"images_needed": images_needed, "without_copies": rows, "outperforms": "b"}
WRONG = {
    "images_needed": [
        (partial(images_needed, power=1), "root"),
        (partial(images_needed, z=1), "68 %"),
        (partial(images_needed, width=0.5), "half-width was given"),
        (partial(images_needed, up=float), "round up"),
        (partial(images_needed, up=math.floor), "round up"),
        (lambda p, h: images_needed(0.5, h), "accuracy of one half"),
        (lambda p, h: math.ceil(1.96**2 * p / h**2), "variance"),
        (lambda p, h: 1225, "Solve"),
        (lambda p, h: 156, "Solve"),
    ],
    "without_copies": [
        (partial(rows, other=None), "validation was not trained on"),
        (partial(rows, split=None), "validation image"),
        (partial(rows, split=None, other=None), "all splits"),
        (partial(rows, column="other_index"), "training images"),
        (
            partial(rows, split=None, other=None, column="other_index"),
            "the other split",
        ),
        (partial(rows, values=False), "Series"),
        (with_copies, "others are wanted"),
        (lambda pairs, n: [*range(n)], "8 and 11"),
        (lambda pairs, n: [i != 8 for i in range(n)], "integers"),
    ],
    "outperforms": [("a", "about one image"), ("c", "Seeds"), ("x", "Choose")],
}
UNREPAIRED = {"without_copies": as_given}
