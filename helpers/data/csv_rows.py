"""The rows of a CSV file, each with its line in the file, and what is wrong with some.

The module `csv` reads the fields; this one finds the separator, counts lines, and tells
a row that is bad by itself from a file that cannot be read.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from helpers.data.splits import CorpusError, clean

SEPARATORS = ",;\t"
NUL = "\0"
BROKEN = re.compile(f"[{NUL}\udc80-\udcff]")  # a NUL, or a byte that is not UTF-8
BREAK = re.compile(r"\r\n?|\n")
QUOTED = re.compile(r'"(?:[^"]++|"")*+"')
SAVE = "save it as `CSV UTF-8` if it is from a spreadsheet, or {}, and try again"
IF_NUL = SAVE.format("as UTF-8 in a text editor, since it may be UTF-16")
IF_NOT_UTF8 = SAVE.format(
    "convert it, for instance with `iconv -f WINDOWS-1252 -t UTF-8`"
)


class Row(NamedTuple):
    """A row that can be used, and the line it starts in; the header is line 1."""

    line: int
    text: str
    label: str


class BadRow(NamedTuple):
    """A row that cannot be used, why, and whether its bytes are to blame."""

    line: int
    reason: str
    not_utf8: bool = False


def read(path: str | Path, text: str, label: str) -> tuple[list[Row], list[BadRow]]:
    """Read two columns of a CSV file with a header; the texts are cleaned.

    Raises CorpusError if the file cannot be read at all (see `csv_texts.from_csv`).
    """
    with _fields_of_any_size():
        columns, records = _header(path, _lines(path), (text, label))
        text_at, label_at = columns.index(text), columns.index(label)
        rows, bad = [], []
        for line, fields in records:
            flaw = _flaw(line, fields, len(columns))
            if not flaw:
                row = Row(line, clean(fields[text_at]), fields[label_at])
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


def _lines(path) -> list[str]:
    """Return the lines of a file; bytes that are not UTF-8 become surrogates."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CorpusError(
            f"The file {path} cannot be read ({error.strerror}): name a CSV file with "
            "a header line, a column of texts and a column of labels."
        ) from error
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


def _header(path, lines: list[str], wanted: tuple[str, str]):
    """Find the separator; return the names of the columns and the records below."""
    seen, error = [], None
    for separator in SEPARATORS:
        records = _records(path, lines, separator)
        try:
            _, fields = next(records, (1, None))
        except CorpusError as unclosed:
            error = error or unclosed
            continue
        columns = [name.strip() for name in fields or ()]
        if set(wanted) <= set(columns):
            _check_once(path, columns, wanted)
            return columns, records
        seen = max(seen, columns, key=lambda c: (len({*c} & {*wanted}), len(c)))
    raise error or CorpusError(_missing(path, seen, wanted))


def _check_once(path, columns: list[str], wanted: tuple[str, str]) -> None:
    for name in wanted:
        if columns.count(name) > 1:
            raise CorpusError(
                f"The file {path} has more than one column {quoted(name)} in line 1: "
                "rename all but one."
            )


def _missing(path, seen: list[str], wanted: tuple[str, str]) -> str:
    """Say which of the wanted columns are missing and what there is instead."""
    arguments = dict(zip(("text", "label"), wanted, strict=True))
    lacking = {a: quoted(name) for a, name in arguments.items() if name not in seen}
    return (
        f"The file {path} has no column {' or '.join(lacking.values())} in its header, "
        f"which holds {listing([*map(quoted, seen)], 10) or 'a misplaced quote'}: set "
        f"the argument {' and '.join(lacking)} to the name of the right column."
    )


def _records(path, lines: list[str], separator: str) -> Iterator:
    """Yield the first line and the fields of each record that is not blank.

    The fields are None if a quote is misplaced within a line. Raises CorpusError for a
    quote that is not closed, since nobody knows where the quotation should have ended.
    """
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            fields = None
            record = "".join(lines[line - 1 : reader.line_num])
            _check_closed(path, line, record, separator)
        if fields is None or len(fields) > 1 or "".join(fields).strip():
            yield line, fields


def _check_closed(path, line: int, record: str, separator: str) -> None:
    """Raise CorpusError if the misquoted field of a record goes on in another line."""
    proper = re.compile(rf'(?:{QUOTED.pattern}|(?!")[^{separator}\r\n]*+){separator}')
    at = 0
    while found := proper.match(record, at):
        at = found.end()
    closed = QUOTED.match(record, at)
    if not closed or BREAK.search(closed[0]):
        line += len(BREAK.findall(record[:at]))
        raise CorpusError(
            f"The file {path} has a quote in line {line} that is not closed at the end "
            'of the field: close it, and write a quote inside a field twice ("").'
        )


def _flaw(line: int, fields: list[str] | None, width: int) -> BadRow | None:
    """Return a record as a bad row if it has no fields to use."""
    if fields is None:
        return BadRow(line, 'a quote inside a quoted field, to be written twice ("")')
    whole = "".join(fields)
    if broken := BROKEN.search(whole):
        return BadRow(line, _broken(whole), not_utf8=broken[0] != NUL)
    if len(fields) != width:
        return BadRow(line, f"number of fields {len(fields)} instead of {width}")
    return None


def _broken(text: str) -> str:
    """Name the first byte that is no text."""
    code = ord(BROKEN.search(text)[0])
    return f"byte 0x{code - 0xDC00:02x} is not UTF-8" if code else "a NUL byte"


def _gap(row: Row) -> BadRow | None:
    """Return a row as a bad one if it lacks something."""
    if not row.text:
        return BadRow(row.line, "no text")
    return None if row.label.strip() else BadRow(row.line, "no label")
