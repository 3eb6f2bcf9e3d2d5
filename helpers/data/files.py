"""Read a file of a user's own, or say what it is and what to do with it."""

import gzip
import json
import os
import re
import zlib
from collections.abc import Iterable
from pathlib import Path

from helpers.data.splits import CorpusError

BREAK = re.compile(r"\r\n?|\n")  # nothing else ends a line of a text file
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # longer than the drive in C:/
UNPACK = "unpack it first"
TO_CSV = "write it as CSV, for instance with `pandas.read_{}(...).to_csv(...)`"
SAVE = "save it as `CSV UTF-8` if it is from a spreadsheet, or {}, and try again"
CONTAINERS = {  # the first bytes of a file -> what it is, and what to do with it
    b"PK\x03\x04": ("a workbook (.xlsx) or a ZIP archive", SAVE.format(UNPACK)),
    b"\xd0\xcf\x11\xe0": ("an old Office file (.xls)", "save it as `CSV UTF-8`"),
    b"PAR1": ("a Parquet file", TO_CSV.format("parquet")),
    b"ARROW1": ("a Feather file", TO_CSV.format("feather")),
    b"SQLite format 3": ("an SQLite database", TO_CSV.format("sql")),
    b"BZh": ("compressed with bzip2", UNPACK),
    b"\xfd7zXZ": ("compressed with xz", UNPACK),
    b"(\xb5/\xfd": ("compressed with Zstandard", UNPACK),
    b"7z\xbc\xaf": ("a 7z archive", UNPACK),
    b"%PDF-": ("a PDF", "save its text as UTF-8"),
    b"{\\rtf": ("a rich text file (.rtf)", "save it as plain text in UTF-8"),
    b"<!doctype html": ("a web page", "download the file that the page shows"),
    b"<html": ("a web page", "download the file that the page shows"),
}


def load(path: str | Path, wanted: str) -> bytes:
    """Return the content of a file, unpacked if it is gzip; `~` is the home folder.

    Raises CorpusError when it cannot be read or is in a format that is not text.
    """
    if ADDRESS.match(str(path)):
        raise CorpusError(
            f"The file {path} is an address on a network: download it first, and name "
            "the file on this machine."
        )
    try:
        content = Path(os.path.expanduser(path)).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise CorpusError(
            f"The file {path} cannot be read ({reason}): name {wanted}."
        ) from error
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise CorpusError(
                f"The file {path} is gzip, but damaged or cut short: get it again."
            ) from error
    start = content[:20].lower() if content[:1] == b"<" else content[:20]
    for magic, (what, remedy) in CONTAINERS.items():
        if start.startswith(magic):
            raise CorpusError(f"The file {path} is {what}, not {wanted}: {remedy}.")
    if content[257:262] == b"ustar":
        raise CorpusError(f"The file {path} is an archive (.tar): {UNPACK}.")
    return content


def json_records(lines: Iterable[str]) -> list[tuple[int, dict | None]] | None:
    """Return the records of a file of JSON lines, each with its line, or None.

    It is one if its first line that is not blank is a JSON object; a later line that is
    not gives None in place of a record.
    """
    records = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            json.dumps(record, ensure_ascii=False).encode()  # no half of a character
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            if not records:
                return None
            record = None
        records.append((number, record))
    return records or None
