"""Verdicts on exercises: right, not yet (with a hint that fits), or not attempted."""

from typing import NamedTuple

import torch


class Verdict(NamedTuple):
    """The outcome of a check; a notebook shows its message."""

    state: str  # "right", "wrong" or "open"
    message: str

    def __repr__(self) -> str:
        return self.message


OPEN = Verdict("open", "Not attempted yet.")


def choose(answer, right: str, comments: dict[str, str]) -> Verdict:
    """Judge a choice between options, each with a comment of its own."""
    if answer is ...:
        return OPEN
    if answer not in comments:
        return Verdict("wrong", f"Choose one of {', '.join(comments)} (a string).")
    if answer == right:
        return Verdict("right", f"Right: {comments[answer]}")
    return Verdict("wrong", f"Not yet. {comments[answer]}")


def compare(answer, right: torch.Tensor, mistakes: dict[str, torch.Tensor]) -> Verdict:
    """Judge a tensor: right, or the hint of the mistake that it equals."""
    if not isinstance(answer, torch.Tensor):
        return Verdict("wrong", f"Not yet: a {type(answer).__name__} is not a tensor.")
    if answer.shape != right.shape:
        shape, wanted = tuple(answer.shape), tuple(right.shape)
        return Verdict(
            "wrong", f"Not yet: the shape is {shape}, it should be {wanted}."
        )
    if torch.allclose(answer, right, atol=1e-5):
        return Verdict("right", "Right.")
    for hint, wrong in mistakes.items():
        if torch.allclose(answer, wrong, atol=1e-5):
            return Verdict("wrong", f"Not yet. {hint}")
    return Verdict("wrong", "Not yet: the shape is right, the numbers are not.")
