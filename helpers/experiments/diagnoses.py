"""What a classifier of medical images makes of a split, and how good that is."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from helpers import metrics

AUC = "AUC"
SENSITIVITY = "sensitivity at specificity 0.9"
METRICS = AUC, "accuracy", SENSITIVITY


class Diagnoses(NamedTuple):
    """Scores [images], above 0 where the disease is predicted, and what they are of."""

    scores: np.ndarray
    labels: np.ndarray  # [images], true where the disease is
    subjects: np.ndarray | None  # [images], where they are known
    threshold: float  # with specificity 0.9 on validation
    seconds: float | None = None  # of the training, see `runner.timed`

    def score(self, metric: str) -> metrics.Score:
        """Return one of `METRICS`, with an interval over subjects if there are some."""
        if not np.isfinite(self.scores).all():
            raise FloatingPointError("the model's outputs are not finite numbers")
        if metric == AUC:
            return metrics.auc(self.labels, self.scores, self.subjects)
        if metric == SENSITIVITY:
            given = self.labels, self.scores, self.threshold, self.subjects
            return metrics.sensitivity_at(*given)
        right = (self.scores > 0) == self.labels
        if self.subjects is None:
            return metrics.proportion(right.sum(), right.size)
        return metrics.clustered(right, self.subjects)

    def predicted(self, metric: str) -> dict:
        """Return what is kept beside the AUC of a test, so that two are paired."""
        if metric != AUC:
            return {}
        found = {"score": np.round(self.scores.astype(float), 4).tolist()}
        found["label"] = self.labels.astype(int).tolist()
        if self.subjects is not None:
            found["subject"] = self.subjects.tolist()
        return found


def diagnoses(predict: Callable, splits: dict, positive: int, seconds=None) -> dict:
    """Return by split what `predict` makes of its pictures: `Diagnoses`.

    `predict(pictures)` returns scores [n]; `splits` are of `datasets`, with the columns
    image, label and perhaps subject; `positive` is the label of the disease.
    """
    scores = {
        name: np.asarray(predict(data["image"][:])) for name, data in splits.items()
    }
    labels = {
        name: np.array(data["label"]) == positive for name, data in splits.items()
    }
    threshold = metrics.threshold_at(labels["validation"], scores["validation"])
    found = {}
    for name, data in splits.items():
        known = "subject" in data.column_names
        subjects = np.array(data["subject"]) if known else None
        own = scores[name], labels[name], subjects
        found[name] = Diagnoses(*own, threshold, seconds)
    return found
