"""The report: each item can pass and can fail, and what was not done says so."""

import re

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Value
from PIL import Image as Pillow

from helpers.models import reporting

FEATURES = Features(
    {
        "image": Image(),
        "label": ClassLabel(names=["not", "ill"]),
        "subject": Value("int64"),
        "scanner": Value("string"),
    }
)
SUBJECTS = {"train": range(20), "validation": range(20, 60), "test": range(60, 120)}


def simulate(subjects=SUBJECTS, copy=False):
    """Two slices of noise for each subject; every second subject is ill."""
    rng, splits = np.random.default_rng(0), {}
    for name, people in subjects.items():
        rows = [
            {
                "image": Pillow.fromarray(rng.integers(0, 256, (28, 28), np.uint8)),
                "label": person % 2,
                "subject": person,
                "scanner": "AB"[person // 2 % 2],
            }
            for person in np.repeat(people, 2)
        ]
        splits[name] = rows
    if copy:
        splits["test"][0]["image"] = splits["train"][1]["image"]
    return DatasetDict({n: Dataset.from_list(r, FEATURES) for n, r in splits.items()})


@pytest.fixture(scope="module")
def data():
    return simulate()


def good(data, name):
    """Probabilities of a sharp and calibrated model: nearly 0 or nearly 1."""
    labels = np.array(data[name]["label"][:])
    noise = np.random.default_rng(1).uniform(0, 0.04, len(labels))
    return np.where(labels, 1 - noise, noise)


def passed(data, prevalence=0.5, **changes):
    probabilities = {n: good(data, n) for n in ("validation", "test")} | changes
    table = reporting.report(data, **probabilities, prevalence=prevalence)
    return dict(zip(table["what must hold"], table["passed"], strict=True))


def failed(data, **changes):
    return {must for must, answer in passed(data, **changes).items() if answer == "no"}


def test_a_good_model_passes_all_but_the_threshold_that_separates_too_well(data):
    answers = passed(data)
    assert len(answers) == 12
    assert failed(data) <= {"threshold of validation keeps 0.9"}


def test_shared_subjects_and_copies_are_found():
    shared = SUBJECTS | {"test": range(59, 120)}
    assert "nobody is in two splits" in failed(simulate(shared))
    assert "no near-duplicates across splits" in failed(simulate(copy=True))


def test_another_prevalence_fails_and_makes_most_alarms_false(data):
    labels = np.array(data["test"]["label"][:])
    found = failed(data, prevalence=0.01)
    assert "prevalence as in use" in found
    wrong = np.where(np.arange(len(labels)) % 10 < 2, 0.95, good(data, "test"))
    assert "in use, most alarms are right" in failed(data, prevalence=0.01, test=wrong)
    assert reporting.alarms_that_are_right(0.8, 0.9, 0.2) == pytest.approx(2 / 3)
    assert np.isnan(reporting.alarms_that_are_right(0.0, 1.0, 0.2))


def test_each_line_on_the_test_has_an_interval(data):
    table = reporting.report(
        data, good(data, "validation"), good(data, "test"), prevalence=0.5
    ).set_index("what must hold")["measured"]
    for line in ("in use, most alarms are right", "accuracy above the majority class"):
        assert re.fullmatch(r"[01]\.\d\d \[\d\.\d\d, \d\.\d\d\].*", table[line]), line
    assert re.search(r"A 1\.00 \[.*\], B 1\.00 \[", table["AUC alike in all subgroups"])


def test_the_other_class_as_positive_is_found(data):
    wrong = {n: 1 - good(data, n) for n in ("validation", "test")}
    found = failed(data, **wrong)
    assert {"the positive class scores higher", "AUC above 0.8"} <= found
    assert {"accuracy above the majority class", "sensitivity above 0.8"} <= found
    assert "Brier score below that without model" in found


def test_a_scanner_that_is_worse_is_found(data):
    test, scanner = good(data, "test"), np.array(data["test"]["scanner"][:])
    rng = np.random.default_rng(2)
    worse = np.where(scanner == "B", rng.uniform(size=len(test)), test)
    assert "AUC alike in all subgroups" in failed(data, test=worse)


def test_a_model_that_is_too_sure_is_found(data):
    test = good(data, "test")
    test[:24] = 0.99  # half of them are not ill
    assert "right as often as it says above 0.9" in failed(data, test=test)


def test_what_was_not_done_says_so(data):
    answers = passed(data, test=0.4 + 0.4 * good(data, "test"))
    assert answers["right as often as it says above 0.9"] == "not done"
    others = [("tested on patients", "none", None), ("versions", "1.0", np.True_)]
    table = reporting.report(
        data, good(data, "validation"), good(data, "test"), 0.5, others
    )
    assert table["passed"].tolist()[-2:] == ["not done", "yes"]
