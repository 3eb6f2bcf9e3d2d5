"""Plumbing of the course *Pre-trained Models, Measured*: all that is not the lesson."""
