"""What every text corpus shares: cleaning, when two texts are the same, and the hash.

`identity` says whether two texts of a user's own are the same, and `place` orders them
by it. `position` decides where the texts of the course stand; it never changes, since
all recorded results rest on it.
"""

import hashlib
import re
import unicodedata

import pandas as pd
from datasets import Dataset, DatasetDict

VALIDATION, TEST = 0.125, 0.125  # fractions; the rest is for training
TAG = re.compile(r"</?(?:br|hr|p|i|b|em|strong)\s*/?>", re.IGNORECASE)
BETWEEN = re.compile(r"[\W_]+")  # all that is neither letter nor digit
WINDOWS = {0x85: "…", 0x91: "‘", 0x92: "’", 0x93: "“", 0x94: "”", 0x96: "–", 0x97: "—"}
INVISIBLE = re.compile(  # control characters, soft hyphen, zero width space, marks of
    "[\1-\x08\x0e-\x1b\x7f\xad\u061c\u180e\u200b\u200e\u200f"  # direction, byte order
    "\u202a-\u202e\u2060-\u206f\ufeff]"
)
# Persian, Devanagari and emoji need joiners; after a space or a Western letter there is
# nothing to join.
IDLE_JOINER = re.compile("(?<![^\\s\\0-\u058f])[\u200c\u200d]+")
PRESENTATION = re.compile("[\ufe0e\ufe0f]")  # the same emoji in black or in colour


class CorpusError(ValueError):
    """A file cannot serve as a corpus; the message says why and what to do."""


class CorpusWarning(UserWarning):
    """A corpus was made, but the message says what to know about it."""


def clean(text: str) -> str:
    """Replace HTML tags and stray Windows-1252 control characters; fold white space."""
    return " ".join(TAG.sub(" ", text).translate(WINDOWS).split())


def normal(text: str) -> str:
    """Spell a text in one way: Unicode's form NFC without invisible characters.

    Joiners stay where a script or an emoji needs them.
    """
    visible = INVISIBLE.sub("", unicodedata.normalize("NFC", text))
    return unicodedata.normalize("NFC", IDLE_JOINER.sub("", visible))


def identity(text: str) -> str:
    """Return what equal texts share: they differ in spelling, case or spaces only.

    Accents, vowel signs, emoji, punctuation and the signs in numbers carry meaning.
    """
    plain = " ".join(PRESENTATION.sub("", normal(text)).split())
    return unicodedata.normalize("NFC", plain.casefold())


def place(text: str) -> float:
    """Map a text of a user's own to a number in [0, 1): equal for equal identities."""
    return _hash(identity(text))


def position(text: str) -> float:
    """Map a text of the course to a number in [0, 1) by its letters and digits only."""
    return _hash(BETWEEN.sub("", text.casefold()))


def divided(table: pd.DataFrame, features, test, validation) -> DatasetDict:
    """Return a table's rows as train, validation and test; the last two are masks."""
    chosen = {"train": ~(test | validation), "validation": validation, "test": test}
    return DatasetDict(
        {
            name: Dataset.from_pandas(
                table.loc[rows, [*features]], features, preserve_index=False
            )
            for name, rows in chosen.items()
        }
    )


def _hash(key: str) -> float:
    digest = hashlib.sha256(key.encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8]) / 2**64
