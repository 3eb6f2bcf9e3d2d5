"""Slices of simulated subjects: the MNI152 template, varied, with or without a lesion.

The template is real, the lesions are not. For learning methods; not for clinical use.
"""

import io
from functools import cache

import numpy as np
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Value
from joblib import Memory, Parallel, delayed
from PIL import Image as Pillow
from scipy.ndimage import gaussian_filter, label, map_coordinates

from helpers import hardware, paths
from helpers.data import images
from helpers.data.lesions import Lesion, grid, smooth

KINDS = ("none", "benign", "malignant")
SPLITS = ("train", "validation", "test")
CYCLE = ("train", "validation", "test", "test", "train")  # the subjects of a kind
DIFFICULTY = 0.7
VERSION = 2  # of the pictures: another one makes the cache start anew
SIDE = 197  # of a picture, mm
LOWEST, HIGHEST = 76, 125  # the template's slices from which pictures are made
MIDDLE = 88, 113  # where the middle slice of a subject may be
STEP = 3  # from slice to slice, mm
MOST_SLICES = 8
BLOCK = 10  # subjects with the wanted fractions of kinds
TISSUES = 0.35, 0.65, 0.85, 1  # brightness of fluid, grey matter, white matter, all
SCANNERS = {"A": (0.02, 0.005), "B": (0.045, 0.008)}  # noise, blur (fraction of side)
FEATURES = Features(
    {
        "image": Image(),
        "mask": Image(),
        "label": ClassLabel(names=["not malignant", "malignant"]),
        "kind": Value("string"),
        "subject": Value("int64"),
        "scanner": Value("string"),
    }
)


class LesionsError(ValueError):
    """The wanted data cannot be made; the message says why and what to do."""


def load(
    subjects: int = 480,
    difficulty: float = DIFFICULTY,
    slices: int = 4,
    size: int = 98,
    prevalence: float = 0.5,
    seed: int = 0,
) -> DatasetDict:
    """Return axial T1 slices with simulated lesions, split by subject 40 / 20 / 40 %.

    Columns: `image` and `mask` (Pillow, mode L, size x size; the mask is 255 in the
    lesion with its border, but without the oedema), `label` (1 = malignant), `kind`
    (one of KINDS), `subject`, `scanner` (A, or B with more noise and blur). A subject
    has `slices` rows, 3 mm apart.

    `prevalence` is the fraction of malignant subjects; half of the others have a benign
    lesion. With `difficulty` 0 benign and malignant lesions are easy to tell apart;
    with 1 they differ in nothing. A subject depends on the seed and its number, not on
    how many there are. Computed once, then read from the cache.

    Raises LesionsError when an argument is out of range.
    """
    _check(subjects, difficulty, slices, size, prevalence, seed)
    memory = Memory(paths.CACHE / "mri_lesions", verbose=0)
    rows = memory.cache(_simulate)(
        int(subjects),
        float(difficulty),
        int(slices),
        int(size),
        float(prevalence),
        int(seed),
        VERSION,
    )
    return DatasetDict(
        {name: Dataset.from_list(rows[name], FEATURES) for name in SPLITS}
    )


def _check(subjects, difficulty, slices, size, prevalence, seed) -> None:
    if not 0 <= difficulty <= 1:
        raise LesionsError(f"The difficulty is {difficulty}: choose it from 0 to 1.")
    if subjects < BLOCK:
        raise LesionsError(f"{subjects} subjects are too few: take {BLOCK} or more.")
    if not 1 <= slices <= MOST_SLICES:
        raise LesionsError(
            f"{slices} slices per subject do not fit: choose 1 to {MOST_SLICES}."
        )
    if not size >= 28:
        raise LesionsError(f"Pictures of {size} pixels are too small: take 28 or more.")
    if not 0 < prevalence < 1:
        raise LesionsError(
            f"The prevalence is {prevalence}: choose it between 0 and 1, without both."
        )
    malignant = _kinds(subjects, prevalence, seed).count("malignant")
    if not len(SPLITS) <= malignant <= subjects - len(SPLITS):
        raise LesionsError(
            f"{malignant} of {subjects} subjects would be malignant, too few or too "
            "many for both labels in each split: take more subjects."
        )


def _simulate(subjects, difficulty, slices, size, prevalence, seed, version) -> dict:
    """Return the rows of each split, with pictures as PNG files."""
    plan = _kinds(subjects, prevalence, seed)
    _template(size)  # before several threads ask for it
    made = Parallel(hardware.cores(), prefer="threads")(
        delayed(_subject)(seed, subject, kind, difficulty, slices, size)
        for subject, kind in enumerate(plan)
    )
    rows, seen = {name: [] for name in SPLITS}, dict.fromkeys(KINDS, 0)
    for kind, subject in zip(plan, made, strict=True):
        rows[CYCLE[seen[kind] % len(CYCLE)]] += subject
        seen[kind] += 1
    return rows


