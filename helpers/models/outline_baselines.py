"""Baselines that outline without a neural network: a threshold, a pixel classifier.

`pictures` are float32 [n, height, width] from 0 to 1, with the brain upright in it.
"""

import numpy as np
from scipy import ndimage
from sklearn.ensemble import HistGradientBoostingClassifier

BRAIN = 0.25  # smoothed brightness that is no longer background
RIM = 6  # pixels of cortex, as dark as a lesion
WIDTHS = 1, 2, 4, 8  # standard deviations of Gaussian filters, pixels
PIXELS_PER_SLICE = 100  # of a lesion or of the rest, from which a classifier learns


def brains(pictures) -> np.ndarray:
    """Return where the brain is: -> bool [n, height, width]."""
    bright = blurred(pictures, 1.5) > BRAIN
    return np.stack([ndimage.binary_fill_holes(plane) for plane in bright])


def darkness(pictures, width: float) -> np.ndarray:
    """Return how much darker than the brain's median it is: -> float [n, h, w].

    The pictures are smoothed by a Gaussian of this standard deviation. Outside the
    brain and in its outer `RIM`, where the cortex is dark, it is -1.
    """
    found = np.full(pictures.shape, -1.0, np.float32)
    smooth, inside = blurred(pictures, width), brains(pictures)
    for n, plane in enumerate(inside):
        median = np.median(pictures[n][plane]) if plane.any() else 1
        core = ndimage.binary_erosion(plane, iterations=RIM)
        found[n][core] = 1 - smooth[n][core] / median
    return found


def largest(masks) -> np.ndarray:
    """Keep the largest connected region of each mask: bool [n, h, w] -> the same."""
    kept = np.zeros_like(masks)
    for n, mask in enumerate(masks):
        regions, _ = ndimage.label(mask)
        sizes = np.bincount(regions.ravel())[1:]
        if sizes.size:
            kept[n] = regions == 1 + sizes.argmax()
    return kept


def features(pictures) -> np.ndarray:
    """Return what describes each pixel: -> float32 [n, height, width, 20].

    Filters of several widths as in interactive pixel classification (Sommer et al.
    2011), how the other half of the brain differs, and where in the brain it is.
    """
    inside = brains(pictures)
    found = [pictures]
    for width in WIDTHS:
        smooth = blurred(pictures, width)
        spread = blurred(pictures**2, width) - smooth**2
        slope = ndimage.gaussian_gradient_magnitude(pictures, (0, width, width))
        mirrored = smooth - smooth[:, :, ::-1]
        found += [smooth, np.sqrt(spread.clip(0)), slope, mirrored]
    depth = [ndimage.distance_transform_edt(plane) for plane in inside]
    middle = pictures.shape[2] / 2 - 0.5
    rows, columns = np.indices(pictures.shape)[1:]
    found += [np.stack(depth), rows, abs(columns - middle)]
    return np.stack(found, -1).astype(np.float32)


class PixelClassifier:
    """Gradient boosting on `features` of single pixels (Friedman 2001)."""

    def __init__(self, max_iter: int = 100, seed: int = 0):
        """Prepare so many trees; the seed chooses pixels to learn from."""
        self.seed = seed
        self.model = HistGradientBoostingClassifier(
            max_iter=max_iter, random_state=seed
        )

    def fit(self, pictures, masks) -> "PixelClassifier":
        """Learn from some pixels of slices with masks, bool [n, h, w]."""
        some = _chosen(masks, self.seed)
        described = [
            features(pictures[part])[some[part]] for part in _parts(len(pictures))
        ]
        self.model.fit(np.concatenate(described), masks[some])
        return self

    def probability(self, pictures, width: float = 2) -> np.ndarray:
        """Return each pixel's probability of a lesion, smoothed: -> float [n, h, w]."""
        found = []
        for part in _parts(len(pictures)):
            described = features(pictures[part])
            flat = described.reshape(-1, described.shape[-1])
            found.append(self.model.predict_proba(flat)[:, 1])
        return blurred(np.concatenate(found).reshape(pictures.shape), width)


def _parts(count: int):
    """Yield slices of 64 rows, so that features need little memory."""
    return (slice(start, start + 64) for start in range(0, count, 64))


def _chosen(masks, seed: int) -> np.ndarray:
    """Choose pixels at random to learn from: bool [n, h, w] -> bool [n, h, w].

    Up to `PIXELS_PER_SLICE` of each lesion, and as many of the rest of each slice.
    """
    rng, chosen = np.random.default_rng(seed), np.zeros_like(masks)
    for mask, own in zip(masks, chosen, strict=True):
        for places in (np.flatnonzero(mask), np.flatnonzero(~mask)):
            count = min(PIXELS_PER_SLICE, places.size)
            own.flat[rng.choice(places, count, replace=False)] = True
    return chosen


def blurred(pictures, width: float) -> np.ndarray:
    """Smooth each picture by a Gaussian filter."""
    return ndimage.gaussian_filter(pictures, (0, width, width))
