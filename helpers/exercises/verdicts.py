"""Verdicts on exercises: right, not yet (with a hint that fits), or not attempted."""

from numbers import Real
from typing import NamedTuple

import torch


class Verdict(NamedTuple):
    """The outcome of a check; a notebook shows its message."""

    state: str  # "right", "wrong" or "open"
    message: str

    def __repr__(self) -> str:
        return self.message


OPEN = Verdict("open", "Not attempted yet.")
AS_GIVEN = Verdict("open", "Not repaired yet.")
RIGHT = Verdict("right", "Right.")
NUMBERS = "The shape is right, the numbers are not."


def wrong(hint: str) -> Verdict:
    """Return the verdict on a mistake."""
    return Verdict("wrong", f"Not yet. {hint}")


def choice(**comments: str):
    """Return the check of a choice; the comment on the right option begins so."""

    def check(answer) -> Verdict:
        if answer is ...:
            return OPEN
        if answer not in comments:
            return Verdict("wrong", f"Choose one of {', '.join(comments)} (a string).")
        if comments[answer].startswith("Right: "):
            return Verdict("right", comments[answer])
        return wrong(comments[answer])

    return check


def compare(answer, right, mistakes, as_given=None, other=NUMBERS, atol=1e-5):
    """Judge a tensor or a number: right, or the hint of the mistake that it equals.

    `mistakes` maps hints to values, `as_given` is the value of code that waits to be
    repaired, `other` the hint for any other value.
    """
    if answer is None:
        return OPEN
    right = torch.as_tensor(right)
    if not isinstance(answer, torch.Tensor if right.ndim else torch.Tensor | Real):
        kind = "a tensor" if right.ndim else "one number"
        return wrong(f"A {type(answer).__name__} is not {kind}.")
    answer = torch.as_tensor(answer).double()
    if answer.shape != right.shape:
        wanted = tuple(right.shape) or "(), that of one number"
        return wrong(f"The shape is {tuple(answer.shape)}, it should be {wanted}.")

    def equals(value) -> bool:
        return torch.allclose(answer, torch.as_tensor(value).double(), atol=atol)

    if as_given is not None and equals(as_given):
        return AS_GIVEN
    if equals(right):
        return RIGHT
    hints = (hint for hint, mistake in mistakes.items() if equals(mistake))
    return wrong(next(hints, other))
