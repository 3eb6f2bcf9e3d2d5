"""What trained models answer: scored, timed, and remembered on disk."""

import time
from collections.abc import Callable
from functools import wraps
from typing import NamedTuple

import numpy as np
import psutil
import torch
from joblib import Memory
from scipy.special import softmax
from torch.nn import functional

from helpers import metrics, paths

OTHERS = 0.25  # of a core: what other processes may take while seconds are measured


class Answers(NamedTuple):
    """Logits or probabilities [texts, classes] of a classifier, and labels [texts]."""

    logits: np.ndarray
    labels: np.ndarray
    seconds: float | None = None  # of its training, see `timed`

    def score(self, metric: str) -> metrics.Score:
        """Return the accuracy, or the mean loss of logits."""
        if not np.isfinite(self.logits).all():
            raise FloatingPointError("the model's outputs are not finite numbers")
        if metric == "accuracy":
            return metrics.accuracy(self.logits.argmax(1), self.labels)
        loss = functional.cross_entropy(*map(torch.tensor, self[:2]))
        return metrics.Score(float(loss), None, None, len(self.labels))

    def probabilities(self) -> "Answers":
        """Return probabilities in place of logits."""
        return self._replace(logits=softmax(self.logits, axis=1))


def of(predict: Callable, splits, seconds: float | None = None) -> dict[str, Answers]:
    """Return by split what `predict` makes of its texts."""
    return {
        split: Answers(
            np.asarray(predict(data["text"][:])), np.array(data["label"]), seconds
        )
        for split, data in splits.items()
    }


def remembered(function: Callable) -> Callable:
    """Keep on disk what a function returns, by all of its arguments."""

    @wraps(function)
    def ask(*args, **options):
        memory = Memory(paths.CACHED_EXPERIMENTS / "memory", verbose=0)
        return memory.cache(function)(*args, **options)

    return ask


def timed(work: Callable) -> tuple:
    """Return what `work()` returns, and its seconds: None if anything else ran."""
    begin, before = time.perf_counter(), _seconds_of_others()
    result = work()
    seconds = time.perf_counter() - begin
    alone = _seconds_of_others() - before < OTHERS * seconds
    return result, seconds if alone else None


def _seconds_of_others() -> float:
    """Return how long cores have worked for other processes since the machine began."""
    cores, own = psutil.cpu_times(), psutil.Process().cpu_times()
    idle = cores.idle + getattr(cores, "iowait", 0)
    return sum(cores) - idle - own.user - own.system
