"""Checks of the exercises of chapter 1."""

import math

import torch

from helpers.exercises.verdicts import OPEN, Verdict, choose, compare


def causal_attention(function) -> Verdict:
    """Attention [tokens, d] in which no token looks at a later one."""
    q, k, v = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(1))
    answer = function(q, k, v)
    if answer is None:
        return OPEN
    if isinstance(answer, tuple):
        return Verdict(
            "wrong", "Not yet: return the output alone, without the attention weights."
        )
    if isinstance(answer, torch.Tensor) and answer.isnan().any():
        return Verdict(
            "wrong",
            "Not yet: a token must see itself, or its weights are empty.",
        )
    scores = q @ k.T / math.sqrt(8)
    allowed = torch.ones(5, 5).tril()
    masked = scores.masked_fill(allowed == 0, -torch.inf)
    return compare(
        answer,
        masked.softmax(-1) @ v,
        {
            "Later tokens still have a weight: mask them.": scores.softmax(-1) @ v,
            "The weights no longer sum to one: mask before the softmax, with minus "
            "infinity in the scores, not with a zero in the weights.": (
                scores.softmax(-1) * allowed
            )
            @ v,
            "A score of zero is not a weight of zero: e^0 is 1. Use minus infinity.": (
                scores * allowed
            ).softmax(-1)
            @ v,
            "The mask is the wrong way round: the first token must see only itself.": (
                scores.masked_fill(allowed.T == 0, -torch.inf).softmax(-1) @ v
            ),
            "The softmax must run over the tokens that are looked at, the last axis.": (
                masked.softmax(0) @ v
            ),
            "The scores are not divided by the square root of d.": (
                (q @ k.T).masked_fill(allowed == 0, -torch.inf).softmax(-1) @ v
            ),
        },
    )


def mean_pooling(function) -> Verdict:
    """The mean over real tokens only, [texts, hidden_size]."""
    hidden = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(2))
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    try:
        answer = function(hidden, mask)
    except RuntimeError as error:
        hint = "Do the shapes fit? `keepdim=True` keeps an axis of length one."
        return Verdict("wrong", f"Not yet: {error}. {hint}")
    if answer is None:
        return OPEN
    kept = hidden * mask.unsqueeze(-1)
    if isinstance(answer, torch.Tensor) and torch.equal(answer, kept.mean(1)):
        return Verdict("open", "Not repaired yet.")
    return compare(
        answer,
        kept.sum(1) / mask.sum(1, keepdim=True),
        {
            "The padding is averaged in: multiply by the mask first.": hidden.mean(1),
            "That is the first position, [CLS], and not a mean.": hidden[:, 0],
            "Each text has its own number of real tokens: do not divide all by the "
            "same.": kept.sum(1) / mask.sum(),
            "That is a sum: divide by the number of real tokens.": kept.sum(1),
        },
    )


def sentiment_claim(answer) -> Verdict:
    """What to ask when somebody claims 71 % on 200 reviews."""
    return choose(
        answer,
        "b",
        {
            "a": "The baseline is not 50 %: 130 of the 200 reviews are favourable.",
            "b": "the baseline is 65 %, and 71 % of 200 means about 64 to 77 %.",
            "c": "How good is good depends on the task and its baseline: measure both "
            "before you judge.",
        },
    )


def shuffled_similarity(function) -> Verdict:
    """Mean cosine similarity between texts and their shuffled selves."""
    texts = [f"w{i} x{i} y{i} z{i} u{i} v{i}" for i in range(40)]

    def bag(batch):  # ignores order: shuffling must change nothing
        vectors = torch.stack([_hashed(text.split()) for text in batch])
        return vectors * (0.1 + torch.rand(len(batch), 1))  # cosine ignores length

    def ordered(batch):  # sees only the first word: shuffling must change nearly all
        return torch.stack([_hashed(text.split()[:1]) for text in batch])

    answer, moved = function(bag, texts), function(ordered, texts)
    if answer is None:
        return OPEN
    if not isinstance(answer, float):
        return Verdict("wrong", "Not yet: return one float (`.item()` makes one).")
    if abs(answer - 1) > 1e-4:
        return Verdict(
            "wrong",
            "Not yet: an encoder that ignores order must give 1. Shuffle the words "
            "of each text, not its letters, and keep the texts in their order.",
        )
    if moved > 0.6:
        return Verdict(
            "wrong",
            "Not yet: an encoder that sees only the first word should give far less "
            "than 1. Are the words really shuffled?",
        )
    return Verdict("right", "Right. Now run it on the test sentences with the encoder.")


def _hashed(words) -> torch.Tensor:
    """Return the sum of one fixed random vector per word, [64]."""
    seeds = [int.from_bytes(word.encode(), "big") % 2**31 for word in words]
    vectors = [
        torch.randn(64, generator=torch.Generator().manual_seed(s)) for s in seeds
    ]
    return torch.stack(vectors).sum(0)
