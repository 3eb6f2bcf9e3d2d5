"""Another skill of a text encoder: to find the other half of the same review."""

from functools import cache

import torch
from torch.nn import functional

from helpers import metrics
from helpers.data import corpora
from helpers.models import encoders

PAIRS, WORDS, TEXTS = 500, 20, 50  # reviews; words of a quarter; texts per batch


@cache
def halves() -> tuple[list[str], list[str]]:
    """Return two interleaved halves of what each of 500 reviews begins with.

    They are of IMDB's validation split: words 1 to 20 and 41 to 60, and those between
    and behind, up to 80.
    """
    found = []
    for text in corpora.imdb()["validation"]["text"]:
        quarters = [text.split()[n * WORDS : (n + 1) * WORDS] for n in range(4)]
        if len(quarters[-1]) == WORDS:
            found.append([" ".join(sum(quarters[n::2], [])) for n in (0, 1)])
    first, second = zip(*found[:PAIRS], strict=True)
    return list(first), list(second)


def recall(embed) -> dict[str, metrics.Score]:
    """Say how often the nearest half, by cosine, is that of the same review.

    `embed` makes of n texts vectors [n, hidden size].
    """
    first, second = (torch.as_tensor(embed(texts)).float() for texts in halves())
    cosines = functional.normalize(first) @ functional.normalize(second).T
    hits = int((cosines.argmax(1) == torch.arange(len(cosines))).sum())
    return {"recall at 1": metrics.proportion(hits, len(cosines))}


def vectors(model, tokenizer, texts, max_length: int) -> torch.Tensor:
    """Return a classifier's mean vectors of texts, float32 [n, hidden size].

    They are of its encoder with whatever was put on it, virtual tokens left out.
    """
    found = []
    with encoders.evaluating(model):
        for begin in range(0, len(texts), TEXTS):
            options = {"truncation": True, "max_length": max_length, "padding": True}
            some = texts[begin : begin + TEXTS]
            batch = tokenizer(some, **options, return_tensors="pt").to(model.device)
            hidden = model(**batch, output_hidden_states=True).hidden_states[-1]
            mask = batch["attention_mask"]  # hidden [texts, (virtual +) tokens, size]
            pooled = encoders.mean_pool(hidden[:, -mask.shape[1] :].float(), mask)
            found.append(pooled.cpu())
    return torch.cat(found)
