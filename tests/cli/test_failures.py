"""The end of a log becomes one sentence that says what to do."""

from pathlib import Path

import pytest

from helpers.cli import environment, failures


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space "
            "left on device",
            "The disk became full",
        ),
        (
            "error: externally-managed-environment\n\n× This environment is externally",
            "belongs to the operating system",
        ),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] Keine "
            "Berechtigung: '/usr/lib'",
            "Set-up may not write",
        ),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by "
            "'NewConnectionError('<…>: Failed to establish a new connection: "
            "[Errno 111] Connection refused')': /simple/torch/\n"
            "ERROR: Could not find a version that satisfies torch (from versions: )\n"
            "ERROR: No matching distribution found for torch==2.13.0",
            "The package index cannot be reached",
        ),
        (
            "ERROR: Could not find a version that satisfies it (from versions: 2.9)\n"
            "ERROR: No matching distribution found for torch==2.13.0; extra == 'x'",
            "pip finds no torch==2.13.0 for Python",
        ),
        (
            "error: metadata-generation-failed\n\n× Encountered error while generating",
            "A package cannot be built here",
        ),
        (
            "ERROR: one\nsomething\nERROR: THESE PACKAGES DO NOT MATCH THE HASHES.\nx",
            "Set-up failed (THESE PACKAGES DO NOT MATCH THE HASHES): see the log",
        ),
        ("Killed", "Set-up failed: see the log"),
    ],
)
def test_the_end_of_the_log_chooses_the_sentence(log, sentence):
    explained = failures.explain(environment.Target("python", Path("prefix")), log)
    assert sentence in explained
    assert explained.endswith("run the same command again.")
    assert "\n" not in explained
