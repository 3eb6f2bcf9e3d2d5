"""Run the comparisons that a chapter cannot wait for: once, resumably, as tidy rows.

The module of a chapter has a generator `experiments(record)`. It yields pairs of a
function and all settings that decide its result; each becomes a row. The function
takes the settings but for `NAMES`, and returns by split a `metrics.Score` by metric, or
`Answers` (of images: `Diagnoses`). The record tells which settings were best before.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from datetime import date
from importlib import import_module
from importlib.metadata import version
from itertools import chain
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import numpy as np
import psutil
import torch
from filelock import FileLock, Timeout
from joblib import Memory
from torch.nn import functional
from tqdm import tqdm

from helpers import course, hardware, metrics, paths
from helpers.experiments.records import (
    NAMES,
    Record,
    SweepError,
    beside,
    key,
    keys,
)
from helpers.models.checkpoints import first_line

# chapter -> the module with its experiments
CHAPTERS = {
    "03": "ch03_fine_tuning",
    "04": "ch04_lora",
    "05": "ch05_mlm_pretraining",
    "06": "ch06_medical",
}
FASTER = "bfloat16 is much faster"
OTHERS = 0.25  # of a core: what other processes may take while seconds are measured


class Answers(NamedTuple):
    """Logits or probabilities [texts, classes] of a classifier, and labels [texts]."""

    logits: np.ndarray
    labels: np.ndarray
    seconds: float | None = None  # of its training, see `timed`

    def score(self, metric: str) -> metrics.Score:
        """Return the accuracy, or the mean loss of logits."""
        if not np.isfinite(self.logits).all():
            raise FloatingPointError("the model's outputs are not finite numbers")
        if metric == "accuracy":
            return metrics.accuracy(self.logits.argmax(1), self.labels)
        loss = functional.cross_entropy(*map(torch.tensor, self[:2]))
        return metrics.Score(float(loss), None, None, len(self.labels))

    def predicted(self, metric: str) -> dict:
        """Return what is kept beside a score of the test: nothing beside the loss."""
        lists = self.logits.argmax(1).tolist(), self.labels.tolist()
        pairs = dict(zip(("prediction", "label"), lists, strict=True))
        return pairs if metric == "accuracy" else {}


def answers(predict: Callable, splits: dict, seconds: float | None = None) -> dict:
    """Return by split what `predict` makes of its texts: `Answers`."""
    found = {}
    for split, data in splits.items():
        logits = np.asarray(predict(data["text"][:]))
        found[split] = Answers(logits, np.array(data["label"]), seconds)
    return found


def remembered(function: Callable) -> Callable:
    """Keep on disk what a function returns, by all of its arguments."""
    return Memory(paths.CACHED_EXPERIMENTS / "memory", verbose=0).cache(function)


def timed(work: Callable) -> tuple:
    """Return what `work()` returns, and its seconds: None if anything else ran."""
    begin, before = time.perf_counter(), _seconds_of_others()
    result = work()
    seconds = time.perf_counter() - begin
    alone = _seconds_of_others() - before < OTHERS * seconds
    return result, seconds if alone else None


def _seconds_of_others() -> float:
    """Return how long cores have worked for other processes since the machine began."""
    cores, own = psutil.cpu_times(), psutil.Process().cpu_times()
    idle = cores.idle + getattr(cores, "iowait", 0)
    return sum(cores) - idle - own.user - own.system


def run(chapter: str, folder: Path | None = None, jobs: int = 1) -> Path:
    """Run what a chapter's record does not hold; return the record, a CSV file.

    Each row is stored when it is measured, so an interrupted sweep goes on. What fails
    is told, recorded, and tried again by the next sweep. With `jobs` so many processes
    measure at a time, and divide the cores. Raises SweepError.
    """
    experiments = _experiments(chapter)
    file = (folder or paths.CACHED_EXPERIMENTS) / f"{chapter}_experiments.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    threads = max(1, hardware.cores() // jobs) if jobs > 1 else torch.get_num_threads()
    try:
        with (
            FileLock(f"{file}.lock", timeout=0),
            tqdm(unit="experiment") as bar,
            _workers(jobs, threads) as pool,
        ):
            record, waiting = Record(file), {}

            def finish(count: int = 0) -> None:
                """Store what has been measured, until so many are still running."""
                while len(waiting) > count:
                    for done in wait(waiting, return_when=FIRST_COMPLETED).done:
                        settings = waiting.pop(done)
                        row, predicted = done.result()
                        if "error" in row:
                            bar.write(f"Failed ({row['error']}): {_named(settings)}.")
                        about = {n: version(n) for n in ("torch", "transformers")}
                        about |= {"threads": threads, "date": str(date.today())}
                        record.keep(settings, predicted)
                        record.add(settings | about | row)

            record.finish = finish
            for function, settings in experiments(record):
                bar.set_postfix_str(_named(settings))
                bar.update()
                own = key(settings)
                if own in keys(record.measured()):
                    continue
                if any(_same_run(settings, other) for other in waiting.values()):
                    finish()  # its result will be remembered
                waiting[pool.submit(_measure, function, settings)] = settings
                finish(jobs - 1)
            finish()
    except Timeout as error:
        raise SweepError(
            f"Another sweep is writing {file}: wait until it has ended, or end it."
        ) from error
    return file


def publish(chapter: str, file: Path) -> Path:
    """Store where the course keeps its results what is up to date of a record.

    It is told how many rows are not, and left out.
    """
    record, place = Record(file), paths.RESULTS / file.name
    current = {key(settings) for _, settings in _experiments(chapter)(record)}
    declared = np.array([each in current for each in keys(record.rows)], bool)
    if left := (~declared).sum():
        print(f"{left} rows are left out: the sweep does not, or not yet, want them.")
    record.rows = record.rows[declared]
    predicted = record.predictions()
    if len(predicted):
        predicted = predicted[[each in current for each in keys(predicted)]]
        paths.write(beside(place), predicted.to_parquet(index=False))
    record.save(place)
    return place


def _experiments(chapter: str) -> Callable:
    """Return the generator of a chapter's experiments; the first decides precision."""
    if chapter not in CHAPTERS:
        raise SweepError(
            f"Chapter {chapter} has no sweep; those that have: {', '.join(CHAPTERS)}."
        )
    module = import_module(f"helpers.experiments.{CHAPTERS[chapter]}")
    first = dict(zip(NAMES, ("precision", "this machine", FASTER), strict=True))
    return lambda record: chain([(_bf16, first)], module.experiments(record))


