"""Find near-duplicates: pictures that are almost the same, between and within splits.

A copy of a training image in the test set lets a model remember where it should
recognise, so the test accuracy is too good (Barz and Denzler 2020, ciFAIR).
"""

from itertools import combinations

import numpy as np
import pandas as pd
from PIL import Image as Pillow

COLUMNS = ["split", "index", "other_split", "other_index", "correlation", "same_label"]
ROWS = 1024  # compared at a time with all others, so that memory stays small


def across(data, threshold: float = 0.99, side: int = 28) -> pd.DataFrame:
    """Return the pairs of near-duplicates that lie in two splits, best match first.

    `data` is a DatasetDict with `image` and `label`. Every picture becomes grey and
    `side` x `side` pixels, with mean 0 and variance 1; a pair whose correlation is
    above `threshold` is reported with `split`, `index`, `other_split`, `other_index`
    (the split that comes first in `data`), `correlation` and `same_label`. A picture of
    one grey level has no correlation with any. Copies that are mirrored, turned or
    cropped are not found.
    """
    vectors = {name: _standardised(rows["image"], side) for name, rows in data.items()}
    found = [
        _pairs(data, vectors, split, other, threshold)
        for other, split in combinations(data, 2)
    ]
    return _table(found)


def within(data, threshold: float = 0.99, side: int = 28) -> pd.DataFrame:
    """Return the pairs of near-duplicates inside each split; columns as `across`."""
    vectors = {name: _standardised(rows["image"], side) for name, rows in data.items()}
    return _table([_pairs(data, vectors, name, name, threshold) for name in data])


def _standardised(pictures, side: int) -> np.ndarray:
    """Return one vector of length 1 and mean 0 per picture: float32 [n, side ** 2]."""
    vectors = np.zeros((len(pictures), side * side), np.float32)
    for row, picture in zip(vectors, pictures, strict=True):
        small = picture.convert("L").resize((side, side), Pillow.Resampling.BOX)
        row[:] = np.asarray(small).ravel()
    vectors -= vectors.mean(1, keepdims=True)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def _pairs(data, vectors, split: str, other: str, threshold: float) -> pd.DataFrame:
    """Return the pairs of two splits, or of one with itself, each pair once."""
    rows, columns, values = [], [], []
    for start in range(0, len(vectors[split]), ROWS):
        correlation = vectors[split][start : start + ROWS] @ vectors[other].T
        row, column = np.nonzero(correlation > threshold)
        rows.append(row + start)
        columns.append(column)
        values.append(correlation[row, column].clip(max=1))  # rounding
    row, column, value = map(np.concatenate, (rows, columns, values))
    once = row > column if split == other else np.full(len(row), True)
    row, column, value = row[once], column[once], value[once]
    same = np.equal(_labels(data[split])[row], _labels(data[other])[column])
    return pd.DataFrame(
        dict(zip(COLUMNS, (split, row, other, column, value, same), strict=True))
    )


def _labels(rows) -> np.ndarray:
    return np.array(rows["label"][:], int)


def _table(found: list[pd.DataFrame]) -> pd.DataFrame:
    table = pd.concat([pairs for pairs in found if len(pairs)] or found)
    return table.sort_values("correlation", ascending=False, ignore_index=True)
