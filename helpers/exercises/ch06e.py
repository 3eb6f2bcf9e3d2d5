"""Checks of the exercises of the fifth sitting of chapter 6."""

import numpy as np
import torch

from helpers.exercises.verdicts import AS_GIVEN, OPEN, choice, compare, wrong

PATCH, SIDE = 14, 7  # pixels in a patch, patches in a row
SMALL = (22, 61), (44, 30), (75, 31), (33, 90), (75, 31)  # a lesion's first pixel
HIGHEST = (1, 4), (3, 2), (2, 5), (6, 0), (5, 6)  # patches: row, column
LOWEST = (0, 0), (0, 0), (6, 6), (2, 6), (0, 3)


def _example(number):
    """Return a heat map [7, 7] and a lesion's mask [98, 98] of 4 x 4 pixels."""
    heat = np.random.default_rng(number).uniform(0, 0.5, (SIDE, SIDE))
    heat[HIGHEST[number]], heat[LOWEST[number]] = 0.9, -2
    mask = np.zeros((SIDE * PATCH, SIDE * PATCH), bool)
    row, column = SMALL[number]
    mask[row : row + 4, column : column + 4] = True
    return heat, mask


def on_lesion(function):
    """Five maps: the highest patch touches the lesion in the first two."""
    answers = [function(*_example(number)) for number in range(len(SMALL))]
    if answers[0] is None:
        return OPEN
    if any(np.ndim(answer) or np.isnan(answer) for answer in answers):
        return wrong("Return one answer for a map: true or false.")
    mistakes = {
        "Row and column have changed places.": [0, 0, 1, 0, 0],
        "The first pixel of the patch is not all of it: look at all 14 x 14.": [0] * 5,
        "Some map is always high somewhere: is the lesion there?": [1] * 5,
        "That is the lowest value, or the largest without its sign.": ([0, 0, 0, 1, 0]),
        "The answer is the wrong way round.": [0, 0, 1, 1, 1],
    }
    other = "Find row and column of the highest patch, then its pixels in the mask."
    answers = torch.tensor([float(answer) for answer in answers])
    return compare(answers, [1.0, 1, 0, 0, 0], mistakes, other=other)


def grad_cam(function):
    """The map of one slice from activations and gradients [1 + patches, hidden]."""
    generator = torch.Generator().manual_seed(6)
    shape = 2, 1 + SIDE**2, 8
    activations, gradients = torch.randn(shape, generator=generator)
    answer = function(activations.clone(), gradients.clone())
    if answer is None:
        return OPEN
    if isinstance(answer, torch.Tensor) and answer.shape == (8,):
        given = (gradients.mean(1, keepdim=True) * activations).sum(0)
        same = torch.allclose(answer, given)
        return AS_GIVEN if same else wrong("That is one number per hidden unit.")
    patches, slopes = activations[1:], gradients[1:]
    weights = slopes.mean(0)

    def grid(values):
        return values.relu().reshape(SIDE, SIDE)

    mistakes = {
        "Negative values remain: Grad-CAM ends with a ReLU.": (
            (weights * patches).sum(1).reshape(SIDE, SIDE)
        ),
        "[CLS] is no patch: leave it out of the mean of the gradients, too.": (
            grid((gradients.mean(0) * patches).sum(1))
        ),
        "[CLS] comes first, not last.": (
            grid((gradients[:-1].mean(0) * activations[:-1]).sum(1))
        ),
        "Each hidden unit has one weight: the mean of its gradient over patches.": (
            grid((slopes * patches).sum(1))
        ),
        "That weights patches; the hidden units need the weights.": (
            grid((slopes.mean(1, keepdim=True) * patches).sum(1))
        ),
        "A weight is the mean over patches, not their sum.": (
            grid((slopes.sum(0) * patches).sum(1))
        ),
        "Sum over the hidden units, instead of averaging.": (
            grid((weights * patches).mean(1))
        ),
        "Rows and columns have changed places.": grid((weights * patches).sum(1)).T,
    }
    return compare(answer, grid((weights * patches).sum(1)), mistakes)


understood = choice(
    a="An interval without chance says that the map is no accident. A map of a model "
    "that knows nothing may have such an interval, too.",
    b="Two maps of one model may agree because both follow what is unusual in the "
    "picture.",
    c="Right: the map says where, not why. Compare it with the map of a model that "
    "cannot know, and look at it where the prediction is wrong.",
)
