"""Labelled texts of your own, from a CSV file, as `datasets.DatasetDict`.

As in `corpora`, a hash of the text decides in which order texts stand and on which side
of the split, but within each class, so that small classes too are in every split.
"""

import re
import unicodedata
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from helpers.data.csv_rows import IF_NOT_UTF8, BadRow, listing, quoted, read
from helpers.data.splits import (
    TEST,
    VALIDATION,
    CorpusError,
    CorpusWarning,
    identity,
    normal,
    place,
)

FEWEST = 3  # examples of a class: one for each split
MANY = 10  # classes: if most rows are in smaller ones than FEWEST, they are no classes
WHOLE = re.compile(r"([+−-]?)([0-9]+)(?:[.,]0{1,2})?")  # 1, +1, 1.0 and 1,00 are equal
LONG = 100_000  # characters
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

    Texts are the same that differ only in spelling (see `splits.identity`): of rows
    with the same text and label one is kept. Labels that differ only so, in the width
    of their letters or as 1 and 1.0 do are one class; 1 and 01 are two, since a zero in
    front may be part of a code. A CorpusWarning says so, and also when one class is
    more than 10 times as large as another or a text very long.

    Bad rows have too many or too few fields, a misplaced quote, no text, no label, NUL
    bytes, bytes that are not UTF-8, a text that also stands under another label, or a
    class with fewer than 3 different texts. If there are any, CorpusError counts them
    all; with `on_bad_rows="skip"` they are left out and a CorpusWarning says which.
    If bytes are not UTF-8, both say how to convert a file in another encoding.

    Raises CorpusError also when the file cannot be read, is empty or not UTF-8, lacks
    a column or rows, has a quote that is not closed, or fewer than two classes; and
    ValueError when `on_bad_rows` is neither "raise" nor "skip".
    """
    if on_bad_rows not in ("raise", "skip"):
        raise ValueError(f'on_bad_rows is "raise" or "skip", not {on_bad_rows!r}.')
    rows, bad = read(path, text, label)
    table = pd.DataFrame(rows, columns=["line", "text", "label"])
    names = _names(table["label"])
    table["label"] = table["label"].map(names)
    table["place"] = table["text"].map(place)
    clashing = _clashing(table)
    table, repeated = _deduplicated(_without(clashing, table))
    rare = _rare(table)
    cause = _no_classes(table) if 2 * len(rare) > len(table) else ""
    table = _without(rare, table)
    bad = sorted([*bad, *clashing, *rare])
    if cause and (on_bad_rows == "raise" or table["label"].nunique() < 2):
        raise CorpusError(f"The file {path} has {cause}.")
    if bad and on_bad_rows == "raise":
        raise CorpusError(
            f"The file {path} has {_listed(bad, 5)}: mend them, or leave them out with "
            f'on_bad_rows="skip"{_conversion(bad)}.'
        )
    _check_classes(path, table, bad)
    notes = [f"left out {_listed(bad, 10)}{_conversion(bad)}"] if bad else []
    notes += [*repeated, *_merged(names), *_uneven(table), *_long(table)]
    for note in notes:
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


def _names(labels: pd.Series) -> dict[str, str]:
    """Map each label to the most frequent spelling of those that mean the same."""
    spelt = {label: " ".join(normal(label).split()) for label in sorted(set(labels))}
    counts = Counter(spelt[label] for label in labels)
    best: dict[str, str] = {}
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        best.setdefault(_meaning(label), label)
    return {label: best[_meaning(plain)] for label, plain in spelt.items()}


def _meaning(label: str) -> str:
    """Return what the spellings of one label share."""
    narrow = [
        unicodedata.normalize("NFKC", letter)
        if unicodedata.decomposition(letter).startswith(("<wide>", "<narrow>"))
        else str(unicodedata.decimal(letter, letter))
        for letter in label
    ]
    meaning = identity("".join(narrow))
    if number := WHOLE.fullmatch(meaning):
        negative = number[1] in ("-", "−") and number[2].strip("0")
        return f"-{number[2]}" if negative else number[2]
    return meaning


def _clashing(table: pd.DataFrame) -> list[BadRow]:
    """Return the rows whose text stands under another label as well."""
    first = table.drop_duplicates(["place", "label"])
    first = first[first.duplicated("place", keep=False)].groupby("place").head(2)
    pairs: dict[float, list] = {}  # two rows with the same text and different labels
    for row in first.itertuples():
        pairs.setdefault(row.place, []).append(row)
    bad = []
    for row in table[table["place"].isin([*pairs])].itertuples():
        one, two = pairs[row.place]
        other = two if one.label == row.label else one
        reason = f"same text as line {other.line}, there labelled {quoted(other.label)}"
        bad.append(BadRow(row.line, reason))
    return bad


def _deduplicated(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Put rows in the order of the hash, keep one of each text and name the others."""
    table = table.sort_values(["place", "text", "line"])
    again = table.duplicated("place")
    lines = sorted(table.loc[again, "line"])
    note = f"left out {_number(lines, 'row')} repeating another's text ({_at(lines)})"
    return table[~again], [note] if lines else []


