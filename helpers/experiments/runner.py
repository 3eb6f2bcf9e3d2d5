"""Run the comparisons that a chapter cannot wait for: once, resumably, as tidy rows.

The module of a chapter has a generator `experiments(record)`. It yields pairs of a
function and all settings that decide its result; each becomes a row. The function
takes the settings but for `NAMES`, and returns what was measured by split: `Answers`,
or a `metrics.Score` by metric. The record tells which settings were best before.
"""

import io
import os
from collections.abc import Callable
from datetime import date
from importlib import import_module
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock, Timeout
from tqdm import tqdm

from helpers import course, hardware, metrics, paths
from helpers.experiments.answers import Answers
from helpers.models.checkpoints import first_line

# chapter -> the module with its experiments
CHAPTERS = {"03": "ch03_fine_tuning", "05": "ch05_mlm_pretraining"}
NAMES = ["experiment", "split", "metric"]  # each row has them, beside its settings
FLOATS = ["value", "low", "high", "seconds", "peak_mb"]
MEASURED = ["value", "n", "low", "high", "seconds", "peak_mb", "precision", "threads"]
MEASURED += ["torch", "transformers", "date", "error"]
PREDICTED = ["prediction", "label"]  # lists, in the file beside the record


class SweepError(RuntimeError):
    """A sweep cannot run; the message says why and what to do."""


class Record:
    """The rows of a file, which grows by one with each experiment."""

    def __init__(self, file: Path):
        self.file, self.rows = file, read(file)

    @property
    def precision(self) -> str | None:
        """That of matrix products, decided once for the record; None if unknown."""
        faster = self.rows.loc[self.rows["experiment"] == "precision", "value"]
        return ("float32", "bfloat16")[int(faster.iloc[0])] if len(faster) else None

    def holds(self, settings: dict) -> bool:
        """Say whether exactly these settings were measured."""
        return _key(settings) in _keys(self.rows[self.rows["error"].isna()])

    def best(self, setting: str, settings: dict):
        """Return the value of a setting that was most accurate on validation, or None.

        Compared are means over seeds of rows that have all other settings.
        """
        others = settings | {"split": "validation", "metric": "accuracy"}
        others = _key(others | {setting: None, "seed": None})
        rows = self.rows[[others <= found for found in _keys(self.rows)]]
        means = rows.dropna(subset="value").groupby(setting, sort=False)["value"].mean()
        return None if means.empty else np.array(means.idxmax()).item()

    def add(self, function: Callable, settings: dict) -> str | None:
        """Run an experiment and append its row; return the error, if there was one.

        The row is written whole or not at all, and is on the disk when this returns.
        """
        row = settings | _environment()
        try:
            row |= self._measured(function, settings)
        except Exception as error:  # the other experiments go on
            row["error"] = first_line(error)
        if not row.keys() <= set(self.rows):
            self.rows = self.rows.reindex(columns=_ordered([*self.rows, *row]))
            self.save()
        line = pd.DataFrame([row], columns=self.rows.columns)
        with self.file.open("ab") as file:
            file.write(_csv(line, header=False))
            file.flush()
            os.fsync(file.fileno())
        self.rows = read(self.file)
        return row.get("error")

    def save(self) -> None:
        """Write all rows anew."""
        paths.write(self.file, _csv(self.rows))

    def _measured(self, function: Callable, settings: dict) -> dict:
        """Run an experiment; keep what it predicted of test texts beside the record."""
        given = {name: settings[name] for name in settings.keys() - set(NAMES)}
        found, metric = function(**given)[settings["split"]], settings["metric"]
        score = found.score(metric) if isinstance(found, Answers) else found[metric]
        if not np.isfinite(score.value):
            raise FloatingPointError(f"the {metric} is {score.value}")
        if not isinstance(found, Answers):
            return score._asdict()
        if (settings["split"], metric) == ("test", "accuracy"):
            lists = (found.logits.argmax(1).tolist(), found.labels.tolist())
            row = settings | dict(zip(PREDICTED, lists, strict=True))
            rows = predictions(self.file)
            rows = rows[[key != _key(settings) for key in _keys(rows)]]
            rows = pd.concat([rows, pd.DataFrame([row])], ignore_index=True)
            paths.write(_beside(self.file), rows.to_parquet(index=False))
        return score._asdict() | {"seconds": found.seconds}


def run(chapter: str, folder: Path | None = None) -> Path:
    """Run what a chapter's record does not hold; return the record, a CSV file.

    Each row is stored when it is measured, so an interrupted sweep goes on. What fails
    is recorded as failed, and tried again by the next sweep. Raises SweepError for a
    chapter without a sweep, a damaged record, or one that another sweep is writing.
    """
    experiments = _experiments(chapter)
    file = (folder or paths.CACHED_EXPERIMENTS) / f"{chapter}_experiments.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    course.set_up_libraries()
    hardware.keep_freed_memory()
    lock = FileLock(f"{file}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise SweepError(
            f"Another sweep is writing {file}: wait until it has ended, or end it."
        ) from error
    with lock, tqdm(unit="experiment") as bar:
        record = Record(file)
        record.save()  # without a torn line
        for function, settings in experiments(record):
            name = ", ".join(f"{k} {v}" for k, v in settings.items() if v is not None)
            bar.set_postfix_str(name)
            error = None if record.holds(settings) else record.add(function, settings)
            if error:
                bar.write(f"Failed ({error}): {name}. The others go on.")
            bar.update()
    return file