def _measure(function: Callable, settings: dict) -> tuple[dict, dict]:
    """Run an experiment; return what was measured, and what it predicted of tests."""
    given = {k: v for k, v in settings.items() if k not in NAMES}
    metric = settings["metric"]
    try:
        found = function(**given)[settings["split"]]
        scored = not isinstance(found, dict)
        score = found.score(metric) if scored else found[metric]
        if not np.isfinite(score.value):
            raise FloatingPointError(f"the {metric} is {score.value}")
    except Exception as error:
        return {"error": first_line(error)}, {}
    row = score._asdict() | {"seconds": found.seconds if scored else None}
    tested = scored and settings["split"] == "test"
    return row, found.predicted(metric) if tested else {}


def _named(settings: dict) -> str:
    return ", ".join(f"{k} {v}" for k, v in settings.items() if v is not None)


def _same_run(settings: dict, other: dict) -> bool:
    """Return whether one run gives both rows, which tell different things of it."""
    one, two = (key(each | dict.fromkeys(NAMES)) for each in (settings, other))
    return one == two


class _Here:
    """Does the work of an executor in this process, at once."""

    def submit(self, function: Callable, *given) -> Future:
        done = Future()
        done.set_result(function(*given))
        return done


@contextmanager
def _workers(jobs: int, threads: int):
    """Yield an executor with so many processes; 1 is this one."""
    if jobs == 1:
        _prepare()
        yield _Here()
        return
    start, before = get_context("spawn"), os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(threads)  # before torch is loaded there
    try:
        with ProcessPoolExecutor(jobs, start, initializer=_prepare) as pool:
            yield pool
    finally:
        os.environ.pop("OMP_NUM_THREADS")
        os.environ |= {"OMP_NUM_THREADS": before} if before else {}


def _prepare() -> None:
    """Set up a process that measures; it ends with the one that started it."""
    course.set_up_libraries()
    hardware.keep_freed_memory()
    if parent := parent_process():
        Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _bf16() -> dict:
    faster = metrics.Score(float(hardware.bf16_is_faster()), None, None, None)
    return {"this machine": {FASTER: faster}}
