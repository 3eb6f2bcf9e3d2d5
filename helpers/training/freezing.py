"""Which weights of a classifier learn, when, and how fast."""

import torch
from transformers import TrainerCallback

from helpers.models import encoders

PARTS = ("nothing", "head", "last two layers", "all but embeddings", "all")


def train_only(model, part: str) -> encoders.Count:
    """Freeze all of a classifier but one of `PARTS`; return how many weights learn.

    The head is what the pre-trained model did not bring along; it is part of all but
    `nothing`. Raises ValueError for another part.
    """
    if part not in PARTS:
        raise ValueError(f"There is no part '{part}': name one of {', '.join(PARTS)}.")
    encoders.freeze(model)
    for block in blocks(model)[_first(model, part) :]:
        block.requires_grad_(True)
    return encoders.count(model)


def blocks(model) -> list[torch.nn.Module]:
    """Return a classifier's parts from the input up: embeddings, layers, head.

    The pooler of a BERT, which prepares [CLS] for the head, counts as a part of it.
    """
    base = model.base_model
    head = [module for module in model.children() if module is not base]
    if getattr(base, "pooler", None) is not None:
        head.insert(0, base.pooler)
    return [base.embeddings, *base.encoder.layer, torch.nn.ModuleList(head)]


def _first(model, part: str) -> int | None:
    """Return the number of the lowest block that learns."""
    height = len(blocks(model))
    return dict(zip(PARTS, (height, height - 1, height - 3, 1, 0), strict=True))[part]


def layerwise(model, learning_rate: float, decay: float = 0.9) -> list[dict]:
    """Return AdamW's groups with a rate that shrinks by `decay` from block to block.

    The head learns with `rate`, the layer under it with `rate * decay`, and so on down
    to the embeddings: what lies lower is more general (Howard and Ruder 2018).
    """
    falling = enumerate(reversed(blocks(model)))
    return [
        {
            "params": list(block.parameters()),
            "lr": learning_rate * decay**depth,
            "weight_decay": 0,
        }
        for depth, block in falling
    ]


class Gradual(TrainerCallback):
    """Thaw a classifier from the head down, evenly over the first half of training.

    Training begins with the head alone; when half of the steps are taken everything but
    the embeddings learns (after Howard and Ruder 2018, who thaw a layer an epoch).
    """

    def on_step_begin(self, args, state, control, model=None, **others):
        """Thaw what is due at this step."""
        layers = blocks(model)[1:]  # without the embeddings
        due = 1 + int(2 * state.global_step / state.max_steps * len(layers))
        encoders.freeze(model)
        for block in layers[-min(due, len(layers)) :]:
            block.requires_grad_(True)
