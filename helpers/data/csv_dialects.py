"""In which dialects a CSV file may be written: its separator, quotes and escapes."""

import re
from collections.abc import Iterator
from typing import NamedTuple

SEPARATORS = ",;\t|"
SEPARATOR_LINE = re.compile(r'"?sep=([^"\'])"?\s*', re.IGNORECASE)  # of Excel
ESCAPED_QUOTE = re.compile(r"""\\["'](?=[^"',;\t|\r\n])""")  # not before a field's end
PLAIN_BACKSLASH = re.compile(r"""(?<!\\)(?:\\\\)*\\[^"'\\,;\t|]""")


class Dialect(NamedTuple):
    """How fields are separated, quoted and, in some files, escaped."""

    separator: str
    quote: str = '"'
    escape: str | None = None

    @property
    def quoted(self) -> str:
        """A regular expression of a field in quotes."""
        quote, escape = self.quote, re.escape(self.escape or "")
        escaped = rf"|{escape}[\s\S]" if escape else ""
        return rf" *{quote}(?:[^{quote}{escape}]|{quote * 2}{escaped})*+{quote}"


def dialects(lines: list[str]) -> Iterator[Dialect]:
    """Yield the dialects that a file may be written in, the likely ones first.

    A line that names the separator becomes a blank one.
    """
    separators = SEPARATORS
    if found := SEPARATOR_LINE.fullmatch(lines[0]):
        separators, lines[0] = found[1], "\n"
    whole = "".join(lines)
    escaping = ESCAPED_QUOTE.search(whole) and not PLAIN_BACKSLASH.search(whole)
    escape = "\\" if escaping else None
    for separator in separators:
        single = Dialect(separator, "'", escape)
        edge = re.escape(separator)
        field = re.compile(rf"(?:^|{edge}){single.quoted} *(?=[{edge}\r\n]|$)")
        in_double = re.search(rf'(?:^|{edge}) *"', whole, re.MULTILINE)
        in_single = [] if in_double else [*filter(field.search, lines)]
        mostly = len(in_single) > len(lines) / 2
        yield single if mostly else Dialect(separator, escape=escape)
