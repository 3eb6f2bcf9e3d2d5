"""Baselines that outline: dark regions inside, in one connected region."""

import numpy as np

from helpers.models import outline_baselines


def head(lesion=slice(36, 44)):
    """A bright disc of radius 30 in 80 x 80 pixels, with a dark square."""
    rows, columns = np.indices((80, 80)) - 39.5
    picture = np.where(np.hypot(rows, columns) < 30, 0.8, 0.05).astype(np.float32)
    picture[lesion, 50:58] = 0.5
    return picture[None]


def test_darkness_marks_a_dark_square_and_neither_background_nor_rim():
    found = outline_baselines.darkness(head(), 1)
    marked = outline_baselines.largest(found > 0.2)[0]
    assert marked[40, 54]
    assert 40 < marked.sum() < 90  # of 64 pixels
    assert found[0, 2, 2] == -1
    assert found[0, 11, 40] == -1  # inside, but near the outside


def test_a_dark_region_that_the_brain_surrounds_belongs_to_it():
    picture = head()
    picture[0, 36:44, 36:44] = 0  # a ventricle
    inside = outline_baselines.brains(picture)[0]
    assert inside[40, 40]
    assert not inside[2, 2]


def test_only_the_largest_region_stays_and_none_is_fine():
    masks = np.zeros((2, 10, 10), bool)
    masks[0, :2, :2] = True
    masks[0, 5:8, 5:8] = True
    kept = outline_baselines.largest(masks)
    assert kept[0].sum() == 9
    assert kept[0, 6, 6]
    assert not kept[1].any()


def test_features_of_a_pixel_are_of_its_own_surroundings():
    both = np.concatenate([head(), head()[:, :, ::-1]])
    found = outline_baselines.features(both)
    assert found.shape == (2, 80, 80, 20)
    assert np.isfinite(found).all()
    # a mirrored picture has mirrored features
    assert np.allclose(found[0], found[1, :, ::-1], atol=1e-5)
    one = outline_baselines.features(head())
    assert np.allclose(found[0], one[0], atol=1e-6)


def test_a_pixel_classifier_learns_from_lesion_and_rest_alike():
    masks = np.zeros((3, 80, 80), bool)
    masks[:2, 36:44, 50:58] = True
    pictures = np.concatenate([head(), head(), head(lesion=slice(0))])
    some = outline_baselines._chosen(masks, seed=0)
    assert some[masks].sum() == 2 * 64
    assert some[~masks].sum() == 3 * 100
    classifier = outline_baselines.PixelClassifier(max_iter=20)
    found = classifier.fit(pictures, masks).probability(pictures, width=0.5)
    assert ((found > 0.5) == masks).mean() > 0.99
