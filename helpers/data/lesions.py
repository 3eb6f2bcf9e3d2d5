"""Simulated brain lesions: an outline, a texture and oedema, drawn into a slice.

Lengths and positions are in units of the picture's side. Benign and malignant lesions
have the same distributions of position, area and mean brightness; what differs is how
irregular the outline is, how heterogeneous the inside, and how strong the oedema.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial.polynomial import polyval
from scipy.ndimage import zoom
from scipy.special import expit

WHITE = 0.86  # of the template's white matter
WAVES = np.arange(2, 10)  # lobes around an outline
OVERLAP = 0.12  # standard deviation of each property within a kind


@cache
def _basis(points: int, size: int) -> np.ndarray:
    """Return the cubic interpolation of a row of points: [size, points]."""
    return zoom(np.eye(points), (size / points, 1), order=3)


def smooth(values: np.ndarray, size: int) -> np.ndarray:
    """Interpolate a coarse square of values: [..., n, n] -> [..., size, size]."""
    basis = _basis(values.shape[-1], size)
    return basis @ values @ basis.T


def grid(size: int) -> np.ndarray:
    """Return the pixels' rows and columns from the centre, -0.5 to 0.5: [2, s, s]."""
    return np.stack(np.mgrid[-0.5 : 0.5 : size * 1j, -0.5 : 0.5 : size * 1j])


@dataclass(frozen=True)
class Lesion:
    """One subject's lesion, an ellipsoid that goes on from slice to slice."""

    distance: np.ndarray  # [size, size] from the centre, 1 at the mean radius
    direction: np.ndarray  # [size, size], complex, of length 1
    waves: np.ndarray  # complex coefficients of the outline, one for each of WAVES
    twist: np.ndarray  # change of phase from the middle to the top
    texture: np.ndarray  # [2, size, size], two smooth random fields
    height: float  # of the middle, from the subject's middle slice, mm
    half_height: float  # mm
    contrast: float  # change of mean brightness, as a fraction of white matter's
    heterogeneity: float
    core: float  # of a dark necrotic middle and its enhancing rim
    oedema: float

    @classmethod
    def random(cls, rng, malignant: bool, difficulty: float, size: int, millimetres):
        """Return a random lesion; `difficulty` as in `mri_lesions.load`.

        `rng` is a numpy Generator, `millimetres` the side of the picture. The same
        random numbers make the malignant lesion and its benign counterpart.
        """
        gap = (1 - difficulty) / 2
        level = 0.5 + (gap if malignant else -gap) + rng.normal(0, OVERLAP, 3)
        irregularity, heterogeneity, oedema = level.clip(0, 1)
        centre = np.array([rng.choice([-0.13, 0.1]), rng.choice([-0.15, 0.15])])
        centre += rng.normal(0, 0.015, 2)
        radius = rng.uniform(0.08, 0.13)
        rows, columns = grid(size) - centre[:, None, None]
        waves = rng.normal(size=(2, WAVES.size)).T @ [1, 1j] / np.sqrt(WAVES)
        waves *= 0.28 * irregularity / _spread(waves)
        half_height = radius * millimetres * rng.uniform(0.9, 1.2)
        return cls(
            distance=np.hypot(rows, columns) / radius,
            direction=np.exp(1j * np.arctan2(rows, columns)),
            waves=waves,
            twist=rng.normal(0, 1, WAVES.size),
            texture=smooth(rng.normal(size=(2, 24, 24)), size),
            height=half_height * rng.uniform(-0.4, 0.4),
            half_height=half_height,
            contrast=-rng.uniform(0.8, 1.2) * (0.3 - 0.15 * difficulty),
            heterogeneity=0.02 + 0.16 * heterogeneity,
            core=rng.uniform(0, 2),
            oedema=0.25 * oedema,
        )

    def add(self, plane, brain, height: float) -> tuple[np.ndarray, np.ndarray]:
        """Return a slice with the lesion in it, and the lesion's mask (bool).

        `plane` and `brain` are [size, size]: brightness, and 1 inside the brain;
        `height` is in mm above the subject's middle slice.
        """
        above = (height - self.height) / self.half_height
        waves = [1, 0, *(self.waves * np.exp(1j * self.twist * above))]
        outline = polyval(self.direction, waves).real.clip(0.3)
        outline *= np.sqrt(max(1 - above**2, 0.1) / (1 + _spread(self.waves) ** 2))
        inwards, depth = outline - self.distance, self.distance / outline
        mask = (inwards > 0) & (brain > 0.5)
        noise = np.tensordot([np.cos(above), np.sin(above)], self.texture, 1)
        rings = np.exp(-(((depth - 0.85) / 0.15) ** 2)) - np.exp(-((depth / 0.5) ** 4))
        pattern = noise + self.core * rings
        if mask.any():
            pattern = (pattern - pattern[mask].mean()) / pattern[mask].std()
        mean = WHITE * (1 + self.contrast)
        inside = mean + WHITE * self.heterogeneity * pattern.clip(-3, 3)
        halo = np.exp(-((inwards.clip(max=0) / 0.5) ** 2)) * (1 + 0.3 * noise)
        swollen = plane * (1 - self.oedema * halo.clip(0, 1.5) * brain)
        fraction = expit(inwards / 0.05) * brain
        made = swollen + fraction * (inside - swollen)
        if mask.any():  # clipping and the soft border have moved the mean
            made += fraction * (mean - made[mask].mean()) / fraction[mask].mean()
        return made, mask


def _spread(waves: np.ndarray) -> float:
    """Return the standard deviation of an outline's radius."""
    return np.sqrt((abs(waves) ** 2).sum() / 2)
