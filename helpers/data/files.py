"""Read a text file of a user's own, or say what it is and what to do with it."""

import gzip
import io
import json
import os
import re
import zlib
from pathlib import Path

from helpers.data.splits import CorpusError

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # longer than the drive in C:/
BROKEN = re.compile("[\0\udc80-\udcff]")  # a NUL, or a byte that is not UTF-8
CONTAINERS = {  # the first bytes of a file -> what it is
    b"PK\x03\x04": "a workbook (.xlsx) or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Office file (.xls)",
    b"PAR1": "a Parquet file",
    b"%PDF-": "a PDF",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
}


def lines(path: str | Path, wanted: str) -> list[str]:
    """Return the lines of a UTF-8 file, perhaps packed with gzip; `~` is the home.

    Only the line ends of files end a line, and they stay. Raises CorpusError when the
    file cannot be read, is empty or not UTF-8.
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
        if content[: len(start)].lower() == start.lower():
            raise CorpusError(
                f"The file {path} is {what}, not {wanted}: export its content as "
                "`CSV UTF-8` or plain text, or unpack it, and try again."
            )
    text = content.decode("utf-8-sig", errors="surrogateescape")
    if not text.strip():
        raise CorpusError(f"The file {path} is empty: name {wanted}.")
    found = [*io.StringIO(text, newline="")]
    for number, line in enumerate(found, 1):
        if broken := BROKEN.search(line):
            encoding = "UTF-16" if b"\0" in content else "WINDOWS-1252"
            raise CorpusError(
                f"The file {path} is no UTF-8 text (line {number}, byte "
                f"0x{ord(broken[0]) % 256:02x}): save it as `CSV UTF-8` if it is from "
                "a spreadsheet, or convert it, for instance with "
                f"`iconv -f {encoding} -t UTF-8`, and try again."
            )
    return found


def json_records(lines: list[str]) -> list[tuple[int, dict | None]]:
    """Return the records of JSON lines, each with its line; other files have none.

    If the first line that is not blank is a JSON object, a later one that is not gives
    None in place of a record.
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
            record = None
            if not records:
                break
        records.append((number, record))
    return records
