"""Labelled texts of your own, from a CSV file, as `datasets.DatasetDict`.

As in `corpora`, a hash of the text decides in which order texts stand and on which side
of the split, but within each class, so that small classes too are in every split.
"""

import re
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import ClassLabel, DatasetDict, Features, Value

from helpers.data import csv_rows, splits
from helpers.data.csv_rows import listing, quoted
from helpers.data.splits import CorpusError, CorpusWarning

FEWEST = 3  # examples of a class: one for each split
WHOLE = re.compile(r"\+?(-?[0-9]+)(?:[.,]00?)?")  # 1, +1, 1.0 and 1,00 are equal
UNEVEN = 10  # times as many examples in the largest class as in the smallest


def from_csv(
    path: str | Path,
    text: str = "text",
    label: str = "label",
    *,
    on_bad_rows: str = "raise",
) -> DatasetDict:
    """Texts and labels of your own: a UTF-8 CSV file with a header line.

    `text` and `label` are the names of its two columns that count; comma, semicolon,
    tab or | separates them. The result has train, validation and test (75, 12.5 and
    12.5 % of each class) with the columns `text`, cleaned, and `label`, a ClassLabel
    with the names in the file, sorted as text. It does not depend on the order of rows.
    JSON lines with two such fields serve as well, and both may be packed with gzip.

    Of rows with the same text (see `splits.identity`) and label one is kept. Labels
    that differ only in case, spaces or width, or as 1 and 1.0 do, are one class; 1 and
    01 are two. A CorpusWarning says so, and also when one class is more than 10 times
    as large as another.

    Bad rows have a wrong number of fields, a misplaced quote, no text, no label, a text
    that also stands under another label, or a class with fewer than 3 different texts.
    If there are any, CorpusError counts them all; with `on_bad_rows="skip"` they are
    left out and a CorpusWarning says which.

    Raises CorpusError also when the file cannot be read, is empty or not UTF-8, lacks
    a column or rows, has a quote that is not closed, fewer than two classes or hardly
    fewer classes than texts; and ValueError for another `on_bad_rows`.
    """
    if on_bad_rows not in ("raise", "skip"):
        raise ValueError(f'on_bad_rows is "raise" or "skip", not {on_bad_rows!r}.')
    table, bad = csv_rows.read(path, text, label)
    spelt, names = table["label"], _names(table["label"])
    table = table.assign(label=names, place=table["text"].map(splits.place))
    clashing = _clashing(table)
    table = table.drop([*clashing]).sort_values(["place", "text", "line"])
    again = table.duplicated("place")
    repeated, table = sorted(table.index[again]), table[~again]
    rare = _rare(path, table)
    table = table.drop([*rare])
    bad |= clashing | rare
    if bad and on_bad_rows == "raise":
        raise CorpusError(
            f"The file {path} has {_listed(bad, 5)}: mend them, or leave them out with "
            'on_bad_rows="skip".'
        )
    sizes = table["label"].value_counts().sort_index()
    if len(sizes) < 2:
        only = quoted(sizes.index[0]) if len(sizes) else "none"
        without = f" without its {_listed(bad, 5)}" if bad else ""
        raise CorpusError(
            f"The file {path} needs two classes with {FEWEST} different texts each, "
            f"but has {only}{without}."
        )
    large, small = sizes.idxmax(), sizes.idxmin()
    merged = [
        f"{' and '.join(map(quoted, sorted(same)))} to {quoted(name)}"
        for name, same in spelt.groupby(names).unique().items()
        if len(same) > 1
    ]
    notes = {
        f"left out {_listed(bad, 10)}": bad,
        f"left out rows that repeat a text: {len(repeated)} (line "
        f"{listing([*map(str, repeated)], 10)})": repeated,
        f"labels merged: {listing(merged, 10)}": merged,
        f"class {quoted(large)} has {sizes[large]} examples and class {quoted(small)} "
        f"only {sizes[small]}, so judge a model by each class, not by accuracy alone": (
            sizes[large] > UNEVEN * sizes[small]
        ),
    }
    for note, told in notes.items():
        if told:
            warnings.warn(f"The file {path}: {note}.", CorpusWarning, stacklevel=2)
    return _split(table)


def class_counts(data: DatasetDict) -> pd.DataFrame:
    """Count the examples of each class (rows) in each split (columns)."""
    names = next(iter(data.values())).features["label"].names
    counts = {
        split: np.bincount(np.array(rows["label"][:], dtype=int), minlength=len(names))
        for split, rows in data.items()
    }
    return pd.DataFrame(counts, index=names)


def _names(labels: pd.Series) -> pd.Series:
    """Replace each label by the most frequent spelling of those that mean the same."""
    spelt = labels.map(lambda label: " ".join(splits.normal(label).split()))
    return spelt.groupby(spelt.map(_meaning)).transform(lambda same: same.mode()[0])


def _meaning(label: str) -> str:
    """Return what the spellings of one label share."""
    meaning = splits.identity(unicodedata.normalize("NFKC", label)).replace("−", "-")
    number = WHOLE.fullmatch(meaning)
    return number[1] if number else meaning


def _clashing(table: pd.DataFrame) -> dict[int, str]:
    """Return by line where the text of a row stands under another label."""
    bad = {}
    labels = table.groupby("place")["label"].transform("nunique")
    for _, same in table[labels > 1].groupby("place")["label"]:
        first = same.drop_duplicates()
        for line, label in same.items():
            other = first[first != label]
            there = f"line {other.index[0]}, there labelled {quoted(other.iloc[0])}"
            bad[line] = f"same text as {there}"
    return bad


def _rare(path, table: pd.DataFrame) -> dict[int, str]:
    """Return by line which rows are in a class that is too small to be split.

    Raises CorpusError if most are, as when the labels are numbers.
    """
    sizes = table["label"].value_counts().to_dict()
    rare = {
        line: f"class {quoted(label)} has {sizes[label]} of at least {FEWEST} examples"
        for line, label in table["label"].items()
        if sizes[label] < FEWEST
    }
    if 2 * len(rare) > len(table):
        raise CorpusError(
            f"The file {path} has {len(sizes)} labels for {len(table)} texts, but "
            f"needs {FEWEST} different texts for each: name the column of the classes "
            "with the argument label, make classes of numbers, for instance with "
            "`pandas.cut`, or add texts."
        )
    return rare


def _split(table: pd.DataFrame) -> DatasetDict:
    """Split each class; rows are in the order of the hash, before and after."""
    rows = table.groupby("label")["text"]
    rank, size = rows.cumcount(), rows.transform("size")
    test = (splits.TEST * size).round().clip(lower=1)
    held_out = test + (splits.VALIDATION * size).round().clip(lower=1)
    names = sorted(table["label"].unique())
    table = table.assign(label=table["label"].map(names.index))
    features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
    validation = (rank >= test) & (rank < held_out)
    return splits.divided(table, features, rank < test, validation)


def _listed(bad: dict[int, str], most: int) -> str:
    reasons = [f"line {line}: {reason}" for line, reason in sorted(bad.items())]
    number = f"{len(bad)} bad row{'s' * (len(bad) > 1)}"
    return f"{number} ({listing(reasons, most, '; ')})"
