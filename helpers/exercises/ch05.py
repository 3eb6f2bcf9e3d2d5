"""Checks of the exercises of chapter 5."""

import torch

from helpers.exercises.verdicts import AS_GIVEN, OPEN, RIGHT, choice, compare, wrong


class _Toy:
    """A tokenizer of 1 000 tokens, of which the first five are special."""

    all_special_ids = (0, 1, 2, 3, 4)
    mask_token_id = 4

    def __len__(self) -> int:
        return 1000


def masker(function):
    """BERT's masking rule, (sequences, tokenizer, generator) -> (ids, labels)."""
    generator = torch.Generator().manual_seed(5)
    given = torch.randint(5, 1000, (1000, 100), generator=generator)
    given[:, 0], given[:, -1], given[::2, -20:] = 2, 3, 0  # [CLS], [SEP], padding
    sequences = given.clone()
    answer = function(sequences, _Toy(), torch.Generator().manual_seed(6))
    if answer is None:
        return OPEN
    if not (isinstance(answer, tuple) and len(answer) == 2):
        return wrong("Return two tensors, the input and the labels.")
    ids, labels = answer
    selected, changed, special = labels != -100, ids != given, given < 5
    if selected.float().mean() > 0.5:
        return AS_GIVEN
    flaws = {
        "A label is the token that stood there before.": (labels != given) & selected,
        "The sequences that were handed in have changed.": sequences != given,
        "Special tokens or padding are selected.": selected & special,
        "Tokens are changed that are not selected.": changed & ~selected,
    }
    for hint, flawed in flaws.items():
        if flawed.any():
            return wrong(hint)
    masked = ids == 4
    fractions = {
        "of the tokens are selected": (selected[~special], 0.15),
        "of these become [MASK]": (masked[selected], 0.8),
        "of these become another token": ((changed & ~masked)[selected], 0.1),
    }
    for what, (chosen, wanted) in fractions.items():
        found = chosen.float().mean()
        if abs(found - wanted) > 0.015:
            return wrong(f"{found:.0%} {what}, it should be {wanted:.0%}.")
    return RIGHT


def whole_words(function):
    """A word is selected with all of its tokens, or not at all."""
    tokens = ["the", "un", "##for", "##get", "film", "##s", "a"]

    def at(*positions: int) -> torch.Tensor:
        return torch.isin(torch.arange(len(tokens)), torch.tensor(positions))

    answer = function(tokens, at(2, 6))
    mistakes = {
        "What follows is added: but the word begins before that.": at(2, 3, 6),
        "What stands before is added: but the word goes on.": at(1, 2, 6),
        "A word that was not selected is selected, too.": at(1, 2, 3, 4, 5, 6),
        "The tokens are as they were: extend the selection to the word.": at(2, 6),
    }
    answer = torch.tensor(answer) if isinstance(answer, list) else answer
    return compare(answer, at(1, 2, 3, 6), mistakes)


too_good = choice(  # a masked accuracy of 99 % after a hundred steps
    a="Words are not that predictable: see what our own model reaches at its end.",
    b="A smaller learning rate would only reach the same place more slowly.",
    c="Right: what is to be predicted stands in the input: look at ids and labels.",
)

is_it_a_leak = choice(  # sequences are shuffled, then split
    a="No sequence is on both sides, but neighbours in the same review are.",
    b="Right: halves of one review share names, plot and style: split by document.",
    c="More sequences make the leak larger, not smaller.",
)
