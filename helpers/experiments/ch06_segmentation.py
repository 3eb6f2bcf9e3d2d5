"""Experiments of chapter 6's sixth sitting: how well methods outline lesions.

The learning rate of what is trained of the encoder, or of the network without one, is
chosen by the Dice coefficient on validation. Intervals cover the choice of subjects.
"""

from functools import cache, partial
from typing import NamedTuple

import numpy as np
import torch
from datasets import Dataset

from helpers import metrics
from helpers.data import images, mri_lesions
from helpers.experiments.ch04_lora import HALF_DECADES
from helpers.experiments.runner import remembered, timed
from helpers.experiments.tuning import climbed
from helpers.models import outline_baselines
from helpers.training import outlining

OVERLAP, MARKED = "Dice", "healthy slices with an outline"
METRICS = OVERLAP, MARKED
THRESHOLD, CLASSIFIER = "threshold", "pixel classifier"
SEEDS = range(3)
SUBJECTS = 96  # of the training split's 192
FEWER = {12: 4, 36: 2}  # subjects -> times as many epochs
EPOCHS = {outlining.LINEAR: 8, outlining.ALONE: 30}  # about as long as the others' 8
FEW_EPOCHS = 8
STARTS = {outlining.LINEAR: 3e-3, outlining.ALONE: 3e-3, outlining.FROZEN: 3e-3}
STARTS |= {outlining.LORA: 1e-3, outlining.FULL: 3e-5}
CURVES = outlining.ALONE, outlining.LORA
SMALLEST = 10  # pixels of a healthy slice that count as marked
CUTS = np.arange(0.05, 1, 0.05)  # of darkness or probability, tried on validation


def experiments(record):
    """Yield the experiments; those on the test use what was chosen on validation."""
    for strategy in (THRESHOLD, CLASSIFIER):
        seeds = SEEDS if strategy == CLASSIFIER else [0]
        for metric in METRICS:
            for seed in seeds:
                own = base(strategy) | {"metric": metric, "seed": seed}
                yield remembered(classical), own
    yield from compared(record, [base(name, record) for name in outlining.STRATEGIES])
    fewer = []
    for strategy in CURVES:
        for subjects, times in FEWER.items():
            one = base(strategy, record)
            fewer.append(one | {"subjects": subjects, "epochs": times * one["epochs"]})
    yield from compared(record, fewer)


def base(strategy: str, record=None) -> dict:
    """Return the settings of a strategy."""
    own = {"experiment": "segmentation", "data_version": mri_lesions.VERSION}
    own |= {
        "strategy": strategy,
        "subjects": SUBJECTS,
        "split": "test",
        "metric": OVERLAP,
    }
    if strategy in STARTS:
        own |= {"epochs": EPOCHS.get(strategy, FEW_EPOCHS), "batch_size": 16}
        own |= {"precision": record.precision}
    return own


def compared(record, rows: list[dict]):
    """Yield runs that choose a learning rate for each of some rows, then test it."""
    run, name = remembered(trained), "learning_rate"
    plans = [(run, one, name, HALF_DECADES, STARTS[one["strategy"]]) for one in rows]
    yield from climbed(record, plans)
    chosen = [(one, record.best(name, one)) for one in rows]
    for metric in METRICS:
        for one, value in chosen:
            for seed in SEEDS if value is not None else ():
                own = {"metric": metric, "seed": seed, name: value}
                yield run, one | own


