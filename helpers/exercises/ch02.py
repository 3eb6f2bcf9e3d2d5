"""Checks of the exercises of chapter 2."""

import numpy as np
import torch
from torch.nn import LayerNorm, Linear, Module, ModuleDict

from helpers.exercises.verdicts import OPEN, RIGHT, choice, compare, wrong


def only_biases(function):
    """Exactly the parameters named `bias` can be trained."""
    model = ModuleDict({"layer": Linear(3, 3), "norm": LayerNorm(3)})
    model["bias_gate"] = Linear(3, 3, bias=False)  # its weight is no bias
    model["layer"].requires_grad_(False)  # it must work on a frozen model, too
    model["norm"].bias.requires_grad_(False)
    flags = [p.requires_grad for p in model.parameters()]
    answer = function(model)
    if answer is None and flags == [p.requires_grad for p in model.parameters()]:
        return OPEN
    if not isinstance(answer, Module):
        return wrong("Return the model.")
    free = {name for name, p in answer.named_parameters() if p.requires_grad}
    if "layer.bias" not in free:
        return wrong("Set `requires_grad` to True, too: biases were frozen before.")
    if free != {"layer.bias", "norm.bias"}:
        return wrong(f"These can still be trained: {sorted(free)}.")
    return RIGHT


def standardise(function):
    """Scale by the mean and spread of the training rows alone."""
    numbers = np.random.default_rng(3)
    train, held_out = numbers.normal(0, 1, (50, 4)), numbers.normal(2, 3, (20, 4))
    answer = function(train, held_out)
    if answer is None:
        return OPEN
    shapes = [train.shape, held_out.shape]
    if not isinstance(answer, tuple) or [np.shape(rows) for rows in answer] != shapes:
        return wrong("Return both splits, scaled, as `train, unseen`: training first.")

    def scaled(rows, by):
        return (rows - by.mean(0)) / by.std(0)

    known, unseen = map(torch.as_tensor, answer)
    apart = scaled(held_out, held_out)
    given = scaled(train, np.concatenate([train, held_out]))
    other = "The training rows have not mean 0, spread 1."
    verdict = compare(known, scaled(train, train), {}, given, other)
    mistakes = {
        "Each split is scaled by its own mean: what of a single new text?": apart,
        "The held-out rows are as they were: scale them too, as training.": held_out,
    }
    if verdict == RIGHT:
        verdict = compare(unseen, scaled(held_out, train), mistakes)
    return verdict


which_to_ship = choice(  # 6 000 labels, a millisecond, a small processor
    a="Look at the right half of the chart and at the seconds.",
    b="Right: no difference shown at this size, and a fraction of the cost.",
    c="The average costs nothing beside the encoder; `[CLS]` is weakest.",
)

one_point_apart = choice(  # 72.4 % and 71.1 % on the same 1 000 sentences
    a="The half-width of each interval is about 2.8 points.",
    b="No difference was found; that does not mean there is none.",
    c="Right: the intervals overlap; a paired test uses the data better.",
)
