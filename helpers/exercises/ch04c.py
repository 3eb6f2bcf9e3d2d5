"""Checks of the exercises of the third sitting of chapter 4."""

import torch

from helpers.exercises.verdicts import OPEN, choice, compare, wrong

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


def to_lora(function):
    """A change [6, 4] as B [6, 2] and A [2, 4], to be multiplied by 5 / 2."""
    torch.manual_seed(4)
    change = torch.randn(6, 4)
    U, S, V = torch.linalg.svd(change, full_matrices=False)
    nearest, unit = (U[:, :2] * S[:2]) @ V[:2], U[:, :2] @ V[:2]
    answer = function(change.clone(), 2, 5)
    if answer is None:
        return OPEN
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return wrong("Return two matrices, B [out, r] and A [r, in].")
    B, A = answer
    if tuple(B.shape) != (6, 2) or tuple(A.shape) != (2, 4):
        shapes = f"B is {tuple(B.shape)} and A {tuple(A.shape)}"
        return wrong(f"{shapes}. They should be [out, r] and [r, in].")
    mistakes = {
        "The library multiplies by alpha / r: divide by it first.": 2.5 * nearest,
        "You divided by alpha / r. How strong is each direction?": unit,
        "alpha / r is there twice: on one side only.": nearest / 2.5,
        "S is there twice: on one side only.": (U[:, :2] * S[:2] ** 2) @ V[:2],
    }
    as_given, other = 2.5 * unit, "The product is not the nearest of rank r."
    return compare(2.5 * B @ A, nearest, mistakes, as_given, other)


larger_rank = choice(
    a="A rank of 64 can express all that a rank of 8 can. Was it given a fair chance?",
    b="Right: rank 64 had no learning rate of its own. Here it happens to want the "
    "same one; that had to be measured.",
    c="More seeds make a mean more certain. They do not make a comparison equal.",
)
