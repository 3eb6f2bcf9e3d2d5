"""Checks of the exercises of chapter 7."""

import math

import torch

from helpers.exercises.verdicts import choice, compare


def perplexity(function):
    """One perplexity of the tokens of several texts."""
    losses = [[1.0, 2.0, 3.0], [4.0], [0.5, 0.5]]
    every = torch.tensor([loss for text in losses for loss in text])
    means = torch.tensor([sum(text) / len(text) for text in losses])
    mistakes = {
        "That is the mean loss: perplexity is its exponential.": every.mean(),
        "A text of one token counts as much as a long one.": means.mean().exp(),
        "Average losses, not the perplexities of the texts.": means.exp().mean(),
        "Average the losses first, then take the exponential.": every.exp().mean(),
        "The losses are in nats: use e, not 2.": 2 ** every.mean(),
    }
    return compare(function(losses), every.mean().exp(), mistakes)


def bits_per_character(function):
    """A loss that does not depend on the tokenizer."""
    loss, tokens, characters, log2 = 3.0, 250, 1000, math.log(2)
    nats = loss * tokens / characters
    mistakes = {
        "Those are nats: divide by the natural logarithm of 2.": nats,
        "A bit is smaller than a nat: divide by log 2, do not multiply.": nats * log2,
        "Those are bits per token, and not per character.": loss / log2,
        "The ratio is the wrong way round.": loss / log2 * characters / tokens,
    }
    return compare(function(loss, tokens, characters), nats / log2, mistakes)


def make_labels(function):
    """Labels of sequences that are padded with the end-of-text token, 0."""
    ids = torch.tensor([[0, 5, 6, 0, 0, 0], [0, 7, 8, 9, 4, 0]])
    lengths = torch.tensor([4, 6])
    answer = function(ids.clone(), lengths)

    def labels(shift: int) -> torch.Tensor:
        return ids.masked_fill(torch.arange(6) >= lengths[:, None] + shift, -100)

    mistakes = {
        "The padding has labels: the model learns to end again and again.": ids,
        "The real end of each sequence is lost: it is at lengths - 1.": labels(-1),
        "One padding token too many has a label: count from 0.": labels(1),
    }
    return compare(answer, labels(0), mistakes, ids.masked_fill(ids == 0, -100))


which_rule = choice(  # how to decode where one continuation is right
    a="Sampling sends one parcel in ten somewhere else, even at its best.",
    b="Right: one right answer means the most probable one, or none.",
    c="Variety is a virtue in stories, not in addresses.",
)
