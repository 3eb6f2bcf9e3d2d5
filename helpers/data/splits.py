"""What every text corpus of the course shares: cleaning, a hash, shares, its error."""

import hashlib
import re

VALIDATION, TEST = 0.125, 0.125  # shares; the rest is for training
TAG = re.compile(r"</?(?:br|hr|p|i|b|em|strong)\s*/?>", re.IGNORECASE)
BETWEEN = re.compile(r"[\W_]+")  # all that is neither letter nor digit
WINDOWS = {0x85: "…", 0x91: "‘", 0x92: "’", 0x93: "“", 0x94: "”", 0x96: "–", 0x97: "—"}


class CorpusError(ValueError):
    """A file cannot serve as a corpus; the message says why and what to do."""


def clean(text: str) -> str:
    """Replace HTML tags and stray Windows-1252 control characters; fold white space."""
    return " ".join(TAG.sub(" ", text).translate(WINDOWS).split())


def position(text: str) -> float:
    """Map a text to a number in [0, 1) that depends on its letters and digits only.

    Two texts that differ in case, punctuation or spacing get the same number.
    """
    digest = hashlib.sha256(BETWEEN.sub("", text.casefold()).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
