"""Read a file of a user's own, lines or CSV, or say what it is and what to do with it.

The module `csv` reads the fields; this one finds the header and counts lines.
"""

import csv
import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from helpers.data.splits import CorpusError, clean, normal

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # longer than the drive in C:/
BROKEN = re.compile("[\0\udc80-\udcff]")  # a NUL, or a byte that is not UTF-8
CONTAINERS = {  # the first bytes of a file -> what it is
    b"PK\x03\x04": "a workbook (.xlsx) or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Office file (.xls)",
    b"PAR1": "a Parquet file",
    b"ARROW1": "a Feather file",
    b"SQLite format 3": "an SQLite database",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"(\xb5/\xfd": "packed with Zstandard",
    b"7z\xbc\xaf": "a 7z archive",
    b"{\\rtf": "a rich text file (.rtf)",
    b"%PDF-": "a PDF",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
}
CSV = "a CSV file with a header line, a column of texts and a column of labels"
SEPARATORS = ",;\t|"
SEPARATOR_LINE = re.compile(r'"?sep=([^"\' ])"?\s*', re.IGNORECASE)  # of Excel
CONVERT = "convert it, for instance with `iconv -f {} -t UTF-8`"
NO_TEXT = "is no UTF-8 text"
MISQUOTED = 'a quote not closed, or inside a quoted field and not written twice ("")'


def read_lines(path: str | Path, wanted: str, most: float = 0) -> list[str]:
    """Return the lines of a UTF-8 file, perhaps packed with gzip; `~` is the home.

    Only the line ends of files end a line, and they stay. Raises CorpusError when the
    file cannot be read, is empty or not UTF-8: the first line, or more than the
    fraction `most` of all; bad bytes in others become lone surrogates.
    """
    if ADDRESS.match(str(path)):
        raise CorpusError(f"The file {path} is an address: download it first.")
    try:
        content = Path(os.path.expanduser(path)).read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise CorpusError(
            f"The file {path} cannot be read ({reason}): name {wanted}."
        ) from error
    for start, what in CONTAINERS.items():
        if content[:100].lstrip().lower().startswith(start.lower()):
            raise CorpusError(
                f"The file {path} is {what}, not {wanted}: export its content as "
                "`CSV UTF-8` or plain text, or unpack it, and try again."
            )
    text = content.decode("utf-8-sig", errors="surrogateescape")
    if not text.strip():
        raise CorpusError(f"The file {path} is empty: name {wanted}.")
    found = [*io.StringIO(text, newline="")]
    broken = [number for number, line in enumerate(found) if BROKEN.search(line)]
    if broken and (broken[0] == 0 or len(broken) > most * len(found)):
        encoding = "UTF-16" if b"\0" in content else "WINDOWS-1252"
        raise CorpusError(
            f"The file {path} is no UTF-8 text (line {broken[0] + 1}, "
            f"{_first_bad_byte(found[broken[0]])}): save it as `CSV UTF-8` if it is "
            f"from a spreadsheet, or {CONVERT.format(encoding)}, and try again."
        )
    return found


def json_records(lines: list[str]) -> list[tuple[int, dict | None]]:
    """Return the records of JSON lines, each with its line; other files have none.

    A line that is no JSON object gives None in place of a record, unless it is first.
    """
    records = [(n, _record(line)) for n, line in enumerate(lines, 1) if line.strip()]
    return records if records and records[0][1] is not None else []


def read_table(path: str | Path, text: str, label: str) -> tuple[pd.DataFrame, dict]:
    """Read two columns of a CSV file with a header, or two fields of JSON lines.

    Returns a table of `text`, cleaned, and `label`, whose index is the line in which a
    row starts (from 1), and by line why other rows cannot be used. Raises CorpusError
    if the file cannot be read at all (see `text_csv.from_csv`).
    """
    lines = read_lines(path, CSV, most=0.5)
    wanted = [_name(text), _name(label)]
    found = json_records(lines)
    records = _json(found) if found else _csv(path, lines, wanted)
    records = iter(_of_any_size(records))
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
        if byte := _first_bad_byte("".join(fields)):
            bad[line] = f"{byte} {NO_TEXT}"
            continue
        if any(re.match(r"[^\S \r\n]\s*[\"']", field) for field in fields):
            bad[line] = "white space other than a space before a quote"
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
    return pd.DataFrame(rows, columns=["line", "text", "label"]).set_index("line"), bad


def listing(items: list[str], most: int, between: str = ", ") -> str:
    """Spell out the first items and count the others."""
    more = f"{between}and {len(items) - most} more" if len(items) > most else ""
    return between.join(items[:most]) + more


def quoted(name: str) -> str:
    """Return a name from a file in quotes, on one line and not too long."""
    return repr(name if len(name) <= 50 else name[:49] + "…")


def _first_bad_byte(text: str) -> str:
    """Name the first NUL or byte that is not UTF-8, or nothing."""
    found = BROKEN.search(text)
    return f"byte 0x{ord(found[0]) % 256:02x}" if found else ""


def _record(line: str) -> dict | None:
    try:
        record = json.loads(line)
        json.dumps(record, ensure_ascii=False).encode()  # no half of a character
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


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
            yield line, MISQUOTED
            continue
        if len(fields) > 1 or "".join(fields).strip():
            width = width or len(fields)
            wrong = f"number of fields {len(fields)} instead of {width}"
            yield line, fields if len(fields) == width else wrong


def _of_any_size(records: Iterator) -> list:
    """Return all records: while they are read, fields may be longer than `csv` lets."""
    before = csv.field_size_limit(2**31 - 1)  # the largest number Windows takes
    try:
        return [*records]
    finally:
        csv.field_size_limit(before)


def _separator(lines: list[str], wanted: list[str]) -> str:
    """Return what separates fields: as a line for Excel says, or as the names show."""
    separators = SEPARATORS
    if found := SEPARATOR_LINE.fullmatch(lines[0]):
        separators, lines[0] = found[1], "\n"
    first = next(filter(str.strip, lines), "").replace('"', "")
    names = {mark: {*map(_name, first.split(mark))} for mark in separators}
    return max(names, key=lambda m: (len(names[m].intersection(wanted)), len(names[m])))
