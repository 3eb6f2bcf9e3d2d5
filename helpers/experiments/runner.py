"""Run the comparisons that a chapter cannot wait for: once, resumably, as tidy rows.

The module of a chapter has a generator `experiments(record)`. It yields pairs of a
function and all settings that decide its result; each becomes a row. The function
takes the settings but for `NAMES`, and returns by split `Answers`, or a `metrics.Score`
by metric. The record tells which settings were best before.

Beside a record lies what its rows predicted of test texts, so that two can be compared
in pairs.
"""

import time
from collections.abc import Callable
from datetime import date
from importlib import import_module
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import psutil
import torch
from filelock import FileLock, Timeout
from joblib import Memory
from torch.nn import functional
from tqdm import tqdm

from helpers import course, hardware, metrics, paths
from helpers.models.checkpoints import first_line
from helpers.training import strategies

# chapter -> the module with its experiments
CHAPTERS = {"03": "ch03_fine_tuning", "05": "ch05_mlm_pretraining"}
FASTER = "bfloat16 is much faster"
NAMES = ["experiment", "split", "metric"]  # each row has them, beside its settings
FLOATS = ["value", "low", "high", "seconds", "peak_mb"]
MEASURED = ["value", "n", "low", "high", "seconds", "peak_mb", "precision", "threads"]
MEASURED += ["torch", "transformers", "date", "error"]
PREDICTED = ["prediction", "label"]  # lists [texts], in the file beside the record
OTHERS = 0.25  # of a core: what other processes may take while seconds are measured


class SweepError(RuntimeError):
    """A sweep cannot run; the message says why and what to do."""


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


def answers(predict: Callable, train, seconds: float | None = None) -> dict:
    """Return by split what `predict` makes of its texts: `Answers`."""
    found = {}
    for split, data in {**strategies.sentences(), "train": train}.items():
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


class Record:
    """The rows of a file, which grows by one with each experiment."""

    def __init__(self, file: Path):
        self.file, self.rows = file, read(file)

    @property
    def precision(self) -> str | None:
        """That of matrix products, decided once for the record; None if unknown."""
        faster = self.rows.loc[self.rows["experiment"] == "precision", "value"]
        return ("float32", "bfloat16")[int(faster.iloc[0])] if len(faster) else None

    def best(self, setting: str, settings: dict):
        """Return the value most accurate on validation, over seeds, or None."""
        others = settings | {"split": "validation", "metric": "accuracy", "seed": None}
        others = key(others | {setting: None})
        rows = self.measured()
        rows = rows[[others <= found for found in keys(rows)]]
        if rows.empty:
            return None
        means = rows.groupby(setting, sort=False)["value"].mean()
        return np.array(means.idxmax()).item()

    def measured(self) -> pd.DataFrame:
        """Return the rows that did not fail."""
        return self.rows.dropna(subset="value")

    def add(self, row: dict) -> None:
        """Put a row at the end of the file, which is written whole or not at all.

        It takes the place of a row with the same settings, which had failed.
        """
        rows = self.rows[[found != key(row) for found in keys(self.rows)]]
        rows = [*rows.astype(object).to_dict("records"), row]
        first, *last = [*NAMES, *MEASURED]  # settings stand between
        names = [name for name in [*self.rows, *row] if name not in [first, *last]]
        columns = [first, *dict.fromkeys(names), *last]
        self.rows = _typed(pd.DataFrame(rows, columns=columns))
        self.save(self.file)

    def save(self, file: Path) -> None:
        """Write all rows."""
        paths.write(file, self.rows.to_csv(index=False, lineterminator="\n"))

    def predictions(self) -> pd.DataFrame:
        """Return settings, `prediction` and `label` of the rows about test texts."""
        file = _beside(self.file)
        return pd.read_parquet(file) if file.is_file() else pd.DataFrame()


def run(chapter: str, folder: Path | None = None) -> Path:
    """Run what a chapter's record does not hold; return the record, a CSV file.

    Each row is stored when it is measured, so an interrupted sweep goes on. What fails
    is told, recorded, and tried again by the next sweep. Raises SweepError.
    """
    experiments = _experiments(chapter)
    file = (folder or paths.CACHED_EXPERIMENTS) / f"{chapter}_experiments.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    course.set_up_libraries()
    hardware.keep_freed_memory()
    try:
        with FileLock(f"{file}.lock", timeout=0), tqdm(unit="experiment") as bar:
            record = Record(file)
            for function, settings in experiments(record):
                shown = (f"{k} {v}" for k, v in settings.items() if v is not None)
                bar.set_postfix_str(name := ", ".join(shown))
                bar.update()
                if key(settings) in keys(record.measured()):
                    continue
                try:
                    row = _measure(function, settings, record)
                except Exception as error:
                    row = {"error": first_line(error)}
                    bar.write(f"Failed ({row['error']}): {name}.")
                about = {name: version(name) for name in ("torch", "transformers")}
                about |= {"threads": torch.get_num_threads()}
                record.add(settings | about | {"date": str(date.today())} | row)
    except Timeout as error:
        raise SweepError(
            f"Another sweep is writing {file}: wait until it has ended, or end it."
        ) from error
    return file


