"""Tissue labels lie on their image, and no split has a slice beside another split's."""

import numpy as np
import pytest

from helpers.data import tissue


@pytest.fixture(scope="module")
def splits():
    return tissue.load(size=98)


def stack(split, column):
    return np.stack([np.asarray(picture) for picture in split[column]])


def f1(first, second, label) -> float:
    """Return how well two label maps agree about one class."""
    common = ((first == label) & (second == label)).sum()
    return 2 * common / ((first == label).sum() + (second == label).sum())


def test_76_slices_to_train_and_12_each_to_choose_and_test(splits):
    sizes = {name: len(split) for name, split in splits.items()}
    assert sizes == {"train": 76, "validation": 12, "test": 12}


def test_splits_are_more_than_a_centimetre_apart(splits):
    heights = {name: np.array(split["slice"][:]) for name, split in splits.items()}
    for one, other in [("train", "validation"), ("train", "test")]:
        apart = abs(heights[one][:, None] - heights[other])
        assert apart.min() == 11
    assert min(heights["train"]) == 10
    assert max(heights["train"]) == 149


def test_pictures_are_grey_and_labels_are_0_1_2(splits):
    for split in splits.values():
        for row in split:
            image, labels = row["image"], row["labels"]
            assert (image.size, image.mode) == ((98, 98), "L")
            assert (labels.size, labels.mode) == ((98, 98), "L")
            assert np.unique(labels).tolist() == [0, 1, 2]
    assert len(tissue.CLASSES) == 3


def test_white_matter_is_brighter_than_grey_and_grey_than_background(splits):
    """As in every T1 image."""
    image, labels = (stack(splits["test"], name) for name in ("image", "labels"))
    background, grey, white = (image[labels == k].mean() for k in range(3))
    assert background + 50 < grey < white - 30


def test_the_front_is_at_the_top(splits):
    """In the lowest slices there is the cerebellum, at the back of the head."""
    labels = stack(splits["train"].select(range(10)), "labels") > 0
    assert labels[:, 49:].sum() > 5 * labels[:, :49].sum()


def test_a_neighbour_would_give_the_labels_away(splits):
    """The numbers of the docstring: copied from 1 mm away or from a training slice."""
    train, test = (stack(splits[name], "labels") for name in ("train", "test"))
    heights = np.array(splits["train"]["slice"][:])
    nearest = [abs(heights - h).argmin() for h in splits["test"]["slice"]]
    for label, neighbour, training in [(1, 0.92, 0.48), (2, 0.95, 0.57)]:
        pairs = zip(test[:-1], test[1:], strict=True)
        agreement = np.mean([f1(*pair, label) for pair in pairs])
        assert agreement == pytest.approx(neighbour, abs=0.02)
        pairs = zip(test, train[nearest], strict=True)
        agreement = np.mean([f1(*pair, label) for pair in pairs])
        assert agreement == pytest.approx(training, abs=0.02)
