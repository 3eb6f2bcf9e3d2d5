"""Checks of the exercises of chapter 4."""

import torch

from helpers.exercises.verdicts import AS_GIVEN, RIGHT, choice, compare, wrong


def _matrices():
    """Return x [5, 4], W [3, 4], A [2, 4] and B [3, 2]."""
    generator = torch.Generator().manual_seed(6)
    shapes = (5, 4), (3, 4), (2, 4), (3, 2)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def lora_forward(function):
    """The output of a linear layer with LoRA beside it, (x, W, A, B, alpha)."""
    x, W, A, B = _matrices()
    frozen, new = x @ W.T, x @ A.T @ B.T
    mistakes = {
        "The frozen layer is missing: W x + …": 4 * new,
        "Where is alpha / r? The new part must be scaled.": frozen + new,
        "Scale by alpha / r, not by alpha: r is the number of rows of A.": frozen
        + 8 * new,
        "Only the new part is scaled, not W x.": 4 * (frozen + new),
        "That is the frozen layer alone.": frozen,
        "Divide by the rank r, not by the number of inputs.": frozen + 2 * new,
    }
    return compare(function(x, W, A, B, 8), frozen + 4 * new, mistakes)


def initialise(function):
    """The start of A [r, in] and B [out, r], filled in place."""
    x, W, A, B = _matrices()
    A, B = (torch.full_like(each, 7.0).requires_grad_() for each in (A, B))
    with torch.no_grad():
        function(A, B)
    if (A == 7).all() and (B == 7).all():
        return wrong("Nothing was filled. Change the matrices in place, as `zeros_`.")
    if (B @ A).abs().max() > 0:
        return wrong("B A is not zero, so training starts at a damaged model.")
    (x @ W.T + x @ A.T @ B.T).square().sum().backward()
    if A.grad.abs().max() == 0 and B.grad.abs().max() == 0:
        return AS_GIVEN
    filled = A if B.abs().max() == 0 else B
    if filled.std() == 0:
        return wrong("Equal numbers stay equal: the rank is 1 then. Use random ones.")
    return RIGHT


enough = choice(  # full fine-tuning is four points better at one learning rate
    a="Seeds tell how sure a difference is, not whether it was fair.",
    b="Right: LoRA's best learning rate is much larger. Tune both with equal effort.",
    c="First look at what was the same for both, and should not be.",
)
