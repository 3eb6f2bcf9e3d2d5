"""The sweep of outlines: how they are judged, what is tuned, and on what trained."""

from collections import Counter

import numpy as np
import pytest
from datasets import Dataset, Features, Image, Value
from PIL import Image as Pillow

from helpers.experiments import ch06_segmentation as runs
from helpers.experiments import records
from helpers.training import outlining


class Known:
    """A record in which the value to begin with has won wherever it was tried."""

    precision = "float32"

    def best(self, name, settings):
        return runs.STARTS[settings["strategy"]]


@pytest.fixture(scope="module")
def declared() -> list[dict]:
    """The settings of all rows, where the first values win."""
    return [settings for _, settings in runs.experiments(Known())]


def rows(count=8, side=16):
    """Slices with a square of 4 x 4 pixels; every fourth has none."""
    features = Features({"image": Image(), "mask": Image(), "subject": Value("int64")})
    masks = np.zeros((count, side, side), np.uint8)
    masks[np.arange(count) % 4 > 0, 4:8, 4:8] = 255
    pictures = [Pillow.fromarray(mask) for mask in masks]
    columns = {"image": pictures, "mask": pictures}
    columns["subject"] = [n // 2 for n in range(count)]
    return Dataset.from_dict(columns, features)


def test_outlines_are_judged_where_there_is_a_lesion_and_where_there_is_none():
    found = np.zeros((8, 16, 16), bool)
    found[1:4, 4:8, 6:10] = True  # half of the square, and as much beside it
    found[4, :4, :3] = True  # 12 pixels of a healthy slice
    judged = runs.outlines(found, rows())
    overlap = judged.score(runs.OVERLAP)
    assert overlap.value == pytest.approx(3 * 0.5 / 6)
    assert overlap.n == 6
    marked = judged.score(runs.MARKED)
    assert (marked.value, marked.n) == (0.5, 2)
    kept = judged.predicted(runs.OVERLAP)
    assert kept["label"] == [0, 1, 1, 1] * 2
    assert kept["score"][:2] == [1, 0.5]
    assert judged.predicted(runs.MARKED) == {}


def test_no_row_is_declared_twice(declared):
    assert max(Counter(map(records.key, declared)).values()) == 1


def test_each_strategy_is_tuned_and_has_three_seeds(declared):
    for strategy in outlining.STRATEGIES:
        own = [row for row in declared if row["strategy"] == strategy]
        own = [row for row in own if row["subjects"] == runs.SUBJECTS]
        tried = {row["learning_rate"] for row in own if row["split"] == "validation"}
        assert len(tried) == 3
        tests = Counter(row["metric"] for row in own if row["split"] == "test")
        assert tests == dict.fromkeys(runs.METRICS, 3)


def test_fewer_subjects_have_as_many_steps(declared):
    for row in declared:
        if row["strategy"] in runs.CURVES and row["subjects"] in runs.FEWER:
            whole = runs.base(row["strategy"], Known())
            steps = row["subjects"] * row["epochs"]
            assert steps <= whole["subjects"] * whole["epochs"]


def test_subjects_are_chosen_whole(monkeypatch):
    monkeypatch.setattr(runs, "splits", lambda: {"train": rows(40)})
    chosen = runs.training_rows(5, seed=0)
    assert len(chosen) == 10
    assert len(set(chosen["subject"])) == 5
    assert chosen["subject"][:] != runs.training_rows(5, seed=1)["subject"][:]


def test_a_threshold_and_a_classifier_find_what_is_bright(monkeypatch):
    slices = rows(40)
    monkeypatch.setattr(runs.outline_baselines, "darkness", lambda x, width: x)
    monkeypatch.setattr(
        runs, "splits", lambda: dict.fromkeys(("train", "validation", "test"), slices)
    )
    for strategy in (runs.THRESHOLD, runs.CLASSIFIER):
        found = runs.classical(strategy, subjects=20, seed=0, data_version=0)
        assert found["test"].score(runs.OVERLAP).value > 0.9
        assert found["test"].score(runs.MARKED).value == 0
