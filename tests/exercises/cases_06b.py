"""Right and wrong answers to the exercises of chapter 6, second sitting."""

from functools import partial

import numpy as np


def subset(subjects, count, seed, fixed=None, more=0):
    rng = np.random.default_rng(seed if fixed is None else fixed)
    order = rng.permutation(np.unique(subjects))
    return np.isin(subjects, order[: count + more])


def some_slices(subjects, count, seed):
    return np.random.default_rng(seed).random(len(subjects)) < 0.5


def restless(subjects, count, seed, rng=np.random.default_rng(0)):  # noqa: B008
    return np.isin(subjects, rng.permutation(np.unique(subjects))[:count])


def choose(found, summary=np.mean, best=max):
    return best(found, key=lambda value: summary(found[value]))


RIGHT = {"subset": subset, "choose": choose, "reported": "c"}
WRONG = {
    "subset": [
        (some_slices, "some of its slices"),
        (partial(subset, more=1), "4 subjects"),
        (partial(subset, fixed=0), "same subset"),
        (restless, "Equal seeds"),
        (lambda s, n, seed: np.flatnonzero(subset(s, n, seed)), "a mask"),
    ],
    "choose": [
        (partial(choose, best=min), "larger"),
        (partial(choose, summary=np.median), "middle"),
        (lambda found: float(np.mean(found[0.001])), "not its AUC"),
    ],
    "reported": [("a", "by luck"), ("b", "failed"), ("x", "Choose")],
}
UNREPAIRED = {"choose": partial(choose, summary=max)}
