"""Checks of the exercises: from a function or a choice to a Verdict with its hint."""
