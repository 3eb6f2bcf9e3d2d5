"""Scores with their uncertainty, without a network."""

from typing import NamedTuple

import evaluate
import numpy as np
from datasets import Features, Value
from scipy import stats
from sklearn.metrics import f1_score

Z = stats.norm.ppf(0.975)  # half of a normal 95 % interval in standard errors
RESAMPLES = 1000  # of a bootstrap


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


def mean(values, test_to_train: float = 0) -> Score:
    """Return the mean of repeated runs with Student's 95 % interval (n = runs).

    It covers the spread between runs (training subsets, seeds), not the uncertainty of
    the test set that they share. Runs on random splits of one data set share cases; for
    them give the ratio of the sizes, and the interval is widened (Nadeau and Bengio
    2003). Raises ValueError below two runs.
    """
    values = np.asarray(values, dtype=float)
    if values.size < 2:
        raise ValueError("An interval needs two runs: repeat with another seed.")
    error = stats.sem(values) * np.sqrt(1 + values.size * test_to_train)
    return _score(values, error, stats.t.ppf(0.975, values.size - 1))


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
    of one text are not independent (Liang and Zeger 1986). `groups` holds a number or a
    name for each value. Raises ValueError below two groups.
    """
    values = np.asarray(values, dtype=float)
    names, numbers = np.unique(groups, return_inverse=True)
    if names.size < 2:
        raise ValueError("An interval needs two groups: score more texts.")
    sums = np.bincount(numbers, weights=values - values.mean())
    return _score(values, np.sqrt((sums**2).sum()) / values.size)


def perplexity(losses, groups) -> Score:
    """Return exp of the mean of n losses in nats; intervals as in `clustered`."""
    *interval, n = clustered(losses, groups)
    return Score(*np.exp(interval).tolist(), n)


def auc(labels, scores, groups=None, other=None) -> Score:
    """Return how often a positive case has the higher score of a pair with a negative.

    That is the area under the ROC curve (Hanley and McNeil 1982); equal scores count
    half. `labels` [n] are true for positive cases, `groups` [n] say which cases are of
    one subject. The interval is the percentile one of a bootstrap over subjects, with
    fixed seed (Efron and Tibshirani 1993). With `other` [n], the scores of a second
    method, it is the paired difference to it. Raises ValueError without both classes.
    """
    labels = np.asarray(labels, bool)
    if labels.all() or not labels.any():
        raise ValueError("The AUC needs cases of both classes: choose others.")
    wins = _wins(labels, scores) - (0 if other is None else _wins(labels, other))
    weights = _resamples(labels, groups)
    positive, negative = weights[:, labels], weights[:, ~labels]
    values = (positive @ wins * negative).sum(1)
    values /= positive.sum(1) * negative.sum(1)
    return Score(float(wins.mean()), *_percentiles(values), labels.size)


def threshold_at(labels, scores, specificity: float = 0.9) -> float:
    """Return the lowest threshold with at least this specificity on labelled cases.

    A case is called positive if its score is above the threshold. Raises ValueError
    without negative cases.
    """
    negative = np.asarray(scores, float)[~np.asarray(labels, bool)]
    if not negative.size:
        raise ValueError("Specificity needs negative cases: choose others.")
    return float(np.quantile(negative, specificity, method="inverted_cdf"))


def sensitivity_at(labels, scores, threshold: float, groups=None) -> Score:
    """Return the fraction of the positive cases whose score is above a threshold.

    The threshold comes from `threshold_at` on other cases. The interval is Wilson's;
    with `groups`, as in `auc`, that of a bootstrap over subjects, unless all cases are
    found or none: then Wilson's for as many cases as subjects. Raises ValueError
    without positive cases.
    """
    labels = np.asarray(labels, bool)
    found = np.asarray(scores, float)[labels] > threshold
    if groups is None or not found.size:
        return proportion(found.sum(), found.size)
    subjects = np.asarray(groups)[labels]
    if found.all() or not found.any():
        count = np.unique(subjects).size
        return proportion(found[0] * count, count)._replace(n=found.size)
    weights = _resamples(labels[labels], subjects)
    values = weights @ found / weights.sum(1)
    return Score(float(found.mean()), *_percentiles(values), found.size)


def _wins(labels, scores) -> np.ndarray:
    """Return for each positive and negative case 1 if the former is higher, 1/2, 0."""
    scores = np.asarray(scores, float)
    pairs = np.sign(scores[labels][:, None] - scores[~labels])
    return (pairs + 1) / 2


def _resamples(labels, groups) -> np.ndarray:
    """Return how often each resample of subjects has each case: [resamples, n].

    Subjects with positive cases, with negative ones and with both are resampled apart.
    """
    groups = np.arange(labels.size) if groups is None else np.asarray(groups)
    _, number = np.unique(groups, return_inverse=True)
    size = np.bincount(number)
    positive = np.bincount(number, weights=labels)
    kinds = (positive > 0) + 2 * (positive < size)
    rng, times = np.random.default_rng(0), np.zeros((RESAMPLES, size.size))
    for kind in np.unique(kinds):
        own = np.flatnonzero(kinds == kind)
        times[:, own] = rng.multinomial(own.size, [1 / own.size] * own.size, RESAMPLES)
    return times[:, number]


def _percentiles(values) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


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
