"""Checks of the exercises of chapter 1."""

import math
from collections import defaultdict

import torch

from helpers.exercises.verdicts import OPEN, Verdict, choice, compare, wrong


def causal_attention(function):
    """Attention [tokens, d] in which no token looks at a later one."""
    q, k, v = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(1))
    answer = function(q, k, v)
    if isinstance(answer, tuple):
        return wrong("Return the output alone, without the attention weights.")
    if isinstance(answer, torch.Tensor) and answer.isnan().any():
        return wrong("A token must see itself, or its weights are empty.")

    def attend(scores, hidden, hide=-torch.inf, axis=-1):
        return scores.masked_fill(hidden, hide).softmax(axis) @ v

    scores = q @ k.T / math.sqrt(8)
    later = torch.ones(5, 5).triu(1).bool()
    after = scores.softmax(-1).masked_fill(later, 0) @ v
    zeros, turned = attend(scores, later, 0), attend(scores, later.T)
    mistakes = {
        "Later tokens still have a weight: mask them.": scores.softmax(-1) @ v,
        "The weights do not sum to one: mask scores, with minus infinity.": after,
        "A score of 0 is a weight of e^0 = 1, not of 0: use minus infinity.": zeros,
        "The mask is the wrong way round: the first token sees only itself.": turned,
        "The softmax must run over the last axis.": attend(scores, later, axis=0),
        "Divide the scores by the square root of d.": attend(q @ k.T, later),
    }
    return compare(answer, attend(scores, later), mistakes)


def mean_pooling(function):
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
    a="The baseline is not 50 %: 130 of the 200 reviews are favourable.",
    b="Right: the baseline is 65 %, and 71 % of 200 means about 64 to 77 %.",
    c="How good is good depends on the task and its baseline: measure both first.",
)


def shuffled_similarity(function):
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
        return wrong("An encoder that ignores order must give 1: shuffle the words.")
    if moved > 0.6:
        return wrong("An encoder of first words gives far less: are all shuffled?")
    return Verdict("right", "Right. Now run it on the test sentences with the encoder.")
