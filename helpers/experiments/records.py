"""The tidy rows of long comparisons, in a file that grows by one with each experiment.

Beside a record lies what its rows predicted of test texts or images, so that two can be
compared in pairs.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from helpers import paths
from helpers.models.checkpoints import first_line

NAMES = ["experiment", "split", "metric"]  # each row has them, beside its settings
FLOATS = ["value", "low", "high", "seconds", "peak_mb"]
MEASURED = ["value", "n", "low", "high", "seconds", "peak_mb", "precision", "threads"]
MEASURED += ["torch", "transformers", "date", "error"]
# lists [texts or images], in the file beside the record
PREDICTED = ["prediction", "label", "score", "subject"]


class SweepError(RuntimeError):
    """A sweep cannot run; the message says why and what to do."""


class Record:
    """The rows of a file, which grows by one with each experiment."""

    def __init__(self, file: Path):
        self.file, self.rows = file, read(file)
        self.finish = lambda: None  # waits for what is measured by other processes

    @property
    def precision(self) -> str | None:
        """That of matrix products, decided once for the record; None if unknown."""
        faster = self.rows.loc[self.rows["experiment"] == "precision", "value"]
        return ("float32", "bfloat16")[int(faster.iloc[0])] if len(faster) else None

    def best(self, setting: str, settings: dict):
        """Return the value that is best on validation, over seeds, or None.

        The best has the highest mean of the settings' metric, or else of accuracy.
        """
        self.finish()
        others = {"metric": "accuracy"} | settings | {"split": "validation"}
        others = key(others | {"seed": None, setting: None})
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

    def keep(self, settings: dict, predicted: dict) -> None:
        """Store what an experiment predicted of a test, if it did."""
        if predicted:
            row = pd.DataFrame([settings | predicted])
            rows = pd.concat([self.predictions(), row], ignore_index=True)
            last = {each: number for number, each in enumerate(keys(rows))}
            rows = rows.iloc[sorted(last.values())]
            paths.write(beside(self.file), rows.to_parquet(index=False))

    def predictions(self) -> pd.DataFrame:
        """Return settings and `PREDICTED` lists of the rows about a test."""
        file = beside(self.file)
        return pd.read_parquet(file) if file.is_file() else pd.DataFrame()


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


def key(settings: dict) -> frozenset:
    """Return what identifies a row: the settings that it has, but for the precision."""
    others = {k: v for k, v in settings.items() if k not in MEASURED}
    return frozenset((k, v) for k, v in others.items() if not pd.isna(v))


def keys(rows: pd.DataFrame) -> list[frozenset]:
    """Return what identifies each row."""
    settings = rows.drop(columns=PREDICTED, errors="ignore").astype(object)
    return [key(row) for row in settings.to_dict("records")]


def beside(file: Path) -> Path:
    """Return the place of the predictions of a record."""
    return file.with_name(file.name.replace("_experiments.csv", "_predictions.parquet"))


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Let a seed be 0, not 0.0, and a value 0.0, not 0."""
    floats = rows.astype(dict.fromkeys(FLOATS, float))
    others = rows.columns.difference(FLOATS)
    floats[others] = rows[others].convert_dtypes()
    return floats