def _rare(table: pd.DataFrame) -> list[BadRow]:
    """Return the rows of classes that are too small to be split."""
    size = table.groupby("label")["line"].transform("size")
    rows = table.assign(size=size)[size < FEWEST]
    return [
        BadRow(
            row.line,
            f"class {quoted(row.label)} has {row.size} of at least {FEWEST} examples",
        )
        for row in rows.itertuples()
    ]


def _no_classes(table: pd.DataFrame) -> str:
    """Say what is wrong if most rows have a label that hardly any other has."""
    labels = table["label"].nunique()
    if labels < MANY:
        return ""
    how = ", all different" if labels == len(table) else f" for {len(table)} texts"
    return (
        f"{labels} labels{how} (is this a number, or another column?): name the column "
        "of the classes with the argument label, or make classes of the numbers, for "
        "instance with `pandas.cut`"
    )


def _without(bad: list[BadRow], table: pd.DataFrame) -> pd.DataFrame:
    return table[~table["line"].isin([row.line for row in bad])]


def _check_classes(path, table: pd.DataFrame, bad: list[BadRow]) -> None:
    names = table["label"].unique()
    if len(names) < 2:
        left = f"only the class {quoted(names[0])}" if len(names) else "no usable row"
        without = f" without its {_listed(bad, 5)}" if bad else ""
        raise CorpusError(
            f"The file {path} has {left}{without}: it needs two classes with "
            f"{FEWEST} different texts each, or more{_conversion(bad)}."
        )


def _merged(names: dict[str, str]) -> list[str]:
    """Say which labels became one class."""
    spellings: dict[str, list[str]] = {}
    for label, name in names.items():
        spellings.setdefault(name, []).append(quoted(label))
    merged = [
        f"{' and '.join(labels)} to {quoted(name)}"
        for name, labels in spellings.items()
        if len(labels) > 1
    ]
    return [f"labels merged: {listing(merged, 10)}"] if merged else []


def _uneven(table: pd.DataFrame) -> list[str]:
    """Say which class is much larger than another."""
    sizes = table["label"].value_counts().sort_index()
    large, small = sizes.idxmax(), sizes.idxmin()
    if sizes[large] <= UNEVEN * sizes[small]:
        return []
    return [
        f"class {quoted(large)} has {sizes[large]} examples and class {quoted(small)} "
        f"only {sizes[small]}, so judge a model by each class, not by accuracy alone"
    ]


def _long(table: pd.DataFrame) -> list[str]:
    """Say where texts are that no model reads to the end."""
    lines = sorted(table.loc[table["text"].str.len() > LONG, "line"])
    note = f"a model reads only the beginning of a text as long as in {_at(lines)}"
    return [note] if lines else []


def _split(table: pd.DataFrame) -> DatasetDict:
    """Split each class; rows are in the order of the hash, before and after."""
    rows = table.groupby("label")["line"]
    rank, size = rows.cumcount(), rows.transform("size")
    test = (TEST * size).round().clip(lower=1)
    held_out = test + (VALIDATION * size).round().clip(lower=1)
    names = sorted(table["label"].unique())
    numbers = table["label"].map({name: i for i, name in enumerate(names)})
    table = table[["text"]].assign(label=numbers)
    features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
    splits = {
        "train": table[rank >= held_out],
        "validation": table[(rank >= test) & (rank < held_out)],
        "test": table[rank < test],
    }
    return DatasetDict(
        {
            name: Dataset.from_pandas(rows, features=features, preserve_index=False)
            for name, rows in splits.items()
        }
    )


def _listed(bad: list[BadRow], most: int) -> str:
    reasons = [f"line {row.line}: {row.reason}" for row in bad]
    return f"{_number(bad, 'bad row')} ({listing(reasons, most, '; ')})"


def _conversion(bad: list[BadRow]) -> str:
    """Say what to do if rows are bad because the whole file is not UTF-8."""
    if not any(row.not_utf8 for row in bad):
        return ""
    return f"; when the whole file is in another encoding, {IF_NOT_UTF8}"


def _at(lines: list[int]) -> str:
    return f"line{'s' * (len(lines) > 1)} {listing([*map(str, lines)], 10)}"


def _number(items: list, what: str) -> str:
    return f"{len(items)} {what}{'s' * (len(items) > 1)}"