class Outlines(NamedTuple):
    """How well slices were outlined, each [n]."""

    overlap: np.ndarray  # Dice; 0 or 1 where there is no lesion
    marked: np.ndarray  # pixels
    lesion: np.ndarray  # true where there is one
    subjects: np.ndarray
    seconds: float | None = None  # of the training, see `runner.timed`

    def score(self, metric: str) -> metrics.Score:
        """Return one of `METRICS`: on slices with a lesion, or on those without."""
        if metric == OVERLAP:
            values, chosen = self.overlap, self.lesion
        else:
            values, chosen = self.marked >= SMALLEST, ~self.lesion
        return metrics.clustered(values[chosen], self.subjects[chosen])

    def predicted(self, metric: str) -> dict:
        """Return what is kept beside a test, so that two methods are paired."""
        if metric != OVERLAP:
            return {}
        found = {"score": np.round(self.overlap, 4).tolist()}
        found["label"] = self.lesion.astype(int).tolist()
        return found | {"subject": self.subjects.tolist()}


def outlines(found, rows: Dataset, seconds=None) -> Outlines:
    """Judge outlines, bool [n, h, w], of slices with masks."""
    wanted = masks(rows)
    both, sizes = (found & wanted).sum((1, 2)), found.sum((1, 2)) + wanted.sum((1, 2))
    overlap = np.where(sizes == 0, 1, 2 * both / np.maximum(sizes, 1))
    lesion, subjects = wanted.any((1, 2)), np.array(rows["subject"])
    return Outlines(overlap, found.sum((1, 2)), lesion, subjects, seconds)


@cache
def splits() -> dict[str, Dataset]:
    """Return the slices by split."""
    return dict(mri_lesions.load())


def masks(rows: Dataset) -> np.ndarray:
    """Return the masks of slices: -> bool [n, h, w]."""
    return np.stack([np.asarray(mask) > 0 for mask in rows["mask"]])


def brightness(rows: Dataset) -> np.ndarray:
    """Return the grey levels of slices: -> float32 [n, h, w] from 0 to 1."""
    return np.stack([np.asarray(image, np.float32) for image in rows["image"]]) / 255


def training_rows(subjects: int, seed: int) -> Dataset:
    """Return all slices of so many random training subjects, equal for equal seeds."""
    rows = splits()["train"]
    numbers = np.array(rows["subject"])
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(np.unique(numbers))[:subjects]
    return rows.select(np.flatnonzero(np.isin(numbers, chosen)))


def classical(strategy: str, subjects: int, seed: int, data_version: int) -> dict:
    """Cut darkness, or a classifier's probability of each pixel, on validation."""
    held_out = {name: splits()[name] for name in ("validation", "test")}
    scores = []
    if strategy == THRESHOLD:
        for width in (1, 2, 3, 4):
            see = partial(outline_baselines.darkness, width=width)
            scores.append({n: see(brightness(rows)) for n, rows in held_out.items()})
    else:
        rows = training_rows(subjects, seed)
        model = outline_baselines.PixelClassifier(max_iter=300, seed=seed)
        model.fit(brightness(rows), masks(rows))
        see = model.probability
        scores.append({name: see(brightness(rows)) for name, rows in held_out.items()})
    tried = []
    for one in scores:
        for cut in CUTS:
            marked = outline_baselines.largest(one["validation"] > cut)
            value = outlines(marked, held_out["validation"]).score(OVERLAP).value
            tried.append((value, cut, one))
    _, cut, one = max(tried, key=lambda each: each[0])
    return {
        name: outlines(outline_baselines.largest(one[name] > cut), rows)
        for name, rows in held_out.items()
    }


def trained(strategy, subjects, seed, precision, data_version, **options) -> dict:
    """Train a network, and judge it on validation and test."""
    rows = training_rows(subjects, seed)
    given = images.prepare(rows["image"][:]), torch.from_numpy(masks(rows)).long()
    options |= {"seed": seed, "bf16": precision == "bfloat16"}
    model = outlining.new_model(strategy, seed)
    _, seconds = timed(partial(outlining.fit, model, *given, **options))
    found = {}
    for name in ("validation", "test"):
        held_out = splits()[name]
        pixels = images.prepare(held_out["image"][:])
        logits = outlining.logits(model, pixels, precision=precision)
        found[name] = outlines((logits > 0).numpy(), held_out, seconds)
    return found
