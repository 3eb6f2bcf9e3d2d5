"""A sweep runs each experiment once, survives a kill, and refuses a damaged record."""

import json
from importlib import import_module
from types import SimpleNamespace

import pytest
import torch

from helpers import paths
from helpers.experiments import runner


@pytest.fixture
def calls(monkeypatch):
    """A sweep of three experiments; the list collects those that ran."""
    ran = []

    def first(scores):
        ran.append("first")
        return 1

    def second(scores):
        ran.append("second")
        return scores["first"] + 1

    def third(scores):
        ran.append("third")
        if ran.count("third") == 1:
            raise KeyboardInterrupt
        return scores["second"] * 10

    def experiments():
        return {"first": first, "second": second, "third": third}

    module = SimpleNamespace(experiments=experiments)
    monkeypatch.setattr(runner, "CHAPTERS", {"98": "toy"})
    monkeypatch.setattr(
        runner, "import_module", {"helpers.experiments.toy": module}.get
    )
    return ran


def test_an_interrupted_sweep_goes_on_where_it_was(calls, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        runner.run("98", tmp_path / "new")
    file = tmp_path / "new" / "98_sweep.json"
    assert json.loads(file.read_text("utf-8")) == {"first": 1, "second": 2}
    assert runner.run("98", tmp_path / "new") == file
    assert json.loads(file.read_text("utf-8"))["third"] == 20
    assert calls == ["first", "second", "third", "third"]


def test_a_finished_sweep_computes_nothing(calls, tmp_path):
    file = tmp_path / "98_sweep.json"
    file.write_text('{"first": 5, "second": 6, "third": 7}', encoding="utf-8")
    runner.run("98", tmp_path)
    assert calls == []
    assert json.loads(file.read_text("utf-8"))["first"] == 5


def test_an_experiment_may_return_numbers_by_name(tmp_path, monkeypatch):
    def both(scores):
        return {"accuracy": torch.tensor(0.5), "seconds": 3}

    module = SimpleNamespace(experiments=lambda: {"both": both})
    monkeypatch.setattr(runner, "CHAPTERS", {"98": "toy"})
    monkeypatch.setattr(
        runner, "import_module", {"helpers.experiments.toy": module}.get
    )
    file = runner.run("98", tmp_path)
    recorded = {"both": {"accuracy": 0.5, "seconds": 3.0}}
    assert json.loads(file.read_text("utf-8")) == recorded


def test_a_record_is_published_as_it_is(calls, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "kept")
    (tmp_path / "kept").mkdir()
    file = tmp_path / "98_sweep.json"
    file.write_text('{"first": 5}', encoding="utf-8")
    assert runner.publish("98", file) == tmp_path / "kept" / "98_sweep.json"
    assert runner.published("98") == {"first": 5}


@pytest.mark.parametrize("content", ["", '{"first": 1', "[1,"])
def test_a_damaged_record_gets_a_sentence(calls, tmp_path, content):
    (tmp_path / "98_sweep.json").write_text(content, encoding="utf-8")
    with pytest.raises(runner.SweepError, match=r"98_sweep.json is damaged .*: put it"):
        runner.run("98", tmp_path)
    assert calls == []


def test_a_chapter_without_a_sweep_gets_a_sentence(calls, tmp_path):
    with pytest.raises(runner.SweepError, match="Chapter 97 has no sweep.*: 98"):
        runner.run("97", tmp_path)


@pytest.mark.parametrize("chapter", runner.CHAPTERS)
def test_the_record_that_comes_with_the_course_is_complete(chapter):
    module = import_module(f"helpers.experiments.{runner.CHAPTERS[chapter]}")
    scores = runner.published(chapter)
    assert list(scores) == list(module.experiments())
    for score in scores.values():
        if isinstance(score, dict) and "low" in score:  # a gain with its interval
            assert -1 < score["low"] < score["value"] < score["high"] < 1
            continue
        accuracy = score["accuracy"] if isinstance(score, dict) else score
        assert 0 < accuracy < 1
