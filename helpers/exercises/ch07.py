"""Checks of the exercises of chapter 7."""

import math

import torch

from helpers.exercises.verdicts import OPEN, Verdict, choose, compare


def perplexity(function) -> Verdict:
    """One perplexity of the tokens of several texts."""
    losses = [[1.0, 2.0, 3.0], [4.0], [0.5, 0.5]]
    every = torch.tensor([loss for text in losses for loss in text])
    means = torch.tensor([sum(text) / len(text) for text in losses])
    return _number(
        function(losses),
        every.mean().exp(),
        {
            "That is the mean loss: perplexity is its exponential.": every.mean(),
            "A text of one token counts as much as a long one: average over all "
            "tokens.": means.mean().exp(),
            "Average losses, not the perplexities of the texts.": means.exp().mean(),
            "Average the losses first, then take the exponential.": every.exp().mean(),
            "The losses are in nats: use e, not 2.": 2 ** every.mean(),
        },
    )


def bits_per_character(function) -> Verdict:
    """A loss that does not depend on the tokenizer."""
    loss, tokens, characters = 3.0, 250, 1000
    bits = loss * tokens / math.log(2) / characters
    return _number(
        function(loss, tokens, characters),
        bits,
        {
            "Those are nats: divide by the natural logarithm of 2.": bits * math.log(2),
            "A bit is smaller than a nat: divide by log 2, do not multiply.": (
                bits * math.log(2) ** 2
            ),
            "Those are bits per token: the text has fewer tokens than characters.": (
                loss / math.log(2)
            ),
            "The ratio of tokens and characters is the wrong way round.": (
                loss / math.log(2) * characters / tokens
            ),
        },
    )


def make_labels(function) -> Verdict:
    """Labels of sequences that are padded with the end-of-text token, 0."""
    ids = torch.tensor([[0, 5, 6, 0, 0, 0], [0, 7, 8, 9, 4, 0]])
    lengths = torch.tensor([4, 6])
    answer = function(ids.clone(), lengths)
    if answer is None:
        return OPEN
    every_end = ids.masked_fill(ids == 0, -100)
    if isinstance(answer, torch.Tensor) and torch.equal(answer, every_end):
        return Verdict("open", "Not repaired yet.")
    beyond = torch.arange(6) >= lengths[:, None]
    return compare(
        answer,
        ids.masked_fill(beyond, -100),
        {
            "The padding still has labels: the model would learn to say the end again "
            "and again.": ids,
            "The real end of each sequence is lost: its place is lengths - 1, and that "
            "one stays.": ids.masked_fill(
                torch.arange(6) >= lengths[:, None] - 1, -100
            ),
            "One padding token too many keeps its label: positions count from 0.": (
                ids.masked_fill(torch.arange(6) > lengths[:, None], -100)
            ),
        },
    )


def which_rule(answer) -> Verdict:
    """How to decode where one continuation is right."""
    return choose(
        answer,
        "b",
        {
            "a": "Sampling sends one parcel in ten somewhere else, even at its best.",
            "b": "one right answer means the most probable one, or none.",
            "c": "Variety is a virtue in stories, not in addresses.",
        },
    )


def _number(answer, right, mistakes: dict) -> Verdict:
    """Judge one number, given as a float or a tensor."""
    if answer is None:
        return OPEN
    if not isinstance(answer, float | torch.Tensor):
        return Verdict("wrong", "Not yet: return one number.")
    tensors = {hint: torch.as_tensor(wrong) for hint, wrong in mistakes.items()}
    answer = torch.as_tensor(answer, dtype=torch.float32)
    return compare(answer, torch.as_tensor(right, dtype=torch.float32), tensors)
