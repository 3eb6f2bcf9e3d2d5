"""The yardstick counts operations and seconds as it says."""

import time

import pytest
import torch

from helpers import hardware


def test_the_rate_is_operations_over_the_best_time(monkeypatch):
    clock = iter([0.0, 2.0, 10.0, 10.5])  # one product of 2 s, one of half a second
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert hardware.matrix_throughput(size=100, repeats=2) == pytest.approx(
        2e6 / 0.5 / 1e9
    )


def test_more_threads_or_not_the_rate_is_positive_and_finite():
    learning_rate = hardware.matrix_throughput(size=256, repeats=3)
    assert 0 < learning_rate < 1e6
    assert torch.isfinite(torch.tensor(learning_rate))
