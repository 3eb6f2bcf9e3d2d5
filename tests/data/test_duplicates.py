"""Near-duplicates are found between and within splits, and only they."""

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image
from PIL import Image as Pillow
from PIL import ImageEnhance

from helpers.data import duplicates, medmnist

FEATURES = Features({"image": Image(), "label": ClassLabel(names=["a", "b"])})


def pictures(number: int, seed: int) -> list[Pillow.Image]:
    coarse = np.random.default_rng(seed).integers(256, size=(number, 8, 8))
    return [Pillow.fromarray(x.astype(np.uint8)).resize((40, 40), 1) for x in coarse]


def split(images, labels) -> Dataset:
    return Dataset.from_dict({"image": images, "label": labels}, FEATURES)


@pytest.fixture
def data():
    """Three splits with a brighter copy, a copy with another label and two equal."""
    train, validation, test = pictures(5, 0), pictures(3, 1), pictures(4, 2)
    test[2] = ImageEnhance.Brightness(train[3]).enhance(0.8)
    validation[1] = train[0].resize((56, 56))
    test[0] = test[3]
    splits = {
        "train": split(train, [0, 0, 1, 1, 0]),
        "validation": split(validation, [0, 1, 0]),
        "test": split(test, [0, 1, 1, 0]),
    }
    return DatasetDict(splits)


def pairs(table):
    return [tuple(row) for row in table.drop(columns="correlation").to_numpy()]


def test_copies_between_splits_are_found_each_once(data):
    table = duplicates.across(data)
    assert list(table) == duplicates.COLUMNS
    assert sorted(pairs(table)) == [
        ("test", 2, "train", 3, True),
        ("validation", 1, "train", 0, False),
    ]
    assert table["correlation"].between(0.99, 1).all()
    assert table["correlation"].is_monotonic_decreasing


def test_copies_within_a_split_are_found_each_once(data):
    assert pairs(duplicates.within(data)) == [("test", 3, "test", 0, True)]


def test_the_threshold_decides(data):
    noise = np.random.default_rng(3).normal(0, 60, (40, 40))
    noisy = (np.asarray(data["train"][4]["image"]) + noise).clip(0, 255)
    image = Pillow.fromarray(noisy.astype(np.uint8))
    data["test"] = split([image], [0])
    assert ("test", 0, "train", 4, True) not in pairs(duplicates.across(data))
    assert ("test", 0, "train", 4, True) in pairs(duplicates.across(data, 0.8))


def test_many_rows_are_compared_in_parts(data, monkeypatch):
    whole = duplicates.across(data), duplicates.within(data)
    monkeypatch.setattr(duplicates, "ROWS", 2)
    parts = duplicates.across(data), duplicates.within(data)
    assert [pairs(table) for table in whole] == [pairs(table) for table in parts]


def test_blank_pictures_and_no_copies(data):
    blank = [Pillow.new("L", (40, 40), level) for level in (0, 90)]
    only = DatasetDict({"train": split(blank, [0, 1]), "test": split(blank, [0, 1])})
    table = duplicates.across(only)
    assert (len(table), list(table)) == (0, duplicates.COLUMNS)


def test_a_quarter_of_breastmnist_tests_on_copies_of_training_images():
    if not medmnist.available():
        pytest.skip("breastmnist.npz is not here")
    table = duplicates.across(medmnist.load())
    leaked = table[(table["split"] == "test") & (table["other_split"] == "train")]
    assert leaked["index"].nunique() == 39  # of 156, as the card says
    assert leaked.loc[~leaked["same_label"], "index"].nunique() == 2
