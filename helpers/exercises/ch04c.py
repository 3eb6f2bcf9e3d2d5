"""Checks of the exercises of the third sitting of chapter 4."""

import torch

from helpers.exercises.verdicts import choice, compare

LAYERS = [(6, 10), (10, 4)]  # features in and out


def count(function):
    """Parameters of LoRA of rank 3 on linear layers with given features in and out."""
    mistakes = {
        "You counted the frozen matrices. LoRA trains A [r, in] and B [out, r].": 100,
        "One of the two matrices is missing: A [r, in] and B [out, r].": 48,
        "The product BA is never stored: count A and B alone.": 300,
        "The other matrix is missing: A [r, in] and B [out, r].": 42,
    }
    return compare(function(list(LAYERS), 3), 90, mistakes, other="Count by hand.")


def directions(function):
    """How many directions hold 90 % of a change's sum of squares."""
    torch.manual_seed(4)
    left, right = (torch.linalg.qr(torch.randn(6, 6)).Q for _ in range(2))
    values = torch.tensor([3.0, 1.0, 1.0, 1.0, 0.1, 0.0])
    mistakes = {
        "90 % of the *squares*: large values count for more.": 4,
        "One too few: the direction that reaches 90 % is needed, too.": 2,
    }
    return compare(function(left * values @ right), 3, mistakes, as_given=5)


larger_rank = choice(
    a="A rank of 64 can express all that a rank of 8 can. Was it given a fair chance?",
    b="Right: alpha / r has fallen from 2 to 1/4, so the same learning rate is eight "
    "times too small. Tune it for each rank, or keep alpha / r.",
    c="More seeds make a mean more certain. They do not make a comparison equal.",
)
