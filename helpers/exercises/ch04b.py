"""Checks of the exercises of the second sitting of chapter 4."""

import torch
from peft import PeftModel
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from helpers.exercises.verdicts import AS_GIVEN, OPEN, RIGHT, choice, compare, wrong


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


def repair(function):
    """LoRA on query and value of a classifier, with a head that is saved, too."""
    torch.manual_seed(4)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "vocab_size": 30}
    config = BertConfig(**sizes, num_hidden_layers=2, num_attention_heads=2)
    model = function(BertForSequenceClassification(config))
    if model is None:
        return OPEN
    if not isinstance(model, PeftModel):
        return wrong("Return what `get_peft_model` returns, not the base model.")
    learned = [name for name, p in model.named_parameters() if p.requires_grad]
    kinds = {kind for kind in ("query", "value") if any(kind in n for n in learned)}
    head = any("classifier" in name for name in learned)
    saved = any("modules_to_save" in name for name in learned)
    if kinds == {"query"} and not head:
        return AS_GIVEN
    if any("lora" not in name and "classifier" not in name for name in learned):
        return wrong("More is trained than LoRA and the head.")
    if kinds != {"query", "value"}:
        return wrong("Half of LoRA is missing: read the names of the targets.")
    if not head:
        return wrong("The head is still random, and will be: which task is it?")
    if not saved:
        return wrong("The head is trained but not saved with the adapter.")
    return RIGHT


forgetting = choice(  # recall .62 untouched, .50 wrapped and untrained, .55 trained
    a="Before training LoRA changes nothing. Then why do the first two differ?",
    b="More pairs make the interval smaller; an error of the measure would stay.",
    c="Right: an untrained LoRA is the identity, so the first two must be equal: the "
    "measure is wrong, and the third number says nothing yet.",
)
