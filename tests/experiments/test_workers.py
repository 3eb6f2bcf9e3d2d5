"""Rows measured by several processes are those of one, and a kill loses no row."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from helpers import paths
from helpers.experiments import records, runner

pytestmark = pytest.mark.integration  # each starts Python and torch a few times

TOY = """
    import time
    import numpy as np
    import torch
    from helpers.experiments.runner import Answers
    from helpers.experiments.tuning import tuned

    def answers(seed, learning_rate):
        time.sleep(SECONDS)
        labels = np.array([0, 1, 1, 0])
        right = labels if learning_rate == 0.1 else 1 - labels
        logits = np.eye(2)[right] * torch.get_num_threads()
        return dict.fromkeys(("validation", "test"), Answers(logits, labels))

    def experiments(record):
        own = {"experiment": "toy", "split": "test", "metric": "accuracy"}
        yield from tuned(record, answers, own, "learning_rate", (0.01, 0.1), [0, 1, 2])
"""
RUN = """
    import sys
    from pathlib import Path
    from helpers.experiments import runner
    runner.CHAPTERS["98"] = "../toy"
    runner.import_module = lambda name: __import__("toy")
    print(runner.run("98", Path(sys.argv[1]), jobs=int(sys.argv[2])))
"""


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a sweep of the toy in a process of its own."""

    def sweep(folder, jobs: int, seconds: float = 0) -> subprocess.Popen:
        toy = textwrap.dedent(TOY).replace("SECONDS", str(seconds))
        (tmp_path / "toy.py").write_text(toy, encoding="utf-8")
        places = os.pathsep.join([str(paths.ROOT), str(tmp_path)])
        settings = os.environ | {"PYTHONPATH": places, "COURSE_PRECISION": "float32"}
        command = [sys.executable, "-c", textwrap.dedent(RUN), str(folder), str(jobs)]
        return subprocess.Popen(command, env=settings, stderr=subprocess.DEVNULL)

    return sweep


def rows(folder):
    return records.read(folder / "98_experiments.csv")


def compared(folder):
    """Return what does not depend on the machine, in one order."""
    columns = ["split", "seed", "learning_rate", "value", "n"]
    return rows(folder)[columns].sort_values(columns).to_numpy(object).tolist()


def test_several_processes_measure_what_one_does(start, tmp_path):
    for jobs in (1, 2):
        assert start(tmp_path / str(jobs), jobs).wait(120) == 0
    assert compared(tmp_path / "1") == compared(tmp_path / "2")
    several = rows(tmp_path / "2")
    assert len(several) == 6
    assert several["error"].isna().all()
    assert set(several["threads"]) == {max(1, runner.hardware.cores() // 2)}
    table = records.Record(tmp_path / "2" / "98_experiments.csv").predictions()
    assert sorted(table["seed"]) == [0, 1, 2]


def test_a_sweep_killed_within_a_row_keeps_the_others_and_goes_on(start, tmp_path):
    folder = tmp_path / "killed"
    process = start(folder, 2, seconds=1.5)
    measured, limit = 0, time.time() + 120
    while measured < 3 and time.time() < limit:  # the precision, and two rows
        time.sleep(0.1)
        measured = len(rows(folder))
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(rows(folder)) == measured == 3
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []  # workers end with what started them
    assert start(folder, 1).wait(120) == 0
    assert len(rows(folder)) == 6
    assert rows(folder)["error"].isna().all()
