"""Checks of the exercises on language models; they work like those in `checks`."""

import math

import torch

from helpers.verdicts import OPEN, Verdict, choose, compare


class _Toy:
    """A tokenizer of 1 000 pieces, of which the first five are special."""

    all_special_ids = (0, 1, 2, 3, 4)
    mask_token_id = 4

    def __len__(self) -> int:
        return 1000


def masker(function) -> Verdict:
    """Chapter 5: BERT's masking rule, (rows, tokenizer, generator) -> (ids, labels)."""
    dice = torch.Generator().manual_seed(5)
    rows = torch.randint(5, 1000, (1000, 100), generator=dice)
    rows[:, 0], rows[:, -1], rows[::2, -20:] = 2, 3, 0  # [CLS], [SEP], padding
    given = rows.clone()
    answer = function(rows, _Toy(), torch.Generator().manual_seed(6))
    if answer is None:
        return OPEN
    if not (isinstance(answer, tuple) and len(answer) == 2):
        return Verdict(
            "wrong", "Not yet: return two tensors, the input and the labels."
        )
    ids, labels = answer
    asked, plain = labels != -100, given >= 5
    if asked.float().mean() > 0.5:
        return Verdict("open", "Not repaired yet.")
    return Verdict(*_masked_well(rows, given, ids, labels, asked, plain))


def _masked_well(rows, given, ids, labels, asked, plain) -> tuple[str, str]:
    """Return state and message of the first flaw of a masker's answer."""
    changed = ids != given
    if not torch.equal(labels[asked], given[asked]):
        return "wrong", "Not yet: a label is the piece that stood there before."
    if not torch.equal(rows, given):
        return "wrong", "Not yet: the rows that were handed in have changed."
    if asked[~plain].any():
        return "wrong", "Not yet: special tokens or padding are asked for."
    if changed[~asked].any():
        return "wrong", "Not yet: pieces are changed that nobody asks for."
    share = {
        "of the pieces are asked for": (asked.sum() / plain.sum(), 0.15),
        "of these become [MASK]": ((ids[asked] == 4).float().mean(), 0.8),
        "of these become another piece": (
            (changed[asked] & (ids[asked] != 4)).float().mean(),
            0.1,
        ),
    }
    for what, (found, wanted) in share.items():
        if abs(found - wanted) > 0.015:
            return "wrong", f"Not yet: {found:.0%} {what}, it should be {wanted:.0%}."
    return "right", "Right."


def whole_words(function) -> Verdict:
    """Chapter 5: a word is asked for with all of its pieces, or not at all."""
    pieces = ["the", "un", "##for", "##get", "film", "##s", "a"]

    def row(*places: int) -> torch.Tensor:
        return torch.zeros(len(pieces)).index_fill(0, torch.tensor(places), 1)

    answer = function(pieces, row(2, 6).bool())
    if answer is None:
        return OPEN
    if isinstance(answer, list):
        answer = torch.tensor(answer)
    return compare(
        answer.float() if isinstance(answer, torch.Tensor) else answer,
        row(1, 2, 3, 6),
        {
            "Only what follows the chosen piece is added: the word begins before "
            "it.": row(2, 3, 6),
            "Only what stands before the chosen piece is added: the word goes on.": row(
                1, 2, 6
            ),
            "A word that was not chosen is asked for, too.": row(1, 2, 3, 4, 5, 6),
            "The pieces are as they were: extend the choice to the whole word.": (
                row(2, 6)
            ),
        },
    )


def too_good(answer) -> Verdict:
    """Chapter 5: a masked accuracy of 99 % after a hundred steps."""
    return choose(
        answer,
        "c",
        {
            "a": "Words are not that predictable: see what our own model reaches after "
            "its whole run, with a vocabulary as small.",
            "b": "A smaller rate would only reach the same wrong place more slowly.",
            "c": "what is asked for stands in the input: look at ids and labels.",
        },
    )


def is_it_a_leak(answer) -> Verdict:
    """Chapter 5: rows are shuffled, then split."""
    return choose(
        answer,
        "b",
        {
            "a": "No row is on both sides, but its neighbours in the same review are.",
            "b": "halves of one review share names, plot and style: split by document.",
            "c": "More rows make the leak larger, not smaller.",
        },
    )


def perplexity(function) -> Verdict:
    """Chapter 7: one perplexity of the tokens of several texts."""
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
    """Chapter 7: a loss that does not depend on the tokenizer."""
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
    """Chapter 7: labels of rows that are padded with the end-of-text token, 0."""
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
            "The real end of each row is lost: its place is lengths - 1, and that "
            "one stays.": ids.masked_fill(
                torch.arange(6) >= lengths[:, None] - 1, -100
            ),
            "One padding token too many keeps its label: positions count from 0.": (
                ids.masked_fill(torch.arange(6) > lengths[:, None], -100)
            ),
        },
    )


def which_rule(answer) -> Verdict:
    """Chapter 7: how to decode where one continuation is right."""
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
