"""Labelled texts of your own, from a CSV file, as `datasets.DatasetDict`.

A hash of the text orders and splits them, as in `corpora`, but within each class.
"""

import re
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import ClassLabel, DatasetDict, Features, Value

from helpers.data import files, splits
from helpers.data.files import listing, quoted
from helpers.data.splits import CorpusError, CorpusWarning

FEWEST = 3  # examples of a class: one for each split
WHOLE = re.compile(r"^\+?(-?[0-9]+)(?:[.,]00?)?$")  # 1, +1, 1.0 and 1,00 are equal
MANY = 10  # labels of too few texts: perhaps they are no classes
UNEVEN = 10  # times as many examples in the largest class as in the smallest


def from_csv(
    path: str | Path, text="text", label="label", *, on_bad_rows="raise"
) -> DatasetDict:
    """Texts and labels of your own: a UTF-8 CSV file with a header line.

    `text` and `label` name its two columns that count; comma, semicolon, tab or |
    separates them. JSON lines with two such fields serve as well, and both may be
    packed with gzip. The result has train, validation and test (75, 12.5 and 12.5 % of
    each class) with the columns `text`, cleaned, and `label`, a ClassLabel with the
    names in the file, sorted. It does not depend on the order of rows.

    Of rows with the same text (see `splits.identity`) and label one is kept. Labels
    that differ only in case, spaces or width, or as 1 and 1.0 do, are one class. A
    CorpusWarning says so, and when one class is over 10 times as large as another.

    Bad rows have a wrong number of fields, a misplaced quote, bytes that are not UTF-8,
    no text, no label, a text that also stands under another label, or a class with
    fewer than 3 different texts.
    If there are any, CorpusError counts them all; with `on_bad_rows="skip"` they are
    left out and a CorpusWarning says which.

    Raises CorpusError also when the file cannot be read as UTF-8 text, lacks a column
    or has a quote that is not closed, only one class or mostly too small ones.
    """
    if on_bad_rows not in ("raise", "skip"):
        raise ValueError(f'on_bad_rows is "raise" or "skip", not {on_bad_rows!r}.')
    table, bad = files.read_table(path, text, label)
    spelt, names = table["label"], _names(table["label"])
    table = table.assign(label=names, place=table["text"].map(splits.place))
    clashing = _clashing(table)
    table = table.drop([*clashing]).sort_values(["place", "text", "line"])
    again = table.duplicated("place")
    repeated, table = sorted(table.index[again]), table[~again]
    bad, rare = bad | clashing, _rare(table)
    without = f", without its {_listed(bad, 5)}," if bad else ""
    bad |= rare
    convert = ""
    if any(reason.endswith(files.NO_TEXT) for reason in bad.values()):
        convert = "; if the whole file is in another encoding, "
        convert += files.CONVERT.format("WINDOWS-1252")
    kept, mostly_rare = table.drop([*rare]), 2 * len(rare) > len(table)
    labels = table["label"].nunique()
    cause = " (is this a number, or another column?)" if labels >= MANY else ""
    if bad and on_bad_rows == "raise" and not mostly_rare:
        raise CorpusError(
            f"The file {path} has {_listed(bad, 5)}: mend them, or leave them out with "
            f'on_bad_rows="skip"{convert}.'
        )
    if mostly_rare and on_bad_rows == "raise" or kept["label"].nunique() < 2:
        raise CorpusError(
            f"The file {path} has{without} {len(table)} texts with "
            f"{labels} labels{cause}, but needs two classes or more of {FEWEST} "
            "different texts each: add texts, name the column of the classes with the "
            "argument label, or make classes of numbers, for instance with "
            f"`pandas.cut`{convert}."
        )
    sizes = kept["label"].value_counts().sort_index()
    large, small = sizes.idxmax(), sizes.idxmin()
    merged = [
        f"{' and '.join(map(quoted, sorted(same)))} to {quoted(name)}"
        for name, same in spelt.groupby(names).unique().items()
        if len(same) > 1
    ]
    notes = {
        f"left out {_listed(bad, 10)}{convert}": bad,
        f"left out rows that repeat a text: {len(repeated)} (line "
        f"{listing([*map(str, repeated)], 10)})": repeated,
        f"labels merged: {listing(merged, 10)}": merged,
        f"class {quoted(large)} has {sizes[large]} examples and class {quoted(small)} "
        f"only {sizes[small]}, so judge a model by each class, not by accuracy alone": (
            sizes[large] > UNEVEN * sizes[small]
        ),
        "most texts keep single quotes around them, where CSV has double ones": (
            kept["text"].str.fullmatch("'.*'").mean() > 1 / 2
        ),
    }
    for note, told in notes.items():
        if told:
            warnings.warn(f"The file {path}: {note}.", CorpusWarning, stacklevel=2)
    return _split(kept)


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
    return WHOLE.sub(r"\1", meaning)


def _clashing(table: pd.DataFrame) -> dict[int, str]:
    """Return by line where the text of a row stands under another label."""
    bad = {}
    labels = table.groupby("place")["label"].transform("nunique")
    for _, same in table[labels > 1].groupby("place")["label"]:
        first = same.drop_duplicates()
        for line, label in same.items():
            other = first[first != label]
            where = f"line {other.index[0]}, there labelled {quoted(other.iloc[0])}"
            bad[line] = f"same text as {where}"
    return bad


def _rare(table: pd.DataFrame) -> dict[int, str]:
    """Return by line which rows are in a class that is too small to be split."""
    sizes = table.groupby("label")["label"].transform("size")
    return {
        line: f"class {quoted(label)} has {sizes[line]} of at least {FEWEST} examples"
        for line, label in table["label"][sizes < FEWEST].items()
    }


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
