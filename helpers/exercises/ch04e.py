"""Checks of the exercises of the fifth sitting of chapter 4."""

from helpers.exercises.verdicts import choice, compare


def gained(function):
    """From a baseline of .5 to full fine-tuning's .9, methods reach .8 and .4."""
    mistakes = {
        "That is the fraction of full fine-tuning: where is the baseline?": 0.8 / 0.9,
        "That is the gain in accuracy: divide it by the whole way.": 0.3,
        "The whole way goes from the baseline to full fine-tuning.": 0.3 / 0.9,
        "That is what is missing: how much has been gone?": 0.25,
    }
    other = "(method - baseline) / (full - baseline), by hand."
    verdict = compare(function(0.8, 0.5, 0.9), 0.75, mistakes, other=other)
    if verdict.state != "right":
        return verdict
    below = {"A method below the baseline has a negative fraction.": 0.0}
    return compare(function(0.4, 0.5, 0.9), -0.25, below, other=other)


fraud = choice(
    a="A small number of parameters makes it cheap. Does it find any fraud?",
    b="Right: never saying fraud is right in 99.5 % of all payments. Accuracy is the "
    "wrong measure here, and a fraction of it says nothing.",
    c="Three seeds may agree on a result that is worth nothing.",
)
