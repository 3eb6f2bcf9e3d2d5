"""Checks of the exercises of the second sitting of chapter 4."""

import torch
from torch import nn

from helpers.exercises.verdicts import OPEN, RIGHT, choice, compare, wrong


def add_ia3(function):
    """A linear layer becomes a module that scales its outputs by learned numbers."""
    torch.manual_seed(4)
    layer, hidden = nn.Linear(3, 5), torch.randn(2, 3)
    before = layer(hidden).detach()
    module = function(layer)
    if module is None:
        return OPEN
    if not isinstance(module, nn.Module):
        return wrong("Return a module: one that holds the layer and a vector.")
    learned = [p for p in module.parameters() if p.requires_grad]
    if len(learned) != 1:
        return wrong(f"{len(learned)} tensors are trained, it should be one: a vector.")
    if learned[0].shape == (3,):
        return wrong("One number for each output of the layer, not for each input.")
    if learned[0].shape != (5,):
        return wrong(f"The vector has the shape {tuple(learned[0].shape)}, not (5,).")
    zero = {"All outputs are 0 before training: which number changes nothing?"}
    verdict = compare(module(hidden).detach(), before, dict.fromkeys(zero, 0 * before))
    if verdict != RIGHT:
        return verdict
    numbers = torch.arange(5.0)
    with torch.no_grad():
        learned[0].copy_(numbers)
    added = {"IA3 multiplies the outputs, it does not add to them.": before + numbers}
    return compare(module(hidden).detach(), before * numbers, added)


def margin(function):
    """Half the width of a paired 95 % interval, of two methods on five sentences."""
    first = torch.tensor([1.0, 1, 1, 0, 1])
    second = torch.tensor([1.0, 0, 1, 0, 0])
    gap = first - second
    apart = 1.96 * ((first.var() + second.var()) / 5).sqrt()
    right = 1.96 * (gap.var() / 5).sqrt()
    mistakes = {
        "The spread of one sentence, not of the mean of all: divide by their number.": (
            1.96 * gap.var().sqrt()
        ),
        "A variance is a square: the root is missing.": 1.96 * gap.var() / 5,
        "One standard error covers 68 % only.": (gap.var() / 5).sqrt(),
    }
    return compare(function(first, second), right, mistakes, as_given=apart)


forgetting = choice(  # recall .62 untouched, .50 wrapped and untrained, .55 trained
    a="Before training LoRA changes nothing. Then why do the first two differ?",
    b="More pairs make the interval smaller; an error of the measure would stay.",
    c="Right: an untrained LoRA is the identity, so the first two must be equal: the "
    "measure is wrong, and the third number says nothing yet.",
)
