"""Checks of the exercises of the first sitting of chapter 6."""

import numpy as np

from helpers.exercises.verdicts import AS_GIVEN, OPEN, RIGHT, choice, compare, wrong

LABELS = np.array([1, 0, 1, 0, 0, 1, 0])
SCORES = np.array([0.9, 0.4, 0.4, 0.1, 0.6, 0.5, 0.2])
SUBJECTS = np.repeat(np.arange(20) * 7 % 31, 4)  # 20 subjects with four slices each


def auc_by_pairs(function):
    """The fraction of pairs, one positive and one negative, in the right order."""
    mistakes = {
        "A tie counts one half, not nothing.": 9 / 12,
        "A tie counts one half, not a whole.": 10 / 12,
        "The wrong way round: the positive should have the higher score.": 2.5 / 12,
        "Only pairs of a positive and a negative count, not all pairs.": 9.5 / 49,
        "Return the fraction of the pairs, not their number.": 9.5,
        "That is the accuracy at a threshold of .5; no threshold is needed.": 5 / 7,
    }
    other = "Compare each positive with each negative: 3 times 4 pairs here."
    return compare(function(LABELS, SCORES), 9.5 / 12, mistakes, other=other)


def split(function):
    """Two lists of row numbers with no subject in both."""
    found = function(SUBJECTS)
    if found is None:
        return OPEN
    first, second = (np.asarray(rows) for rows in found)
    if not {first.dtype.kind, second.dtype.kind} <= {"i", "u"}:
        return wrong("Return row numbers: integers, not masks or subjects.")
    if sorted([*first, *second]) != [*range(len(SUBJECTS))]:
        return wrong("Each row has to be in exactly one of the two lists.")
    mine, others = {*SUBJECTS[first]}, {*SUBJECTS[second]}
    if mine & others:
        shuffled = len(mine) == 20 and len(second) == len(SUBJECTS) // 4
        hint = f"{len(mine & others)} subjects are in both lists."
        return AS_GIVEN if shuffled else wrong(hint)
    if not 3 <= len(others) <= 7:
        return wrong(
            f"The second list has {len(others)} of 20 subjects, not a quarter."
        )
    again = np.asarray(function(SUBJECTS, seed=1)[1])
    if others == {*SUBJECTS[again]}:
        return wrong("Another seed should give other subjects: shuffle them.")
    return RIGHT


threshold = choice(
    a="The number of parameters says nothing about misses.",
    b="The threshold was made to find 95 % of exactly these. It could not fail.",
    c="Right: a threshold is chosen on validation and judged on others, with its false "
    "alarms beside it.",
)
