"""Checks of the exercises of chapter 5."""

import torch

from helpers.exercises.verdicts import OPEN, Verdict, choose, compare


class _Toy:
    """A tokenizer of 1 000 tokens, of which the first five are special."""

    all_special_ids = (0, 1, 2, 3, 4)
    mask_token_id = 4

    def __len__(self) -> int:
        return 1000


def masker(function) -> Verdict:
    """BERT's masking rule, (sequences, tokenizer, generator) -> (ids, labels)."""
    generator = torch.Generator().manual_seed(5)
    given = torch.randint(5, 1000, (1000, 100), generator=generator)
    given[:, 0], given[:, -1], given[::2, -20:] = 2, 3, 0  # [CLS], [SEP], padding
    sequences = given.clone()
    answer = function(sequences, _Toy(), torch.Generator().manual_seed(6))
    if answer is None:
        return OPEN
    if not (isinstance(answer, tuple) and len(answer) == 2):
        return Verdict(
            "wrong", "Not yet: return two tensors, the input and the labels."
        )
    ids, labels = answer
    selected = labels != -100
    if selected.float().mean() > 0.5:
        return Verdict("open", "Not repaired yet.")
    return Verdict(*_masked_well(sequences, given, ids, labels, selected))


def _masked_well(sequences, given, ids, labels, selected) -> tuple[str, str]:
    """Return state and message of the first flaw of a masker's answer."""
    changed, special = ids != given, given < 5
    if not torch.equal(labels[selected], given[selected]):
        return "wrong", "Not yet: a label is the token that stood there before."
    if not torch.equal(sequences, given):
        return "wrong", "Not yet: the sequences that were handed in have changed."
    if selected[special].any():
        return "wrong", "Not yet: special tokens or padding are selected."
    if changed[~selected].any():
        return "wrong", "Not yet: tokens are changed that are not selected."
    fractions = {
        "of the tokens are selected": (selected.sum() / (~special).sum(), 0.15),
        "of these become [MASK]": ((ids[selected] == 4).float().mean(), 0.8),
        "of these become another token": (
            (changed[selected] & (ids[selected] != 4)).float().mean(),
            0.1,
        ),
    }
    for what, (found, wanted) in fractions.items():
        if abs(found - wanted) > 0.015:
            return "wrong", f"Not yet: {found:.0%} {what}, it should be {wanted:.0%}."
    return "right", "Right."


def whole_words(function) -> Verdict:
    """A word is selected with all of its tokens, or not at all."""
    tokens = ["the", "un", "##for", "##get", "film", "##s", "a"]

    def at(*positions: int) -> torch.Tensor:
        return torch.zeros(len(tokens)).index_fill(0, torch.tensor(positions), 1)

    answer = function(tokens, at(2, 6).bool())
    if answer is None:
        return OPEN
    if isinstance(answer, list):
        answer = torch.tensor(answer)
    return compare(
        answer.float() if isinstance(answer, torch.Tensor) else answer,
        at(1, 2, 3, 6),
        {
            "Only what follows the selected token is added: the word begins before "
            "it.": at(2, 3, 6),
            "Only what is before the selected token is added: the word goes on.": (
                at(1, 2, 6)
            ),
            "A word that was not selected is selected, too.": at(1, 2, 3, 4, 5, 6),
            "The tokens are as they were: extend the selection to the whole word.": (
                at(2, 6)
            ),
        },
    )


def too_good(answer) -> Verdict:
    """A masked accuracy of 99 % after a hundred steps."""
    return choose(
        answer,
        "c",
        {
            "a": "Words are not that predictable: see what our own model reaches after "
            "its whole run, with a vocabulary as small.",
            "b": "A smaller learning rate would only reach the same place more slowly.",
            "c": "what is to be predicted stands in the input: look at ids and labels.",
        },
    )


def is_it_a_leak(answer) -> Verdict:
    """Sequences are shuffled, then split."""
    return choose(
        answer,
        "b",
        {
            "a": "No sequence is on both sides, but neighbours in the same review are.",
            "b": "halves of one review share names, plot and style: split by document.",
            "c": "More sequences make the leak larger, not smaller.",
        },
    )
