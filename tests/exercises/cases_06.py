"""Right and wrong answers to the exercises of chapter 6, first sitting."""

from functools import partial

import numpy as np


def by_pairs(labels, scores, tie=0.5, sign=1, fraction=True):
    better = sign * np.subtract.outer(scores[labels == 1], scores[labels == 0])
    wins = (better > 0) + tie * (better == 0)
    return float(wins.mean() if fraction else wins.sum())


def by_subject(subjects, seed=0, quarter=4, mixed=True):
    people = np.unique(subjects)
    if mixed:
        people = np.random.default_rng(seed).permutation(people)
    chosen = np.isin(subjects, people[: len(people) // quarter])
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def by_slice(subjects, seed=0, quarter=4):
    order = np.random.default_rng(seed).permutation(len(subjects))
    cut = len(subjects) // quarter
    return order[cut:], order[:cut]


RIGHT = {"auc_by_pairs": by_pairs, "split": by_subject, "threshold": "c"}
WRONG = {
    "auc_by_pairs": [
        (partial(by_pairs, tie=0), "not nothing"),
        (partial(by_pairs, tie=1), "not a whole"),
        (partial(by_pairs, sign=-1), "wrong way round"),
        (partial(by_pairs, fraction=False), "not their number"),
        (lambda labels, scores: 9.5 / 49, "not all pairs"),
        (lambda y, s: float(np.mean((s > 0.45) == y)), "no threshold"),
        (lambda labels, scores: 1.0, "each negative"),
    ],
    "split": [
        (partial(by_slice, quarter=2), "in both lists"),
        (partial(by_subject, quarter=2), "not a quarter"),
        (partial(by_subject, mixed=False), "Another seed"),
        (lambda subjects, seed=0: (subjects, subjects), "exactly one"),
        (lambda subjects, seed=0: (subjects < 9, subjects > 8), "row numbers"),
    ],
    "threshold": [("a", "parameters"), ("b", "could not fail"), ("x", "Choose")],
}
UNREPAIRED = {"split": by_slice}
