"""What a report on a medical image classifier must say, as far as code can check it.

The choice of items is ours, from CLAIM (Tejani et al. 2024) and STARD-AI (Sounderajah
et al. 2025). Data are a DatasetDict with train, validation and test and the columns
image, label (1 is the positive class), subject and scanner (or any other subgroup).
Probabilities are those of the positive class.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import brier_score_loss

from helpers import metrics
from helpers.data import duplicates

SPECIFICITY = 0.9  # that the threshold is chosen for, on validation
ENOUGH = 0.8  # below the whole interval of AUC and sensitivity
NEAR = 0.05  # what counts as equal
SURE = 0.9
ANSWERS = {True: "yes", False: "no", None: "not done"}


class Item(NamedTuple):
    """One line of the report: what must hold, what was found, and whether it holds."""

    must: str
    measured: str
    passed: bool | None  # None: not done


def alarms_that_are_right(sensitivity, specificity, prevalence) -> float:
    """Return the positive predictive value where the disease is so common.

    It is nan where there is no alarm.
    """
    right = sensitivity * prevalence
    alarms = right + (1 - specificity) * (1 - prevalence)
    return right / alarms if alarms else float("nan")


def report(data, validation, test, prevalence: float, others=()) -> pd.DataFrame:
    """Return the table of all items: what must hold, what was measured, passed.

    `validation` and `test` are the probabilities for these two splits, `prevalence` how
    common the positive class is in use. `others` are further items, as triples.
    """
    items = [*_data(data, prevalence), *_threshold(data, validation, test, prevalence)]
    items += [*_ranking(data, validation, test), *_probabilities(data, test)]
    items += [Item(*item) for item in others]
    table = pd.DataFrame(items, columns=["what must hold", "measured", "passed"])
    passed = [
        item.passed if item.passed is None else bool(item.passed) for item in items
    ]
    return table.assign(passed=[ANSWERS[answer] for answer in passed])


def _labels(split) -> np.ndarray:
    return np.array(split["label"][:])


def _data(data, prevalence: float):
    people = [{*split["subject"][:]} for split in data.values()]
    both = sum(map(len, people)) - len(set.union(*people))
    yield Item("nobody is in two splits", f"{both} subjects", both == 0)
    pairs = len(duplicates.across(data))
    yield Item("no near-duplicates across splits", f"{pairs} pairs", pairs == 0)
    found = _labels(data["test"]).mean()
    same = abs(found - prevalence) < NEAR
    yield Item("prevalence as in use", f"{found:.2f}, in use {prevalence:.2f}", same)


def _threshold(data, validation, test, prevalence: float):
    labels, subjects = _labels(data["test"]), data["test"]["subject"][:]
    threshold = metrics.threshold_at(
        _labels(data["validation"]), validation, SPECIFICITY
    )
    kept = metrics.sensitivity_at(1 - labels, -test, -threshold, subjects)
    kept_near = abs(kept.value - SPECIFICITY) < NEAR
    yield Item(f"threshold of validation keeps {SPECIFICITY}", _short(kept), kept_near)
    found = metrics.sensitivity_at(labels, test, threshold, subjects)
    yield Item(f"sensitivity above {ENOUGH}", _short(found), found.low > ENOUGH)
    right, low, high = (
        alarms_that_are_right(*ends, prevalence)
        for ends in zip(found[:3], kept[:3], strict=True)
    )  # both low or both high: at least as wide as a 95 % interval
    values = f"{right:.2f} [{low:.2f}, {high:.2f}]"
    yield Item("in use, most alarms are right", values, low > 0.5)


def _ranking(data, validation, test):
    labels, subjects = _labels(data["test"]), np.array(data["test"]["subject"][:])
    known = _labels(data["validation"]) == 1
    high, low = validation[known].mean(), validation[~known].mean()
    yield Item(
        "the positive class scores higher", f"{high:.2f} and {low:.2f}", high > low
    )
    area = metrics.auc(labels, test, subjects)
    yield Item(f"AUC above {ENOUGH}", _short(area), area.low > ENOUGH)
    group, each = np.array(data["test"]["scanner"][:]), {}
    for name in np.unique(group):
        own = group == name
        each[name] = metrics.auc(labels[own], test[own], subjects[own])
    found = [score.value for score in each.values()]
    near = max(found) - min(found) < NEAR
    values = ", ".join(f"{name} {_short(score)}" for name, score in each.items())
    yield Item("AUC alike in all subgroups", values, near)


def _probabilities(data, test):
    labels, subjects = _labels(data["test"]), np.array(data["test"]["subject"][:])
    right = metrics.clustered((test > 0.5) == labels, subjects)
    majority = max(labels.mean(), 1 - labels.mean())
    values = f"{_short(right)}, majority {majority:.2f}"
    yield Item("accuracy above the majority class", values, right.low > majority)
    brier = brier_score_loss(labels, test)
    without = labels.mean() * (1 - labels.mean())  # of always saying how common it is
    values = f"{brier:.2f}, without {without:.2f}"
    yield Item("Brier score below that without model", values, brier < without)
    sure = test > SURE
    if np.unique(subjects[sure]).size < 2:
        yield Item(f"right as often as it says above {SURE}", "too few", None)
        return
    says, is_right = test[sure].mean(), metrics.clustered(labels[sure], subjects[sure])
    values = f"says {says:.2f}, is {_short(is_right)}"
    near = abs(says - is_right.value) < NEAR
    yield Item(f"right as often as it says above {SURE}", values, near)


def _short(score: metrics.Score) -> str:
    """Return a value with its interval, two digits each."""
    return f"{score.value:.2f} [{score.low:.2f}, {score.high:.2f}]"
