"""The rows of a CSV file, each with its line in the file, and what is wrong with some.

The module `csv` reads the fields; this one finds the header, counts lines, and tells a
row that is bad by itself from a file that cannot be read.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from helpers.data import files
from helpers.data.csv_dialects import SEPARATORS, Dialect, dialects
from helpers.data.splits import CorpusError, clean, normal

NUL = "\0"
BROKEN = re.compile(f"[{NUL}\udc80-\udcff]")  # a NUL, or a byte that is not UTF-8
MISQUOTED = 'a quote inside a quoted field, to be written twice ("")'
NO_RECORD = "no JSON object"
IF_NUL = files.SAVE.format("as UTF-8 in a text editor, since it may be UTF-16")
IF_NOT_UTF8 = files.SAVE.format(
    "convert it, for instance with `iconv -f WINDOWS-1252 -t UTF-8`"
)


class Row(NamedTuple):
    """A row that can be used, and the line it starts in; the file begins at line 1."""

    line: int
    text: str
    label: str


class BadRow(NamedTuple):
    """A row that cannot be used, why, and whether its bytes are to blame."""

    line: int
    reason: str
    not_utf8: bool = False


def read(path: str | Path, text: str, label: str) -> tuple[list[Row], list[BadRow]]:
    """Read two columns of a CSV file with a header, or two fields of JSON lines.

    The texts are cleaned. Raises CorpusError if the file cannot be read at all (see
    `text_csv.from_csv`).
    """
    lines, wanted = _lines(path), (_name(text), _name(label))
    with _fields_of_any_size():
        columns, separator, records = _table(path, lines, wanted)
        text_at, label_at = map(columns.index, wanted)
        rows, bad = [], []
        for line, fields in records:
            flaw = _flaw(line, fields, len(columns), separator)
            if not flaw:
                row = Row(line, clean(normal(fields[text_at])), fields[label_at])
                flaw = _gap(row)
            if flaw:
                bad.append(flaw)
            else:
                rows.append(row)
    if not rows and not bad:
        raise CorpusError(f"The file {path} has no rows below its header: add some.")
    return rows, bad


def listing(items: list[str], most: int, between: str = ", ") -> str:
    """Spell out the first items and count the others."""
    more = f"{between}and {len(items) - most} more" if len(items) > most else ""
    return between.join(items[:most]) + more


def quoted(name: str) -> str:
    """Return a name from a file in quotes, on one line and not too long."""
    return repr(name) if len(name) <= 50 else repr(name[:49] + "…")


@contextmanager
def _fields_of_any_size():
    before = csv.field_size_limit(2**31 - 1)  # the largest number Windows takes
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _name(column: str) -> str:
    return normal(column).strip()


def _lines(path) -> list[str]:
    """Return the lines of a file; bytes that are not UTF-8 become surrogates."""
    content = files.load(
        path,
        "a CSV file with a header line, a column of texts and a column of labels",
    )
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise CorpusError(
            f"The file {path} is UTF-16: convert it, for instance with "
            "`iconv -f UTF-16 -t UTF-8`, and try again."
        )
    decoded = content.decode("utf-8-sig", errors="surrogateescape")
    if not decoded.strip():
        raise CorpusError(
            f"The file {path} is empty: it needs a header line and a row per text."
        )
    lines = list(io.StringIO(decoded, newline=""))
    broken = [i for i, line in enumerate(lines) if BROKEN.search(line)]
    if broken and (broken[0] == 0 or len(broken) > len(lines) / 2):
        first = lines[broken[0]]
        raise CorpusError(
            f"The file {path} is no UTF-8 text (line {broken[0] + 1}: "
            f"{_broken(first)}): {IF_NUL if NUL in first else IF_NOT_UTF8}."
        )
    return lines


def _table(path, lines: list[str], wanted: tuple[str, str]):
    """Return the names of the columns, the separator and the records below.

    A record is its line and its fields, or the reason why it has none.
    """
    if records := files.json_records(lines):
        return _json(path, records, wanted)
    seen, error = [], None
    for dialect in dialects(lines):
        records = _records(path, lines, dialect)
        try:
            _, fields = next(records, (1, MISQUOTED))
        except CorpusError as unclosed:
            error = error or unclosed
            continue
        columns = [] if fields == MISQUOTED else [*map(_name, fields)]
        if set(wanted) <= set(columns):
            _check_once(path, columns, wanted)
            return columns, dialect.separator, records
        seen = max(seen, columns, key=lambda c: (len({*c} & {*wanted}), len(c)))
    raise error or CorpusError(_missing(path, seen, wanted, "its header"))


def _json(path, records, wanted: tuple[str, str]):
    """Return JSON records as those of a table with two columns."""
    names = [*records[0][1]]
    if not {*wanted} <= {*names}:
        raise CorpusError(_missing(path, names, wanted, "the record of line 1"))
    rows = (
        (line, [_text(record.get(name)) for name in wanted] if record else NO_RECORD)
        for line, record in records
    )
    return wanted, "", rows


def _text(value) -> str:
    return "" if value is None else str(value)


def _check_once(path, columns: list[str], wanted: tuple[str, str]) -> None:
    for name in wanted:
        if columns.count(name) > 1:
            raise CorpusError(
                f"The file {path} has more than one column {quoted(name)} in its "
                "header: rename all but one."
            )


def _missing(path, seen: list[str], wanted: tuple[str, str], where: str) -> str:
    """Say which of the wanted columns are missing and what there is instead."""
    arguments = dict(zip(("text", "label"), wanted, strict=True))
    lacking = {a: quoted(name) for a, name in arguments.items() if name not in seen}
    headless = "; if these are a text and its label, the header line may be missing"
    return (
        f"The file {path} has no column {' or '.join(lacking.values())} in {where}, "
        f"which holds {listing([*map(quoted, seen)], 10) or 'a misplaced quote'}: set "
        f"the argument {' and '.join(lacking)} to the name of the right column"
        f"{headless if len(lacking) == 2 else ''}."
    )


def _records(path, lines: list[str], dialect: Dialect) -> Iterator:
    """Yield the first line and the fields of each record that is not blank.

    Instead of the fields it yields MISQUOTED if a quote is misplaced within a line.
    Raises CorpusError for a quote that is not closed, since nobody knows where the
    quotation should have ended.
    """
    reader = csv.reader(
        lines,
        delimiter=dialect.separator,
        quotechar=dialect.quote,
        escapechar=dialect.escape,
        skipinitialspace=True,
        strict=True,
    )
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            fields = MISQUOTED
            record = "".join(lines[line - 1 : reader.line_num])
            _check_closed(path, line, record, dialect)
        if len(fields) > 1 or "".join(fields).strip():
            yield line, fields


def _check_closed(path, line: int, record: str, dialect: Dialect) -> None:
    """Raise CorpusError if the misquoted field of a record goes on in another line."""
    edge = re.escape(dialect.separator)
    field = rf"(?:{dialect.quoted}|(?! *{dialect.quote})[^{edge}\r\n]*+){edge}"
    at = 0
    while found := re.compile(field).match(record, at):
        at = found.end()
    closed = re.compile(dialect.quoted).match(record, at)
    if not closed or files.BREAK.search(closed[0]):
        line += len(files.BREAK.findall(record[:at]))
        raise CorpusError(
            f"The file {path} has a quote in line {line} that is not closed at the end "
            'of the field: close it, and write a quote inside a field twice ("").'
        )


def _flaw(line: int, fields: list[str] | str, width: int, separator) -> BadRow | None:
    """Return a record as a bad row if it has no fields to use."""
    if isinstance(fields, str):
        return BadRow(line, fields)
    whole = "".join(fields)
    if broken := BROKEN.search(whole):
        return BadRow(line, _broken(whole), not_utf8=broken[0] != NUL)
    if len(fields) != width:
        reason = f"number of fields {len(fields)} instead of {width}"
        return BadRow(line, reason + _cause(fields, width, separator))
    if any(re.match(r"[^\S \r\n]\s*[\"']", field) for field in fields):
        return BadRow(line, "white space other than a space before a quote")
    return None


def _cause(fields: list[str], width: int, separator: str) -> str:
    """Return what may have led to a wrong number of fields."""
    for other in SEPARATORS:
        if len(fields) == 1 and fields[0].count(other) == width - 1:
            return f", since {other!r} separates them, and not {separator!r}"
    numbers = any(a[-1:].isdigit() and b[:1].isdigit() for a, b in pairwise(fields))
    if separator == "," and numbers and len(fields) > width:
        return ", perhaps with a comma as a decimal sign"
    return ""


def _broken(text: str) -> str:
    """Name the first byte that is no text."""
    code = ord(BROKEN.search(text)[0])
    return f"byte 0x{code - 0xDC00:02x} is not UTF-8" if code else "a NUL byte"


def _gap(row: Row) -> BadRow | None:
    """Return a row as a bad one if it lacks something."""
    if not row.text:
        return BadRow(row.line, "no text")
    return None if normal(row.label).strip() else BadRow(row.line, "no label")
