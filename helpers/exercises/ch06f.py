"""Checks of the exercises of the sixth sitting of chapter 6."""

import numpy as np
import torch

from helpers.exercises.verdicts import AS_GIVEN, OPEN, RIGHT, choice, compare, wrong

FOUND = np.zeros((3, 4, 5), bool)  # [slices, height, width]
LESION = np.zeros((3, 4, 5), bool)
FOUND[0, 1:3, 1:4], LESION[0, 1:4, 2:5] = True, True  # 6 and 9 pixels, 4 in both
FOUND[1, 0, :3], LESION[1, 2, :3] = True, True  # nothing in common


def iou(function):
    """Intersection over union of each slice; two empty outlines agree fully."""
    with np.errstate(all="ignore"):
        answer = function(FOUND.copy(), LESION.copy())
    if answer is None:
        return OPEN
    both, sizes = (FOUND & LESION).sum((1, 2)), FOUND.sum((1, 2)) + LESION.sum((1, 2))
    pooled = both.sum() / (sizes - both).sum()
    if np.ndim(answer) == 0:
        if np.isclose(answer, pooled):
            return wrong("That pools the pixels of all slices: one value per slice.")
        return wrong("Return one value per slice, an array of shape [slices].")
    answer = torch.as_tensor(np.nan_to_num(np.asarray(answer, float), nan=-1))
    first = {  # the first slice's value in each mistake
        "That is Dice: pixels in both count once here, above and below.": 8 / 15,
        "Pixels in both are counted twice in your union.": 4 / 15,
        "You divide by what was found; the union has what was missed, too.": 4 / 6,
        "You divide by the lesion; the union has false alarms, too.": 4 / 9,
    }
    mistakes = {hint: [value, 0, 1] for hint, value in first.items()}
    mistakes["Two empty outlines are 0 / 0 here: they agree, so 1."] = [4 / 11, 0, -1]
    mistakes["Two empty outlines agree: give them 1, not 0."] = [4 / 11, 0, 0]
    return compare(answer, [4 / 11, 0.0, 1.0], mistakes)


def mirror(function):
    """Mirror about half of the slices left to right, each together with its mask."""
    pictures = torch.rand(64, 6, 8, generator=torch.Generator().manual_seed(0))
    masks = pictures > 0.8
    answer = function(pictures.clone(), masks.clone())
    if answer is None:
        return OPEN
    shapes = [getattr(each, "shape", None) for each in answer]
    if shapes != [pictures.shape, masks.shape]:
        return wrong("Return pictures and masks, both of the shape that was given.")

    def turned(before, after) -> list[bool | None]:
        """Say of each slice whether it was mirrored; None if it was changed."""
        kept = (before == after).all(-1).all(-1)
        flipped = (before.flip(-1) == after).all(-1).all(-1)
        pairs = zip(kept.tolist(), flipped.tolist(), strict=True)
        return [one if one != other else None for other, one in pairs]

    first, second = turned(pictures, answer[0]), turned(masks, answer[1])
    upside_down = (pictures.flip(-2) == answer[0]).all(-1).all(-1).any()
    if None in first + second:
        hint = "Something else than left and right has changed."
        if upside_down:
            hint = "Your slices stand on their heads: mirror the last axis."
        return wrong(hint)
    if not any(first):
        return wrong("The pictures are all as before.")
    if not any(second):
        return wrong("The masks are all as before, so they lie on the wrong side.")
    if all(first) or all(second):
        return wrong("Every slice is mirrored: about half of them should be.")
    if first != second:
        return AS_GIVEN
    return RIGHT


screening = choice(
    a="A confidence interval around a number that measures the wrong thing is no help.",
    b="Right: 'nothing' on 900 empty slices already gives .90. What counts is Dice on "
    "the 100 slices with a lesion, and how many empty slices are marked.",
    c="IoU ranks single outlines as Dice does. The 900 empty slices stay in its mean.",
)
