"""The command line: set up, run, test, examine the course."""
