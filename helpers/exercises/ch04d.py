"""Checks of the exercises of the fourth sitting of chapter 4."""

import torch
from peft import PeftModel
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
)

from helpers.exercises.verdicts import AS_GIVEN, OPEN, RIGHT, choice, compare, wrong


def bytes_needed(function):
    """Weights, gradients and moments: 100 frozen numbers of 2 bytes, 10 trained."""
    mistakes = {
        "Each trained parameter has 16 bytes: itself, a gradient, two moments.": 320,
        "The trained parameters are missing.": 200,
        "Gradients and moments are there; the weights themselves are missing.": 120,
        "Frozen parameters have no gradient and no moments.": 1760,
        "Frozen parameters have `width` bytes each.": 560,
        "Trained parameters are in float32, whatever the width of frozen ones.": 340,
    }
    other = "16 bytes for each trained parameter, `width` for each frozen one."
    return compare(function(100, 2, 10), 360, mistakes, other=other)


def adapt_gpt2(function):
    """LoRA of rank 4 on both linear layers of each attention of a GPT-2."""
    torch.manual_seed(4)
    config = GPT2Config(n_layer=2, n_embd=16, n_head=2, vocab_size=30)
    model = function(GPT2LMHeadModel(config))
    if model is None:
        return OPEN
    if not isinstance(model, PeftModel):
        return wrong("Return what `get_peft_model` returns.")
    adapted = {name.split(".", 3)[-1] for name in model.targeted_module_names}
    if adapted == {"attn.c_attn"}:
        return wrong("That is one layer of two: attention has an output layer, too.")
    if any(name.startswith("mlp") for name in adapted):
        return wrong("`c_proj` stands in the feed-forward network, too: longer paths.")
    if adapted != {"attn.c_attn", "attn.c_proj"}:
        return wrong(f"Adapted are {', '.join(sorted(adapted)) or 'no layers'}.")
    learned = {n: p for n, p in model.named_parameters() if p.requires_grad}
    if any("lora" not in name for name in learned):
        return wrong("More is trained than LoRA.")
    if any(4 not in parameter.shape for parameter in learned.values()):
        return wrong("The rank should be 4.")
    return RIGHT


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


other_machine = choice(  # 79 % there, 51 % here
    a="The adapter was trained, and its weights have arrived. What has not?",
    b="Right: an adapter is a difference. With another base, or with a head that was "
    "not saved, it means nothing, and no error says so.",
    c="Merging changes the last digits, not the answers. And it makes the file useless "
    "for finding out.",
)
