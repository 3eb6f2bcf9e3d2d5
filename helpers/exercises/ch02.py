"""Checks of the exercises of chapter 2."""

import numpy as np
import torch

from helpers.exercises.verdicts import OPEN, Verdict, choose, compare


def only_biases(function) -> Verdict:
    """Exactly the parameters named `bias` can be trained."""
    model = torch.nn.ModuleDict(
        {"layer": torch.nn.Linear(3, 3), "norm": torch.nn.LayerNorm(3)}
    )
    model["bias_gate"] = torch.nn.Linear(3, 3, bias=False)  # its weight is no bias
    model["layer"].requires_grad_(False)  # it must work on a frozen model, too
    model["norm"].bias.requires_grad_(False)
    flags = [p.requires_grad for p in model.parameters()]
    answer = function(model)
    if answer is None and flags == [p.requires_grad for p in model.parameters()]:
        return OPEN
    if not isinstance(answer, torch.nn.Module):
        return Verdict("wrong", "Not yet: return the model.")
    free = {name for name, p in answer.named_parameters() if p.requires_grad}
    if free == {"layer.bias", "norm.bias"}:
        return Verdict("right", "Right.")
    if "layer.bias" not in free:
        return Verdict(
            "wrong",
            "Not yet: some biases are frozen. Set `requires_grad` to True as well "
            "as to False: the model may have been frozen before.",
        )
    return Verdict("wrong", f"Not yet: these can still be trained: {sorted(free)}.")


def standardise(function) -> Verdict:
    """Scale by the mean and spread of the training rows alone."""
    numbers = np.random.default_rng(3)
    train, held_out = numbers.normal(0, 1, (50, 4)), numbers.normal(2, 3, (20, 4))
    answer = function(train, held_out)
    if answer is None:
        return OPEN
    if not (isinstance(answer, tuple) and len(answer) == 2):
        return Verdict("wrong", "Not yet: return both splits, as `train, unseen`.")
    both = np.concatenate([train, held_out])
    if any(
        np.shape(a) != b.shape for a, b in zip(answer, (train, held_out), strict=True)
    ):
        return Verdict("wrong", "Not yet: return both, scaled, training rows first.")
    if np.allclose(answer[0], (train - both.mean(0)) / both.std(0)):
        return Verdict("open", "Not repaired yet.")
    if not np.allclose(answer[0], (train - train.mean(0)) / train.std(0)):
        return Verdict("wrong", "Not yet: the training rows have not mean 0, spread 1.")
    return compare(
        torch.as_tensor(answer[1]),
        torch.from_numpy((held_out - train.mean(0)) / train.std(0)),
        {
            "Each split is scaled by its own mean and spread: a single new text could "
            "not be scaled at all.": torch.from_numpy(
                (held_out - held_out.mean(0)) / held_out.std(0)
            ),
            "The held-out rows come back as they were: scale them too, by the "
            "training rows' numbers.": torch.from_numpy(held_out),
        },
    )


def which_to_ship(answer) -> Verdict:
    """6 000 labels, a millisecond, a small processor."""
    return choose(
        answer,
        "b",
        {
            "a": "Look at the right half of the chart and at the seconds.",
            "b": "no difference shown at this size, and a fraction of the cost.",
            "c": "The average costs nothing beside the encoder; `[CLS]` is weakest.",
        },
    )


def one_point_apart(answer) -> Verdict:
    """72.4 % and 71.1 % on the same 1 000 sentences."""
    return choose(
        answer,
        "c",
        {
            "a": "The half-width of each interval is about 2.8 points.",
            "b": "No difference was found; that does not mean there is none.",
            "c": "the intervals overlap; a paired test uses the data better.",
        },
    )
