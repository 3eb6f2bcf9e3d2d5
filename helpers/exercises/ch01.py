"""Checks of the exercises of chapter 1."""

import math
from collections import defaultdict

import torch

from helpers.exercises.verdicts import OPEN, RIGHT, Verdict, choice, compare, wrong


def causal_attention(function) -> Verdict:
    """Attention [tokens, d] in which no token looks at a later one."""
    q, k, v = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(1))
    answer = function(q, k, v)
    if isinstance(answer, tuple):
        return wrong("Return the output alone, without the attention weights.")
    if isinstance(answer, torch.Tensor) and answer.isnan().any():
        return wrong("A token must see itself, or its weights are empty.")
    later = torch.ones(5, 5).triu(1).bool()
    scores = q @ k.T / math.sqrt(8)
    masked = scores.masked_fill(later, -torch.inf)
    mistakes = {
        "Later tokens still have a weight: mask them.": scores.softmax(-1),
        "The weights no longer sum to one: mask the scores, with minus infinity.": (
            scores.softmax(-1).masked_fill(later, 0)
        ),
        "A score of zero is not a weight of zero: e^0 is 1. Use minus infinity.": (
            scores.masked_fill(later, 0).softmax(-1)
        ),
        "The mask is the wrong way round: the first token must see only itself.": (
            scores.masked_fill(later.T, -torch.inf).softmax(-1)
        ),
        "The softmax must run over the last axis, the tokens looked at.": (
            masked.softmax(0)
        ),
        "The scores are not divided by the square root of d.": (
            (masked * math.sqrt(8)).softmax(-1)
        ),
    }
    outputs = {hint: weights @ v for hint, weights in mistakes.items()}
    return compare(answer, masked.softmax(-1) @ v, outputs)


def mean_pooling(function) -> Verdict:
    """The mean over real tokens only, [texts, hidden_size]."""
    hidden = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(2))
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    try:
        answer = function(hidden, mask)
    except RuntimeError as error:
        return wrong(f"{error}: does `keepdim=True` keep the axis that is missing?")
    kept = hidden * mask.unsqueeze(-1)
    mistakes = {
        "The padding is averaged in: multiply by the mask first.": hidden.mean(1),
        "That is the first position, [CLS], and not a mean.": hidden[:, 0],
        "Each text has its own number of real tokens.": kept.sum(1) / mask.sum(),
        "That is a sum: divide by the number of real tokens.": kept.sum(1),
    }
    right = kept.sum(1) / mask.sum(1, keepdim=True)
    return compare(answer, right, mistakes, as_given=kept.mean(1))


sentiment_claim = choice(  # somebody claims 71 % on 200 reviews
    "b",
    a="The baseline is not 50 %: 130 of the 200 reviews are favourable.",
    b="the baseline is 65 %, and 71 % of 200 means about 64 to 77 %.",
    c="How good is good depends on the task and its baseline: measure both first.",
)


def shuffled_similarity(function) -> Verdict:
    """Mean cosine similarity between texts and their shuffled selves."""
    texts = [f"w{i} x{i} y{i} z{i} u{i} v{i}" for i in range(40)]

    vectors = defaultdict(lambda: torch.randn(64))  # one for each word

    def bag(batch):  # ignores order: shuffling must change nothing
        sums = [sum(vectors[word] for word in text.split()) for text in batch]
        return torch.stack(sums) * (0.1 + torch.rand(len(batch), 1))  # nor does length

    def ordered(batch):  # sees only the first word: shuffling must change nearly all
        return torch.stack([vectors[text.split()[0]] for text in batch])

    answer, moved = function(bag, texts), function(ordered, texts)
    if answer is None:
        return OPEN
    if not isinstance(answer, float):
        return wrong("Return one float (`.item()` makes one).")
    if abs(answer - 1) > 1e-4:
        return wrong(
            "An encoder that ignores order must give 1. Shuffle the words of each "
            "text, not its letters, and keep the texts in their order."
        )
    if moved > 0.6:
        return wrong(
            "An encoder that sees only the first word should give far less than 1. "
            "Are the words really shuffled?"
        )
    return RIGHT
