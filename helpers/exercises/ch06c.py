"""Checks of the exercises of the third sitting of chapter 6."""

import math
from numbers import Real

import numpy as np
import pandas as pd

from helpers.exercises.verdicts import AS_GIVEN, OPEN, RIGHT, choice, compare, wrong

TESTED = 12  # images in the test split that `PAIRS` speaks of
PAIRS = pd.DataFrame(  # in the form of helpers.data.duplicates
    [
        ("test", 8, "train", 3, 0.999),
        ("validation", 5, "train", 9, 0.998),
        ("test", 10, "validation", 4, 0.997),
        ("test", 11, "train", 6, 0.995),
        ("test", 8, "train", 7, 0.991),
    ],
    columns=["split", "index", "other_split", "other_index", "correlation"],
)


def images_needed(function):
    """Test images for a half-width of 2 points at an accuracy of 85 %."""
    answer, right = function(0.85, 0.02), 1225
    if isinstance(answer, Real):
        whole = math.ceil(answer - 1e-9)
        if right - 1 <= answer < right:
            return wrong("The next whole number is needed: round up.")
        answer = whole
    mistakes = {
        "n stands under the root: square both sides.": 35,
        "One standard error makes 68 %; for 95 % take 1.96 of them.": 319,
        "The half-width was given, not the whole width.": 4899,
        "That is for an accuracy of one half: put in the accuracy.": 2401,
        "The variance of right or wrong is p (1 - p).": 8164,
    }
    other = "Solve 1.96 * sqrt(p * (1 - p) / n) = half_width for n, and round up."
    verdict = compare(answer, right, mistakes, other=other)
    if verdict.state != "right":
        return verdict
    return compare(function(0.5, 0.1), 97, {}, other=other)


def without_copies(function):
    """The test images without a near copy in training, from a table of pairs."""
    found = function(PAIRS.copy(), TESTED)
    if found is None:
        return OPEN
    found = np.asarray(found)
    if found.dtype.kind not in "iu":
        return wrong("Return row numbers: integers, not true and false.")
    rows = set(range(TESTED))
    left = rows - set(found.tolist())
    if left == {8, 11}:
        return RIGHT
    numbers = set(PAIRS.index)
    hints = {
        (8, 10, 11): "A copy in validation was not trained on: keep that image.",
        (5, 8, 11): "One of the pairs is about a validation image, not a test image.",
        (5, 8, 10, 11): "The table holds pairs of all splits: choose test and train.",
        (3, 6, 7): "`other_index` numbers the training images.",
        (3, 4, 6, 7, 9): "`other_index` numbers the images of the other split.",
        (0, 3, 4): "`in` looks at a Series' index; its values are in `.values`.",
    }
    if left == numbers:
        return AS_GIVEN
    if found.size and rows - left == {8, 11}:
        return wrong("These are the images that have a copy. The others are wanted.")
    missing = "Two test images have a copy in training: 8 and 11."
    return wrong(hints.get(tuple(sorted(left)), missing))


outperforms = choice(  # .872 against a published .865, on the same 156 images
    a="On 156 images that is about one image. Would you stake a patient on it?",
    b="Right: the difference is about one image, far inside the interval. Their "
    "predictions on the same images would allow a paired comparison.",
    c="Seeds tell how much training varies. They do not make the 156 images more.",
)
