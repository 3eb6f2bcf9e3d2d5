"""Load pre-trained encoders, freeze them, count weights, turn inputs to vectors."""

from typing import NamedTuple

import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from helpers.data import assets

TOKENS_PER_BATCH = (
    2048  # fits the caches of a laptop's processor; measured in chapter 2
)
logging.disable_progress_bar()  # of loading weights: it takes under a second


class Count(NamedTuple):
    """Numbers of parameters."""

    trainable: int
    total: int

    @property
    def share(self) -> float:
        """Trainable part of the total, from 0 to 1."""
        return self.trainable / self.total


def source(name: str) -> str:
    """Return a folder for an asset's name; any other name is left to the Hub."""
    return str(assets.fetch(name)) if name in assets.catalogue() else name


def load_text(name: str, **options):
    """Return (model, tokenizer) of a text encoder, in float32 and evaluation mode.

    `name` is an asset or a model on the Hub; `options` go to `from_pretrained`. The
    attention is the plain implementation, which shows its maps and is the faster one
    for short texts on a processor. Raises AssetError when the asset cannot be had.
    """
    path = source(name)
    settings = {"dtype": torch.float32, "attn_implementation": "eager"} | options
    model = AutoModel.from_pretrained(path, **settings)
    return model.eval(), AutoTokenizer.from_pretrained(path)


def load_image(name: str, **options):
    """Return an image encoder, in float32 and evaluation mode; as `load_text`."""
    path = source(name)
    return AutoModel.from_pretrained(path, dtype=torch.float32, **options).eval()


def freeze(model) -> None:
    """Exclude every parameter of a model from training."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)


def count(model) -> Count:
    """Return how many parameters a model has, and how many would be trained."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return Count(sum(n for n, trained in sizes if trained), sum(n for n, _ in sizes))


def mean_pool(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Average the token vectors of each text, leaving out padding.

    hidden [texts, tokens, width], mask [texts, tokens] of ones and zeros -> [texts,
    width].
    """
    mask = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * mask).sum(1) / mask.sum(1)


def cls_pool(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Take the first position: [texts, tokens, width] -> [texts, width]."""
    return hidden[:, 0]


def embed_texts(model, tokenizer, texts, pool=mean_pool, max_length=64):
    """Turn texts into vectors: a list of n strings -> float32 [n, width].

    `pool(hidden, mask)` makes one vector of the token vectors.
    """

    def vectors(output, mask):
        return pool(output.last_hidden_state, mask)

    return _read(model, tokenizer, texts, max_length, vectors)


def logits(model, tokenizer, texts, max_length=64) -> torch.Tensor:
    """Return a classifier's scores without dropout: n texts -> float32 [n, classes]."""
    was_training = model.training
    model.eval()
    scores = _read(model, tokenizer, texts, max_length, lambda out, mask: out.logits)
    model.train(was_training)
    return scores


@torch.no_grad()
def _read(model, tokenizer, texts, max_length, rows_of) -> torch.Tensor:
    """Run texts through a model; `rows_of(output, mask)` gives a row for each.

    Texts are sorted by length and batched by number of tokens, so that almost nothing
    is padded; the rows come in the order of the texts.
    """
    ids = tokenizer(list(texts), truncation=True, max_length=max_length)["input_ids"]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]), reverse=True)
    rows = [None] * len(ids)
    while order:
        size = max(1, TOKENS_PER_BATCH // len(ids[order[0]]))
        chosen, order = order[:size], order[size:]
        batch = {"input_ids": [ids[i] for i in chosen]}
        batch = tokenizer.pad(batch, return_tensors="pt").to(model.device)
        output = rows_of(model(**batch), batch["attention_mask"])
        for i, row in zip(chosen, output, strict=True):
            rows[i] = row
    return torch.stack(rows).cpu()


@torch.no_grad()
def embed_images(model, pixels: torch.Tensor, batch_size=32) -> torch.Tensor:
    """Turn pixels into vectors: [n, 3, height, width] -> float32 [n, 2 * width].

    The vector is the [CLS] token followed by the mean of the patch tokens, the pair
    that DINOv2's authors use for linear classification (Oquab et al. 2023).
    """
    vectors = []
    for batch in pixels.split(batch_size):
        hidden = model(
            batch.to(model.device)
        ).last_hidden_state  # [b, 1+patches, width]
        vectors.append(torch.cat([hidden[:, 0], hidden[:, 1:].mean(1)], dim=1).cpu())
    return torch.cat(vectors)
