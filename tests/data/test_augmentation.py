"""The right augmentation keeps what decides the label, and the wrong one does not."""

import numpy as np
import pytest
from PIL import Image as Pillow

from helpers.data.augmentation import (
    crop_and_enlarge,
    crop_and_mirror,
    mirror_and_shift,
)

ALL = (mirror_and_shift, crop_and_mirror, crop_and_enlarge)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def slice_with_lesion():
    """A grey disc, brighter below, with a small white lesion away from the centre."""
    y, x = np.mgrid[:90, :120]
    disc = np.where((x - 60) ** 2 + (y - 45) ** 2 < 40**2, 60 + y * 0.6, 0)
    disc[(x - 40) ** 2 + (y - 35) ** 2 < 25] = 220
    return Pillow.fromarray(disc.astype(np.uint8))


def shows_lesion(picture) -> bool:
    return (np.asarray(picture) > 150).sum() > 20


@pytest.mark.parametrize("change", ALL)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_size_and_mode_stay_and_the_seed_decides(slice_with_lesion, change, mode):
    picture = slice_with_lesion.convert(mode)
    before = picture.tobytes()
    once, again, other = (change(picture, rng(seed)) for seed in (1, 1, 2))
    assert (once.size, once.mode) == (picture.size, mode)
    assert once.tobytes() == again.tobytes() != other.tobytes()
    assert picture.tobytes() == before


def test_the_right_one_keeps_the_lesion_upright_and_its_light(slice_with_lesion):
    mirrored = 0
    for seed in range(60):
        picture = np.asarray(mirror_and_shift(slice_with_lesion, rng(seed)), float)
        assert shows_lesion(picture)
        y, x = np.argwhere(picture > 150).mean(0)
        assert y < 45  # the lesion lies in the upper half
        mirrored += x > 60
        assert 0.75 < picture.mean() / np.asarray(slice_with_lesion).mean() < 1.25
    assert 15 < mirrored < 45


def test_the_wrong_one_loses_the_lesion_and_turns_pictures_upside_down(
    slice_with_lesion,
):
    lost, below = 0, 0
    for seed in range(100):
        picture = np.asarray(crop_and_enlarge(slice_with_lesion, rng(seed)))
        lost += not shows_lesion(picture)
        halves = picture[:45].mean(), picture[45:].mean()
        below += halves[0] > halves[1]
    assert lost > 20
    assert 20 < below < 80


def test_the_recipe_for_photographs_loses_the_lesion_and_keeps_what_is_up():
    y, x = np.mgrid[:90, :120]
    disc = np.where((x - 20) ** 2 + (y - 15) ** 2 < 25, 200, y)  # darker above
    lost = 0
    for seed in range(100):
        found = np.asarray(
            crop_and_mirror(Pillow.fromarray(disc.astype(np.uint8)), rng(seed)), float
        )
        assert found[0].min() < found[-1].min()
        lost += found.max() < 150
    assert 20 < lost < 80


def test_a_crop_has_8_to_100_per_cent_of_the_area():
    y, x = np.mgrid[:100, :100]
    ramp = np.stack([x * 2, y * 2, np.zeros_like(x)], 2).astype(np.uint8)
    seen = []

    class Fixed:
        """Random numbers, but nothing is flipped and no colour changes."""

        def __init__(self, seed):
            self.rng = rng(seed)
            self.integers = self.rng.integers

        def random(self):
            return 0.9

        def uniform(self, low, high):
            return 1 if low == 1 - 0.8 else self.rng.uniform(low, high)

    for seed in range(200):
        crop = np.asarray(crop_and_enlarge(Pillow.fromarray(ramp), Fixed(seed)), int)
        width, height = (np.ptp(crop[..., k]) / 200 for k in (0, 1))
        seen.append(width * height)
        assert 0.7 < (width + 0.005) / (height + 0.005) < 1.4
    assert 0.07 < min(seen) < 0.15
    assert 0.85 < max(seen) <= 1