def publish(chapter: str, file: Path) -> Path:
    """Store where the course keeps its results what is up to date of a record."""
    record, place = Record(file), paths.RESULTS / file.name
    current = {_key(settings) for _, settings in _experiments(chapter)(record)}
    rows, predicted = (
        table[[key in current for key in _keys(table)]]
        for table in (record.rows, predictions(file))
    )
    if len(predicted):
        paths.write(_beside(place), predicted.to_parquet(index=False))
    paths.write(place, _csv(rows))
    return place


def published(chapter: str) -> pd.DataFrame:
    """Return the rows that come with the course, one per measurement."""
    return read(paths.RESULTS / f"{chapter}_experiments.csv")


def read(file: Path) -> pd.DataFrame:
    """Return the rows of a record; none if there is no file.

    A last line that a kill has torn is left out, with a notice; of rows with the same
    settings the last stays. Raises SweepError for a damaged record.
    """
    content = file.read_bytes() if file.is_file() else b""
    whole, _, torn = content.rpartition(b"\n")
    if torn:
        tqdm.write(f"The last line of {file} is torn: it is measured again.")
    if not whole:
        return pd.DataFrame(columns=_ordered(NAMES))
    try:
        # no text, such as "none", stands for a missing value
        rows = pd.read_csv(io.BytesIO(whole), keep_default_na=False, na_values=[""])
        rows = rows.astype(dict.fromkeys(FLOATS, float))
        if not (rows["value"].isna() == rows["error"].notna()).all():
            raise ValueError("a row has neither a value nor an error")
    except (ValueError, KeyError) as error:
        raise SweepError(
            f"The record {file} is damaged ({first_line(error)}): put it back, or "
            "delete it to run every experiment again."
        ) from error
    others = rows.columns.difference(FLOATS)
    rows[others] = rows[others].convert_dtypes()  # a seed is 0, not 0.0
    last = {key: number for number, key in enumerate(_keys(rows))}
    return rows.iloc[sorted(last.values())].reset_index(drop=True)


def predictions(file: Path) -> pd.DataFrame:
    """Return what the rows of a record predicted of test texts, with their labels."""
    place = _beside(file)
    return pd.read_parquet(place) if place.is_file() else pd.DataFrame()


def tuned(record, function, settings, setting: str, values, seeds):
    """Yield runs that choose a setting on validation, then those that test with it.

    Where all of the former failed nothing can be chosen, so there is no test.
    """
    for value in values:
        yield function, settings | {"split": "validation", "seed": 0, setting: value}
    best = record.best(setting, settings)
    for seed in seeds if best is not None else ():
        yield function, settings | {"split": "test", "seed": seed, setting: best}


def _experiments(chapter: str) -> Callable:
    """Return the generator of a chapter's experiments; the first decides precision."""
    if chapter not in CHAPTERS:
        raise SweepError(
            f"Chapter {chapter} has no sweep; those that have: {', '.join(CHAPTERS)}."
        )
    module = import_module(f"helpers.experiments.{CHAPTERS[chapter]}")
    first = ("precision", "this machine", "bfloat16 is much faster")
    first = (_bf16_is_faster, dict(zip(NAMES, first, strict=True)))
    return lambda record: chain([first], module.experiments(record))


def _bf16_is_faster() -> dict:
    faster = metrics.Score(float(hardware.bf16_is_faster()), None, None, None)
    return {"this machine": {"bfloat16 is much faster": faster}}


def _key(settings: dict) -> frozenset:
    """Return what identifies a row: the settings that it has, but for the precision."""
    others = {k: v for k, v in settings.items() if k not in MEASURED}
    return frozenset((k, v) for k, v in others.items() if not pd.isna(v))


def _keys(rows: pd.DataFrame) -> list[frozenset]:
    settings = rows.drop(columns=PREDICTED, errors="ignore").astype(object)
    return [_key(row) for row in settings.to_dict("records")]


def _environment() -> dict:
    versions = {name: version(name) for name in ("torch", "transformers")}
    threads = torch.get_num_threads()
    return versions | {"threads": threads, "date": date.today().isoformat()}


def _ordered(columns) -> list[str]:
    """Return columns once each: the experiment, its settings, what was measured."""
    first, *last = [*NAMES, *MEASURED]
    settings = (name for name in columns if name not in [first, *last])
    return [first, *dict.fromkeys(settings), *last]


def _csv(rows: pd.DataFrame, **options) -> bytes:
    return rows.to_csv(index=False, lineterminator="\n", **options).encode()


def _beside(file: Path) -> Path:
    """Return the place of the predictions of a record."""
    return file.with_name(file.name.replace("_experiments.csv", "_predictions.parquet"))
