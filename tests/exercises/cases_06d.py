"""Right and wrong answers to the exercises of chapter 6, fourth sitting."""

from functools import partial

import numpy as np


def ppv(sensitivity, specificity, prevalence):
    found = sensitivity * prevalence
    return found / (found + (1 - specificity) * (1 - prevalence))


def negative_predictive_value(sensitivity, specificity, prevalence):
    well = specificity * (1 - prevalence)
    return well / (well + (1 - sensitivity) * prevalence)


def threshold_for(sensitivity, labels, scores, top=False, whose=True):
    chosen = scores[labels == whose]
    return np.quantile(chosen, sensitivity if top else 1 - sensitivity)


RIGHT = {"ppv": ppv, "threshold_for": threshold_for, "random_split": "b"}
WRONG = {
    "ppv": [
        (lambda sens, spec, p: sens / (sens + 1 - spec), "how common"),
        (lambda sens, spec, p: sens * p / (sens * p + 1 - spec), "from the well"),
        (lambda sens, spec, p: sens * p / (sens * p + spec * (1 - p)), "not specif"),
        (lambda sens, spec, p: sens * p + (1 - spec) * (1 - p), "divide by it"),
        (lambda sens, spec, p: sens * p, "all alarms"),
        (negative_predictive_value, "negative"),
        (lambda *given: 1 - ppv(*given), "are false"),
        (lambda *given: 1.0, "100 people"),
    ],
    "threshold_for": [
        (partial(threshold_for, top=True), "finds 20 %"),
        (partial(threshold_for, top=True, whose=False), "specificity"),
        (partial(threshold_for, whose=False), "their lowest"),
        (lambda sensitivity, labels, scores: 0.5, "a fifth"),
    ],
    "random_split": [("a", "new patients"), ("c", "same fault"), ("x", "Choose")],
}
UNREPAIRED = {
    "threshold_for": lambda sensitivity, labels, scores: np.quantile(
        scores, 1 - sensitivity
    )
}