def _kinds(subjects: int, prevalence: float, seed: int) -> list[str]:
    """Return the kind of each subject, at random within each block of subjects."""
    plan = []
    for start in range(0, subjects, BLOCK):
        first, last = (int(n * prevalence + 0.5) for n in (start, start + BLOCK))
        malignant, others = last - first, np.arange(start - first, start + BLOCK - last)
        block = ["malignant"] * malignant + [KINDS[i % 2] for i in others]
        rng = np.random.default_rng([seed, start, BLOCK])
        plan += rng.permutation(block).tolist()
    return plan[:subjects]


@cache
def _template(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return upright slices, and 1 inside the brain: float32 [slices, size, size]."""
    low = (233 - SIDE) // 2
    volume = images.brain()[:, low : low + SIDE, LOWEST:HIGHEST]
    planes = np.moveaxis(np.rot90(volume), 2, 0)
    dark = [label(plane < 0.1)[0] for plane in planes]  # connected regions
    inside = [regions != regions[0, 0] for regions in dark]
    return _resized(planes, size), _resized(inside, size)


def _resized(planes, size: int) -> np.ndarray:
    pictures = [Pillow.fromarray(np.asarray(plane, np.float32)) for plane in planes]
    small = (p.resize((size, size), Pillow.Resampling.BILINEAR) for p in pictures)
    return np.stack([np.array(picture) for picture in small])


def _subject(seed, subject: int, kind: str, difficulty, slices, size) -> list[dict]:
    """Return the rows of one subject."""
    rng = np.random.default_rng([seed, subject])
    scanner = "AB"[int(rng.random() < 0.4)]
    middle = rng.integers(*MIDDLE)
    where = _anatomy(rng, size)
    bias = 1 + smooth(rng.normal(0, 0.08, (4, 4)), size)
    curve = np.cumsum(rng.uniform(0.6, 1.4, len(TISSUES)) * np.diff(TISSUES, prepend=0))
    malignant = kind == "malignant"
    lesion = Lesion.random(rng, malignant, difficulty, size, SIDE)
    planes, inside = _template(size)
    rows = []
    for index, height in _places(middle, slices):
        plane = map_coordinates(planes[index], where, order=1)
        mask = np.zeros((size, size), bool)
        if kind != "none":
            brain = map_coordinates(inside[index], where, order=1)
            plane, mask = lesion.add(plane, brain, height)
        plane = 0.85 * bias * np.interp(plane, [0, *TISSUES], [0, *curve])
        plane = _scanned(rng, plane, scanner)
        rows.append(
            {
                "image": _png(plane * 255),
                "mask": _png(mask * 255),
                "label": int(malignant),
                "kind": kind,
                "subject": subject,
                "scanner": scanner,
            }
        )
    return rows


def _places(middle: int, slices: int) -> list[tuple[int, float]]:
    """Return of each slice its index in `_template`, and its height in mm."""
    heights = STEP * (np.arange(slices) - (slices - 1) / 2)
    return [(middle - LOWEST + int(height // 1), height) for height in heights]


def _anatomy(rng, size: int) -> np.ndarray:
    """Return which pixels of the template a subject's are: rows and columns [2, s, s].

    A small rotation, a scale, one side wider than the other, and a smooth displacement
    of a few mm.
    """
    angle, (tall, wide) = rng.normal(0, 0.05), 1 + rng.normal(0, 0.03, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn *= [[tall], [wide]]
    where = np.tensordot(turn, grid(size), 1)
    where[1] += rng.normal(0, 0.15) * where[1] ** 2
    where += smooth(rng.normal(0, 0.012, (2, 5, 5)), size)
    return (where + 0.5) * (size - 1)


def _scanned(rng, plane: np.ndarray, scanner: str) -> np.ndarray:
    """Blur a slice and add Rician noise (Gudbjartsson and Patz 1995)."""
    noise, blur = SCANNERS[scanner]
    blurred = gaussian_filter(plane, blur * plane.shape[0])
    return np.hypot(*(rng.normal(0, noise, (2, *plane.shape)) + [blurred, 0 * blurred]))


def _png(values: np.ndarray) -> dict:
    file = io.BytesIO()
    whole = values.clip(0, 255).round().astype(np.uint8)
    Pillow.fromarray(whole).save(file, "PNG", compress_level=1)
    return {"bytes": file.getvalue(), "path": None}
