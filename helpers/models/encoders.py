"""Load pre-trained encoders, freeze them, count weights, turn inputs to vectors.

Inputs go to the model's device; results come back to the processor.
"""

from contextlib import contextmanager
from typing import NamedTuple

import torch
from transformers import AutoModel

from helpers.data import assets
from helpers.models import checkpoints, tokenizers

TOKENS_PER_BATCH = 2048  # fits the caches of a laptop's processor: see chapter 2


class Count(NamedTuple):
    """Numbers of parameters."""

    trainable: int
    total: int

    @property
    def fraction(self) -> float:
        """Trainable parameters as a fraction of all, from 0 to 1."""
        return self.trainable / self.total


def locate(name: str) -> str:
    """Return the folder of an asset; any other name is left to the Hub."""
    return str(assets.fetch(name)) if name in assets.catalogue() else name


def load_text(name: str, device=None, **options):
    """Return (model, tokenizer) of a text encoder, in float32 and evaluation mode.

    `name` is an asset or a model on the Hub; `options` go to `from_pretrained`. The
    attention is the plain implementation: it shows its maps and is the faster one for
    short texts on a processor. Raises AssetError and CheckpointError.
    """
    settings = {"attn_implementation": "eager"} | options
    return checkpoints.load(AutoModel, locate(name), device, **settings)


def load_image(name: str, device=None, **options):
    """Return an image encoder, in float32 and evaluation mode; as `load_text`."""
    return checkpoints.load(AutoModel, locate(name), device, False, **options)[0]


def freeze(model) -> None:
    """Exclude every parameter of a model from training."""
    model.requires_grad_(False)


def count(model) -> Count:
    """Return how many parameters a model has, and how many would be trained."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return Count(sum(n for n, trained in sizes if trained), sum(n for n, _ in sizes))


@contextmanager
def in_mode(model, training: bool):
    """Switch dropout on or off for a while; every module's mode comes back."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield model.train(training)
    finally:
        for module, before in modes:
            module.training = before


@contextmanager
def evaluating(model):
    """Switch dropout and gradients off for a while; every module's mode comes back."""
    with in_mode(model, False), torch.no_grad():
        yield


def mean_pool(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Average the token vectors of each text, leaving out padding.

    hidden [texts, tokens, hidden size], mask [texts, tokens] -> [texts, hidden size].
    """
    mask = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * mask).sum(1) / mask.sum(1)


def cls_pool(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Take the first token: [texts, tokens, hidden size] -> [texts, hidden size]."""
    return hidden[:, 0]


def embed_texts(model, tokenizer, texts, pool=mean_pool, max_length=64):
    """Turn texts into vectors: a list of n strings -> float32 [n, hidden size].

    `pool(hidden, mask)` makes one vector of the token vectors. Dropout is off. Texts
    are cut at `max_length` tokens as in `tokenizers.cut`.
    """
    return _forward(model, tokenizer, texts, max_length, pool)


def logits(model, tokenizer, texts, max_length=64) -> torch.Tensor:
    """Return a classifier's logits, float32 [n, classes]; texts as in `embed_texts`."""
    return _forward(model, tokenizer, texts, max_length)


def _forward(model, tokenizer, texts, max_length, pool=None) -> torch.Tensor:
    """Return pooled vectors, or without `pool` logits, in the order of the texts.

    Texts of similar length are batched by number of tokens, so that little is padded.
    """
    ids = tokenizers.cut(model, tokenizer, list(texts), max_length)["input_ids"]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]), reverse=True)
    vectors, todo = [], order
    with evaluating(model):
        while todo:
            size = max(1, TOKENS_PER_BATCH // len(ids[todo[0]]))
            batch, todo = {"input_ids": [ids[i] for i in todo[:size]]}, todo[size:]
            batch = tokenizer.pad(batch, return_tensors="pt").to(model.device)
            output, mask = model(**batch), batch["attention_mask"]
            pooled = pool(output.last_hidden_state, mask) if pool else output.logits
            vectors.append(pooled)
    return torch.cat(vectors).cpu()[torch.tensor(order).argsort()]


def embed_images(model, pixels: torch.Tensor, batch_size=32) -> torch.Tensor:
    """Turn pixels into vectors: [n, 3, height, width] -> float32 [n, 2 * hidden size].

    The vector is that of [CLS] followed by the mean of the patches', the pair that
    DINOv2's authors use for linear classification (Oquab et al. 2023).
    """
    vectors = []
    with evaluating(model):
        for batch in pixels.split(batch_size):  # hidden [batch, 1 + patches, size]
            hidden = model(batch.to(model.device)).last_hidden_state
            vectors.append(torch.cat([hidden[:, 0], hidden[:, 1:].mean(1)], 1).cpu())
    return torch.cat(vectors)
