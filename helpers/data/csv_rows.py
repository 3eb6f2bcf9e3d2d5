"""The rows of a CSV file, each with its line in the file, and what is wrong with some.

The module `csv` reads the fields; this one finds the header and counts lines.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from helpers.data import files
from helpers.data.splits import CorpusError, clean, normal

WANTED = "a CSV file with a header line, a column of texts and a column of labels"
SEPARATORS = ",;\t|"
SEPARATOR_LINE = re.compile(r'"?sep=([^"\'])"?\s*', re.IGNORECASE)  # of Excel
MISQUOTED = 'a quote not closed, or inside a quoted field and not written twice ("")'


def read(path: str | Path, text: str, label: str) -> tuple[pd.DataFrame, dict]:
    """Read two columns of a CSV file with a header, or two fields of JSON lines.

    Returns a table of `text`, cleaned, and `label`, whose index is the line in which a
    row starts (from 1), and by line why other rows cannot be used. Raises CorpusError
    if the file cannot be read at all (see `text_csv.from_csv`).
    """
    lines = files.lines(path, WANTED)
    wanted = [_name(text), _name(label)]
    found = files.json_records(lines)
    records = _json(found) if found else _csv(path, lines, wanted)
    _, header = next(records, (1, []))
    if isinstance(header, str):
        raise CorpusError(f"The file {path} has a header with {header}.")
    header = [*map(_name, header)]
    if [*map(header.count, wanted)] != [1, 1]:
        raise CorpusError(
            f"The file {path} needs one column {quoted(text)} and one {quoted(label)}, "
            f"but its header holds {listing([*map(quoted, header)], 10)}: set the "
            "arguments text and label to the names of the right columns, or add the "
            "header line if it is missing."
        )
    text_at, label_at = map(header.index, wanted)
    rows, bad = [], {}
    for line, fields in records:
        if isinstance(fields, str):
            bad[line] = fields
            continue
        text, label = clean(normal(fields[text_at])), fields[label_at]
        if not text:
            bad[line] = "no text"
        elif not _name(label):
            bad[line] = "no label"
        elif re.fullmatch("'.*'", _name(label)):
            bad[line] = "single quotes around the label, where CSV has double ones"
        else:
            rows.append((line, text, label))
    if not rows and not bad:
        raise CorpusError(f"The file {path} has no rows below its header: add some.")
    return pd.DataFrame(rows, columns=["line", "text", "label"]).set_index("line"), bad


def listing(items: list[str], most: int, between: str = ", ") -> str:
    """Spell out the first items and count the others."""
    more = f"{between}and {len(items) - most} more" if len(items) > most else ""
    return between.join(items[:most]) + more


def quoted(name: str) -> str:
    """Return a name from a file in quotes, on one line and not too long."""
    return repr(name) if len(name) <= 50 else repr(name[:49] + "…")


def _name(column: str) -> str:
    return normal(column).strip()


def _json(found: list[tuple[int, dict | None]]) -> Iterator:
    """Yield the names in the first record, then what is in each (see `_csv`)."""
    names = [*found[0][1]]
    yield 0, names
    for line, record in found:
        values = [(record or {}).get(name) for name in names]
        texts = ["" if value is None else str(value) for value in values]
        yield line, "no JSON object" if record is None else texts


def _csv(path, lines: list[str], wanted: list[str]) -> Iterator:
    """Yield line and fields of each record that is not blank, the header first.

    In place of the fields it may yield why they cannot be used. Raises CorpusError if a
    quote spoils several lines, since nobody knows where it should have been closed.
    """
    separator = _separator(lines, wanted)
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    width = 0
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if reader.line_num > line:
                raise CorpusError(
                    f"The file {path} has a quote that is not closed in the row from "
                    f"line {line} to {reader.line_num} ({error}): close it at the end "
                    'of its field, and write a quote inside a field twice ("").'
                ) from error
            yield line, str(error) if "limit" in str(error) else MISQUOTED
            continue
        width = width or len(fields)
        if len(fields) > 1 or "".join(fields).strip():
            wrong = f"number of fields {len(fields)} instead of {width}"
            yield line, fields if len(fields) == width else wrong


def _separator(lines: list[str], wanted: list[str]) -> str:
    """Return what separates fields: as a line for Excel says, or as the names show."""
    separators = SEPARATORS
    if found := SEPARATOR_LINE.fullmatch(lines[0]):
        separators, lines[0] = found[1], "\n"
    first = next(filter(str.strip, lines), "").replace('"', "")

    def names_found(separator: str) -> tuple[int, int]:
        names = {_name(part) for part in first.split(separator)}
        return len(names.intersection(wanted)), len(names)

    return max(separators, key=names_found)
