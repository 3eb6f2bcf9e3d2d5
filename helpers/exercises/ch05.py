"""Checks of the exercises of chapter 5."""

import torch

from helpers.exercises.verdicts import OPEN, Verdict, choose, compare


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
