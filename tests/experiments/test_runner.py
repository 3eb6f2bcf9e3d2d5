"""A sweep measures each experiment once, survives a kill, and shows nothing stale."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from helpers import course, hardware, metrics, paths
from helpers.experiments import records, runner, tuning
from helpers.experiments.runner import Answers

PRECISION = "bfloat16 is much faster"
LABELS = np.array([0, 1, 1, 0])


def answers(seed, learning_rate, **others):
    """Three of four right with 0.1, half with any other learning rate."""
    right = np.array([1, 1, 1, 0]) if learning_rate == 0.1 else np.array([1, 0, 1, 0])
    logits = np.eye(2)[np.where(right, LABELS, 1 - LABELS)]
    return {split: Answers(logits, LABELS, 2.5) for split in ("validation", "test")}


SETTINGS = {"experiment": "toy", "split": "test", "metric": "accuracy", "epochs": 3}


def toy(record):
    """Choose a learning rate, then test it."""
    return tuning.tuned(record, answers, SETTINGS, "learning_rate", (0.01, 0.1), [0, 1])


@pytest.fixture
def sweep(monkeypatch, tmp_path):
    """Return a function that runs a sweep of some experiments, and reads its record."""
    module = SimpleNamespace(experiments=toy)
    modules = {"helpers.experiments.toy": module}
    monkeypatch.setattr(runner, "CHAPTERS", {"98": "toy"})
    monkeypatch.setattr(runner, "import_module", modules.get)
    monkeypatch.setattr(course, "set_up_libraries", lambda: None)
    monkeypatch.setattr(hardware, "bf16_is_faster", lambda *_: False)
    monkeypatch.setattr(hardware, "keep_freed_memory", lambda: None)

    def run(experiments=None) -> pd.DataFrame:
        if experiments:
            module.experiments = experiments
        return records.read(runner.run("98", tmp_path))

    return run


def one(function, **settings):
    """Return a generator of a single experiment."""
    return lambda record: [(function, SETTINGS | settings)]


def unwanted(**settings):
    pytest.fail("this was measured before")


def test_a_row_says_what_was_measured_how(sweep):
    first, *rows = sweep().to_dict("records")
    assert (first["experiment"], first["metric"], first["value"]) == (
        "precision",
        PRECISION,
        0,
    )
    told = ["split", "seed", "learning_rate", "epochs", "value", "n", "seconds"]
    assert [[row[name] for name in told] for row in rows] == [
        ["validation", 0, 0.01, 3, 0.5, 4, 2.5],
        ["validation", 0, 0.1, 3, 0.75, 4, 2.5],
        ["test", 0, 0.1, 3, 0.75, 4, 2.5],
        ["test", 1, 0.1, 3, 0.75, 4, 2.5],
    ]
    score = metrics.proportion(3, 4)
    for row in rows[1:]:
        assert (row["low"], row["high"]) == (score.low, score.high)
        assert row["threads"] >= 1
        assert all(row[name] for name in ("torch", "transformers", "date"))


def test_an_interrupted_sweep_goes_on_where_it_was(sweep):
    def interrupted(seed, learning_rate, **others):
        if seed == 1:
            raise KeyboardInterrupt
        return answers(seed, learning_rate)

    run = (interrupted, SETTINGS, "learning_rate", (0.01, 0.1), [0, 1])
    with pytest.raises(KeyboardInterrupt):
        sweep(lambda record: tuning.tuned(record, *run))
    measured = []

    def rest(**settings):
        measured.append(settings)
        return answers(**settings)

    run = (rest, SETTINGS, "learning_rate", (0.01, 0.1), [0, 1])
    rows = sweep(lambda record: tuning.tuned(record, *run))
    assert measured == [{"seed": 1, "learning_rate": 0.1, "epochs": 3}]
    assert len(rows) == 5
    sweep(one(unwanted, seed=1, learning_rate=0.1))


def test_a_full_disk_ends_the_sweep_and_loses_no_row(sweep, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    before = sweep(one(answers, seed=0, learning_rate=1))
    with monkeypatch.context() as patch:
        patch.setattr(paths.os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            sweep(one(answers, seed=1, learning_rate=1))
    pd.testing.assert_frame_equal(records.read(tmp_path / "98_experiments.csv"), before)


@pytest.mark.parametrize("chapter", ["03", "05"])
def test_a_record_is_written_as_it_was_read(tmp_path, chapter):
    file = paths.RESULTS / f"{chapter}_experiments.csv"
    records.Record(file).save(tmp_path / "copy.csv")
    assert (tmp_path / "copy.csv").read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    "settings", [{"epochs": 4}, {"seed": 1}, {"dropout": 0.3}, {"experiment": "other"}]
)
def test_a_changed_or_new_setting_makes_a_new_row(settings, sweep, tmp_path):
    first = {"seed": 0, "learning_rate": 1}
    sweep(one(answers, **first))
    sweep(one(unwanted, **first))
    rows = sweep(one(answers, **first | settings))
    assert len(rows) == 3
    assert rows.iloc[1][list(first)].to_dict() == first
    for name, value in settings.items():
        assert rows.iloc[2][name] == value
    sweep(one(unwanted, **first | settings))


def test_nothing_stale_is_published(sweep, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    paths.RESULTS.mkdir()
    sweep(one(answers, seed=0, learning_rate=0.1, epochs=3))
    sweep(one(answers, seed=0, learning_rate=0.1, epochs=4))
    file = runner.publish("98", tmp_path / "98_experiments.csv")
    assert file == paths.RESULTS / "98_experiments.csv"
    assert records.published("98")["epochs"].tolist() == [pd.NA, 4]
    assert "1 rows are left out" in capsys.readouterr().out
    runner.publish("98", file)
    assert capsys.readouterr().out == ""
    assert records.Record(file).predictions()["epochs"].tolist() == [4]


def test_predictions_on_test_texts_lie_beside_the_record(sweep, tmp_path):
    sweep()
    table = records.Record(tmp_path / "98_experiments.csv").predictions()
    assert table["split"].tolist() == ["test", "test"]
    assert table["seed"].tolist() == [0, 1]
    for _, row in table.iterrows():
        assert (row["label"] == LABELS).all()
        assert (row["prediction"] == row["label"]).tolist() == [True, True, True, False]


def nan(**settings):
    return {"test": Answers(np.full((4, 2), np.nan), LABELS)}


def score_of_nan(**settings):
    return {"test": {"accuracy": metrics.Score(float("nan"), 0, 1, 4)}}


def broken(**settings):
    raise RuntimeError("out of memory\nTried to allocate")


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (nan, "the model's outputs are not finite numbers"),
        (score_of_nan, "the accuracy is nan"),
        (broken, "out of memory"),
    ],
)
def test_a_failure_is_recorded_and_the_others_go_on(function, error, sweep, capsys):
    runs = [(function, SETTINGS | {"seed": 0}), one(answers, seed=1, learning_rate=1)]
    failed, measured = sweep(lambda r: [runs[0], *runs[1](r)])[1:].to_dict("records")
    assert failed["error"] == error
    assert np.isnan(failed["value"])
    assert (measured["value"], pd.isna(measured["error"])) == (0.5, True)
    assert f"Failed ({error})" in capsys.readouterr().out
    rows = sweep(one(answers, seed=0, learning_rate=0.1))  # another key
    assert len(rows) == 4


def test_what_failed_is_tried_again(sweep):
    sweep(one(broken, seed=0, learning_rate=0.1))
    rows = sweep(one(answers, seed=0, learning_rate=0.1))
    assert rows["value"].tolist() == [0, 0.75]
    assert rows["error"].isna().all()


def test_of_failed_runs_nothing_is_chosen(sweep):
    run = (broken, SETTINGS, "learning_rate", (0.01, 0.1), [0, 1])
    rows = sweep(lambda record: tuning.tuned(record, *run))
    assert rows["split"].tolist() == ["this machine", "validation", "validation"]


def test_the_best_setting_is_that_of_its_own_rows_as_a_mean_over_seeds(tmp_path):
    rows = [
        ("a", 0.1, 0, "validation", 0.9),
        ("a", 0.1, 1, "validation", 0.5),
        ("a", 0.2, 0, "validation", 0.8),
        ("a", 0.3, 0, "test", 1),
        ("b", 0.4, 0, "validation", 1),
    ]
    columns = ["strategy", "learning_rate", "seed", "split", "value"]
    record = records.Record(tmp_path / "none.csv")
    record.rows = pd.DataFrame(rows, columns=columns)
    record.rows = record.rows.assign(metric="accuracy", experiment="e")
    settings = {"experiment": "e", "strategy": "a", "split": "test", "seed": 5}
    best = record.best("learning_rate", settings)
    assert (best, type(best)) == (0.2, float)
    assert record.best("strategy", {"experiment": "e"}) == "b"
    assert record.best("learning_rate", settings | {"strategy": "c"}) is None


def test_the_best_setting_is_that_of_the_metric_it_is_tuned_for(tmp_path):
    rows = [("accuracy", 0.1, 0.9), ("accuracy", 0.2, 0.8), ("AUC", 0.1, 0.6)]
    record = records.Record(tmp_path / "none.csv")
    columns = ["metric", "learning_rate", "value"]
    record.rows = pd.DataFrame([*rows, ("AUC", 0.2, 0.7)], columns=columns)
    record.rows = record.rows.assign(split="validation", experiment="e")
    assert record.best("learning_rate", {"experiment": "e", "metric": "AUC"}) == 0.2
    assert record.best("learning_rate", {"experiment": "e"}) == 0.1


def test_the_precision_is_decided_once(sweep, monkeypatch):
    seen = []

    def experiments(record):
        seen.append(record.precision)
        yield from ()

    monkeypatch.setattr(hardware, "bf16_is_faster", lambda *_: True)
    sweep(experiments)
    monkeypatch.setattr(hardware, "bf16_is_faster", unwanted)
    sweep(experiments)
    assert seen == ["bfloat16", "bfloat16"]


def test_a_second_sweep_of_a_record_is_refused(sweep, tmp_path):
    with (
        FileLock(tmp_path / "98_experiments.csv.lock"),
        pytest.raises(records.SweepError, match=r"Another sweep is writing .*: wait"),
    ):
        sweep(unwanted)
    sweep(toy)


@pytest.mark.parametrize(
    "damage", [b"no,columns\n1,2\n", b"\xff\xfe\0\n", b"experiment,value\n\n"]
)
def test_a_damaged_record_gets_a_sentence(damage, sweep, tmp_path):
    file = tmp_path / "98_experiments.csv"
    file.write_bytes(damage)
    with pytest.raises(records.SweepError, match=r"98_experiments.csv is damaged"):
        sweep(unwanted)
    assert file.read_bytes() == damage


def test_a_row_without_a_value_is_damage(sweep, tmp_path):
    sweep(one(answers, seed=0, learning_rate=1))
    file = tmp_path / "98_experiments.csv"
    file.write_bytes(file.read_bytes().replace(b",0.5,", b",,"))
    with pytest.raises(records.SweepError, match="no value and no error"):
        sweep(unwanted)


def test_a_chapter_without_a_sweep_gets_a_sentence(sweep):
    with pytest.raises(records.SweepError, match="Chapter 97 has no sweep.*: 98"):
        runner.run("97")
