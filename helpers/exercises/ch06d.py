"""Checks of the exercises of the fourth sitting of chapter 6."""

import numpy as np

from helpers.exercises.verdicts import choice, compare

ILL = np.array([True, False, True, True, False, True, False, False, True, False])
SCORES = np.array([0.9, 0.5, 0.3, 0.7, 0.8, 0.2, 0.1, 0.6, 0.4, 0.0])


def ppv(function):
    """The fraction of alarms that are right: sensitivity .8, specificity .9, 1 in 5."""
    mistakes = {
        "That takes no account of how common the disease is.": 0.8 / (0.8 + 0.1),
        "False alarms come from the well: weight them by 1 - prevalence.": 0.16 / 0.26,
        "False alarms are 1 - specificity of the well, not specificity.": 0.16 / 0.88,
        "That is the fraction of cases that are alarmed; divide by it.": 0.24,
        "That is found cases per case; divide by all alarms.": 0.16,
        "That is the negative predictive value: of those without alarm.": 0.72 / 0.76,
        "That is the fraction of alarms that are false.": 0.08 / 0.24,
    }
    other = "Count in 100 people: the ill, the alarms among them, the false alarms."
    return compare(function(0.8, 0.9, 0.2), 0.16 / 0.24, mistakes, other=other)


def threshold_for(function):
    """The threshold that finds 80 % of five ill."""
    mistakes = {
        "That finds 20 %: cut off the lowest scores of the ill, not the highest.": (
            np.quantile(SCORES[ILL], 0.8)
        ),
        "That looks at the well: it sets the specificity.": np.quantile(
            SCORES[~ILL], 0.8
        ),
        "That looks at the well, and at their lowest scores.": np.quantile(
            SCORES[~ILL], 0.2
        ),
    }
    given = np.quantile(SCORES, 0.2)
    other = "Of the scores of the ill a fifth should lie below it."
    right = np.quantile(SCORES[ILL], 0.2)
    found = function(0.8, ILL, SCORES)
    found = float(found) if isinstance(found, np.floating) else found
    return compare(found, right, mistakes, as_given=given, other=other)


random_split = choice(
    a="600 slices of the same 60 patients: how many new patients are among them?",
    b="Right: with fifty slices each, nearly every patient of the test was also in "
    "training, so the test measures recognition, too.",
    c="A larger test by slice has the same fault. What has to be split?",
)