def publish(chapter: str, file: Path) -> Path:
    """Store where the course keeps its results what is up to date of a record."""
    record, place = Record(file), paths.RESULTS / file.name
    current = {key(settings) for _, settings in _experiments(chapter)(record)}
    record.rows = record.rows[[each in current for each in keys(record.rows)]]
    predicted = record.predictions()
    if len(predicted):
        predicted = predicted[[each in current for each in keys(predicted)]]
        paths.write(_beside(place), predicted.to_parquet(index=False))
    record.save(place)
    return place


def published(chapter: str) -> pd.DataFrame:
    """Return the rows that come with the course, one per measurement."""
    return read(paths.RESULTS / f"{chapter}_experiments.csv")


def read(file: Path) -> pd.DataFrame:
    """Return the rows of a record, or none. Raises SweepError for a damaged one."""
    if not file.is_file():
        return pd.DataFrame(columns=[*NAMES, *MEASURED])
    try:  # no text, such as "none", stands for a missing value
        rows = pd.read_csv(file, keep_default_na=False, na_values=[""])
        if (rows["value"].isna() == rows["error"].isna()).any():
            raise ValueError("a row has no value and no error, or both")
        return _typed(rows)
    except (ValueError, KeyError) as error:
        raise SweepError(
            f"The record {file} is damaged ({first_line(error)}): put it back, or "
            "delete it to run every experiment again."
        ) from error


def tuned(record, function, settings, setting: str, values, seeds, trials=(0,)):
    """Yield runs that choose a setting on validation, then those that test with it.

    The former have the seeds `trials`; where all of them failed there is no test.
    """
    for value in values:
        for seed in trials:
            one = {"split": "validation", "seed": seed, setting: value}
            yield function, settings | one
    best = record.best(setting, settings)
    for seed in seeds if best is not None else ():
        yield function, settings | {"split": "test", "seed": seed, setting: best}


def key(settings: dict) -> frozenset:
    """Return what identifies a row: the settings that it has, but for the precision."""
    others = {k: v for k, v in settings.items() if k not in MEASURED}
    return frozenset((k, v) for k, v in others.items() if not pd.isna(v))


def keys(rows: pd.DataFrame) -> list[frozenset]:
    """Return what identifies each row."""
    settings = rows.drop(columns=PREDICTED, errors="ignore").astype(object)
    return [key(row) for row in settings.to_dict("records")]


def _experiments(chapter: str) -> Callable:
    """Return the generator of a chapter's experiments; the first decides precision."""
    if chapter not in CHAPTERS:
        raise SweepError(
            f"Chapter {chapter} has no sweep; those that have: {', '.join(CHAPTERS)}."
        )
    module = import_module(f"helpers.experiments.{CHAPTERS[chapter]}")
    first = dict(zip(NAMES, ("precision", "this machine", FASTER), strict=True))
    return lambda record: chain([(_bf16, first)], module.experiments(record))


def _measure(function: Callable, settings: dict, record: Record) -> dict:
    """Run an experiment and return what was measured; keep what it predicted."""
    given = {k: v for k, v in settings.items() if k not in NAMES}
    found, metric = function(**given)[settings["split"]], settings["metric"]
    scored = isinstance(found, Answers)
    score = found.score(metric) if scored else found[metric]
    if not np.isfinite(score.value):
        raise FloatingPointError(f"the {metric} is {score.value}")
    if scored and (settings["split"], metric) == ("test", "accuracy"):
        lists = found.logits.argmax(1).tolist(), found.labels.tolist()
        row = settings | dict(zip(PREDICTED, lists, strict=True))
        rows = pd.concat([record.predictions(), pd.DataFrame([row])], ignore_index=True)
        last = {each: number for number, each in enumerate(keys(rows))}
        rows = rows.iloc[sorted(last.values())]
        paths.write(_beside(record.file), rows.to_parquet(index=False))
    return score._asdict() | {"seconds": found.seconds if scored else None}


def _beside(file: Path) -> Path:
    """Return the place of the predictions of a record."""
    return file.with_name(file.name.replace("_experiments.csv", "_predictions.parquet"))


def _bf16() -> dict:
    faster = metrics.Score(float(hardware.bf16_is_faster()), None, None, None)
    return {"this machine": {FASTER: faster}}


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Let a seed be 0, not 0.0, and a value 0.0, not 0."""
    floats = rows.astype(dict.fromkeys(FLOATS, float))
    others = rows.columns.difference(FLOATS)
    floats[others] = rows[others].convert_dtypes()
    return floats
