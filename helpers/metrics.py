"""Scores with their uncertainty, without a network."""

from typing import NamedTuple

import evaluate
import numpy as np
from datasets import Features, Value
from scipy import stats
from sklearn.metrics import f1_score

Z = stats.norm.ppf(0.975)  # half of a normal 95 % interval in standard errors


class Score(NamedTuple):
    """A value with the ends of its 95 % interval and the number of cases behind it."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @classmethod
    def of(cls, entry: dict) -> "Score":
        """Return the score that a recorded result holds."""
        return cls(entry["value"], *entry["interval"], entry["n"])

    @property
    def about(self) -> dict:
        """What `Chapter.record` takes beside the value."""
        return {"interval": (self.low, self.high), "n": self.n}


def _score(values, standard_error, width=Z) -> Score:
    """Return the mean of n values and an interval of so many errors to each side."""
    centre, half = float(values.mean()), float(width * standard_error)
    return Score(centre, centre - half, centre + half, values.size)


def proportion(hits: int, n: int) -> Score:
    """Return a fraction of n > 0 cases with its Wilson interval (Wilson 1927)."""
    interval = stats.binomtest(int(hits), int(n)).proportion_ci(method="wilson")
    return Score(float(hits / n), float(interval.low), float(interval.high), int(n))


def accuracy(predictions, references) -> Score:
    """Return the fraction of equal entries of two sequences of length n > 0."""
    predictions, references = np.asarray(predictions), np.asarray(references)
    if predictions.shape != references.shape or not predictions.size:
        raise ValueError(
            f"{predictions.shape} predictions for {references.shape} references: "
            "give one prediction for each reference."
        )
    return proportion((predictions == references).sum(), predictions.size)


def mean(values) -> Score:
    """Return the mean of repeated runs with Student's 95 % interval (n = runs).

    It covers the spread between runs (training subsets, seeds), not the uncertainty of
    the test set that they share. Raises ValueError below two runs.
    """
    values = np.asarray(values, dtype=float)
    if values.size < 2:
        raise ValueError("An interval needs two runs: repeat with another seed.")
    return _score(values, stats.sem(values), stats.t.ppf(0.975, values.size - 1))


def paired(right, other) -> Score:
    """Return how much more often one method is right than another on the same n cases.

    `right` and `other` say for each case whether the method was right. The interval is
    the normal one of the mean difference.
    """
    difference = np.asarray(right, float) - np.asarray(other, float)
    return _score(difference, stats.sem(difference))


def mcnemar(right, other) -> float:
    """Return the exact p of McNemar's test (1947): are two methods equally often right?

    As in `paired`; only cases count where exactly one method was right.
    """
    right, other = np.asarray(right, bool), np.asarray(other, bool)
    mine, differing = int((right & ~other).sum()), int((right != other).sum())
    return float(stats.binomtest(mine, differing).pvalue) if differing else 1.0


def clustered(values, groups) -> Score:
    """Return the mean of n values that come in groups, such as tokens in texts.

    The interval is the normal one with a standard error over groups, since the values
    of one text are not independent (Liang and Zeger 1986). `groups` holds a number from
    0 on for each value. Raises ValueError below two groups.
    """
    values = np.asarray(values, dtype=float)
    if np.unique(groups).size < 2:
        raise ValueError("An interval needs two groups: score more texts.")
    sums = np.bincount(groups, weights=values - values.mean())
    return _score(values, np.sqrt((sums**2).sum()) / values.size)


def perplexity(losses, groups) -> Score:
    """Return exp of the mean of n losses in nats; intervals as in `clustered`."""
    *interval, n = clustered(losses, groups)
    return Score(*np.exp(interval).tolist(), n)


class Classification(evaluate.Metric):
    """Accuracy with its 95 % interval, and macro-F1, the mean of the classes' F1."""

    def _info(self):
        return evaluate.MetricInfo(
            description=type(self).__doc__,
            citation="",
            features=Features(predictions=Value("int64"), references=Value("int64")),
        )

    def _compute(self, predictions, references):
        score = accuracy(predictions, references)._asdict()
        f1 = f1_score(references, predictions, average="macro")
        return {"accuracy": score.pop("value"), "macro_f1": float(f1)} | score


def classification(evaluated) -> dict[str, float]:
    """Return what a Trainer reports as its `compute_metrics`: accuracy and macro-F1."""
    predictions, references = evaluated.predictions.argmax(-1), evaluated.label_ids
    return Classification().compute(predictions=predictions, references=references)
