"""Five patients with a tumour: volumes, masks and single slices (see data/README.md).

The test cases of PyRadiomics (van Griethuysen et al. 2017). Five patients are for
looking and for leaving one out, never for an accuracy.
"""

from typing import NamedTuple

import numpy as np
from datasets import Dataset, Features, Image, Value

from helpers.data import assets, volumes

MODALITIES = {
    "brain1": "MR",
    "brain2": "MR",
    "breast1": "MR",
    "lung1": "CT",
    "lung2": "CT",
}
CT_WINDOW = (-1000, 400)  # Hounsfield units: from air to dense soft tissue
MR_PERCENTILES = (0.5, 99.5)  # MR brightness has no unit, so each volume sets its own
FEATURES = Features(
    {
        "image": Image(),
        "mask": Image(),
        "patient": Value("string"),
        "has_tumour": Value("bool"),
    }
)


class Patient(NamedTuple):
    """One patient's volume and lesion, oriented as `volumes` says.

    `image` is float32 in [0, 1] and `mask` bool, both [slices, height, width];
    `spacing` is in mm, between slices, rows and columns; `modality` is MR or CT.
    """

    image: np.ndarray
    mask: np.ndarray
    spacing: tuple[float, float, float]
    modality: str


def patients() -> dict[str, Patient]:
    """Return the five patients by name.

    Intensities are windowed to [0, 1]: CT from -1000 to 400 Hounsfield units, MR from
    the 0.5th to the 99.5th percentile of the volume. Raises AssetError when the files
    cannot be had.
    """
    folder, found = assets.fetch("real-tumours"), {}
    for name, modality in MODALITIES.items():
        volume, mask = volumes.load_with_mask(
            folder / f"{name}_image.nrrd", folder / f"{name}_label.nrrd"
        )
        found[name] = Patient(
            windowed(volume.array, modality), mask, volume.spacing, modality
        )
    return found


def windowed(array: np.ndarray, modality: str) -> np.ndarray:
    """Map intensities to [0, 1]; what lies outside the window becomes 0 or 1."""
    low, high = CT_WINDOW if modality == "CT" else np.percentile(array, MR_PERCENTILES)
    return ((array - low) / (high - low)).clip(0, 1).astype(np.float32)


def dataset(size: int = 224) -> Dataset:
    """Return all 178 slices, of which 27 show the lesion, lowest slice first.

    Columns: `image` and `mask` (Pillow, mode L, `size` x `size`; the mask is 0 or 255),
    `patient` and `has_tumour`. Slices keep their proportions and are padded with black.
    Split by `patient`: neighbouring slices show the same lesion.
    """
    rows = []
    for name, patient in patients().items():
        for image, mask in zip(patient.image, patient.mask, strict=True):
            rows.append(
                {
                    "image": volumes.square(image * 255, size),
                    "mask": volumes.square(mask * 255, size, smooth=False),
                    "patient": name,
                    "has_tumour": mask.any(),
                }
            )
    return Dataset.from_list(rows, FEATURES)
