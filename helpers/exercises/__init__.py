"""Checks of the exercises, with a hint for each typical mistake."""
