"""Answers are scored, timed when nothing else runs, and remembered by arguments."""

import numpy as np
import pytest
from scipy.special import log_softmax

from helpers import paths
from helpers.experiments import runner

LOGITS = np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]])
LABELS = np.array([0, 1, 1])


def test_accuracy_and_loss_are_those_of_the_logits():
    found = runner.Answers(LOGITS, LABELS)
    accuracy, loss = found.score("accuracy"), found.score("loss")
    assert (accuracy.value, accuracy.n) == (2 / 3, 3)
    expected = -log_softmax(LOGITS, axis=1)[range(3), LABELS].mean()
    assert (loss.value, loss.n) == (pytest.approx(expected), 3)


@pytest.mark.parametrize(("others", "known"), [(0.2, True), (0.5, False)])
def test_seconds_are_known_only_if_nothing_else_ran(others, known, monkeypatch):
    clock, busy = iter([10.0, 11.0]), iter([7.0, 7.0 + others])
    monkeypatch.setattr(runner.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(runner, "_seconds_of_others", lambda: next(busy))
    result, seconds = runner.timed(lambda: "done")
    assert result == "done"
    assert seconds == (1.0 if known else None)


def test_what_others_do_is_counted_up():
    before = runner._seconds_of_others()
    assert before > 0
    assert runner._seconds_of_others() >= before - 0.1  # clocks are rounded


CALLS = []


def square(number, power=2):
    CALLS.append((number, power))
    return number**power


def test_a_result_is_remembered_by_all_arguments(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "CACHED_EXPERIMENTS", tmp_path)
    CALLS.clear()
    ask = runner.remembered(square)
    found = [ask(3), ask(3), ask(number=3), ask(3, power=3), ask(4)]
    assert found == [9, 9, 9, 27, 16]
    assert CALLS == [(3, 2), (3, 3), (4, 2)]
    assert [path.name for path in tmp_path.iterdir()] == ["memory"]
