"""Checks of the exercises of the sixth sitting of chapter 6."""

import numpy as np
import torch

from helpers.exercises.verdicts import OPEN, choice, compare, wrong

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


def patch_map(function):
    """Vectors [batch, 1 + patches, hidden] as maps [batch, hidden, side, side]."""
    states = torch.arange(2 * 10 * 4).view(2, 10, 4).float()  # 3 x 3 patches
    answer = function(states.clone())
    if answer is None:
        return OPEN
    patches = states[:, 1:]
    right = patches.mT.reshape(2, 4, 3, 3)
    mistakes = {
        "A reshape alone mixes patches and numbers: first swap the last two axes.": (
            patches.reshape(2, 4, 3, 3)
        ),
        "[CLS] stands first, and you have left out the last patch.": (
            states[:, :-1].mT.reshape(2, 4, 3, 3)
        ),
        "Rows and columns of patches have changed places.": right.mT,
    }
    given = states[:, :-1].reshape(2, 4, 3, 3)
    if isinstance(answer, torch.Tensor) and answer.shape == (2, 3, 3, 4):
        return wrong("A convolution wants the hidden axis second: use `permute`.")
    return compare(answer, right, mistakes, as_given=given)


screening = choice(
    a="A confidence interval around a number that measures the wrong thing is no help.",
    b="Right: 'nothing' on 900 empty slices already gives .90. What counts is Dice on "
    "the 100 slices with a lesion, and how many empty slices are marked.",
    c="IoU ranks single outlines as Dice does. The 900 empty slices stay in its mean.",
)
