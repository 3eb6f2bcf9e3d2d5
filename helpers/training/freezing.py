"""Which weights of a classifier are trained, when, and with which learning rate."""

import torch
from transformers import TrainerCallback

from helpers.models import encoders

# what is trained of a classifier's blocks, from the input up
PARTS = {
    "nothing": slice(0),
    "head": slice(-1, None),
    "last two layers": slice(-3, None),
    "all but embeddings": slice(1, None),
    "all": slice(None),
}
TRAINABLE = tuple(PARTS)


def train_only(model, trainable: str) -> encoders.Count:
    """Freeze all of a classifier but one of `TRAINABLE`; count its parameters."""
    if trainable not in TRAINABLE:
        raise ValueError(
            f"There is no '{trainable}' to train: name one of {', '.join(TRAINABLE)}."
        )
    encoders.freeze(model)
    for block in blocks(model)[PARTS[trainable]]:
        block.requires_grad_(True)
    return encoders.count(model)


def blocks(model) -> list[torch.nn.Module]:
    """Return a classifier's blocks from the input up: embeddings, layers, head.

    The pooler of a BERT, which prepares [CLS] for the head, belongs to the head.
    """
    base = model.base_model
    head = [module for module in model.children() if module is not base]
    if getattr(base, "pooler", None) is not None:
        head.insert(0, base.pooler)
    return [base.embeddings, *base.encoder.layer, torch.nn.ModuleList(head)]


def layerwise(model, learning_rate: float, decay: float = 0.9) -> list[dict]:
    """Return AdamW's parameter groups: the learning rate shrinks by `decay` per block.

    It is that of the head; lower blocks are more general (Howard and Ruder 2018).
    """
    groups = []
    for block in reversed(blocks(model)):
        weights = list(block.parameters())
        groups.append({"params": weights, "lr": learning_rate, "weight_decay": 0})
        learning_rate *= decay
    return groups


class Gradual(TrainerCallback):
    """Unfreeze a classifier from the head down, evenly over the first half of training.

    The embeddings stay frozen (Howard and Ruder 2018 unfreeze a layer per epoch).
    """

    def on_step_begin(self, args, state, control, model=None, **others):
        """Unfreeze what is due at this step."""
        layers = blocks(model)[1:]  # without the embeddings
        due = 1 + int(2 * state.global_step / state.max_steps * len(layers))
        encoders.freeze(model)
        for block in layers[-min(due, len(layers)) :]:
            block.requires_grad_(True)
