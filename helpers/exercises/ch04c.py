"""Checks of the exercises of the third sitting of chapter 4."""

import torch

from helpers.exercises.verdicts import OPEN, choice, compare, wrong


def next_learning_rate(function):
    """By alpha times the learning rate squared: 4e-3 at alpha 4, wanted at alpha 16."""
    mistakes = {
        "That keeps alpha times the learning rate. Both B and A move.": 1e-3,
        "A larger alpha wants a smaller learning rate.": 8e-3,
        "That keeps alpha squared times the learning rate.": 4e-3 / 16,
    }
    other = "Alpha times the learning rate squared should stay."
    answer = function(4e-3, 4, 16)
    return compare(answer, 2e-3, mistakes, other=other, atol=1e-6)


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


which_layers = choice(
    a="Equal parameters are half of a fair comparison. Which other setting was shared?",
    b="Right: more layers want a smaller learning rate, and at 3e-3 most of those runs "
    "break down. With 1e-3 both reach .80.",
    c="More sentences make the difference surer, and it would still be one "
    "between two learning rates.",
)
