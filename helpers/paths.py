"""Every folder the course uses, and the one way to write a file.

Standard library only: it is needed before anything is installed.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
DATA = ROOT / "data"
RESULTS = DATA / "results"  # published with the course
CHECKPOINTS = DATA / "checkpoints"
SAMPLES = DATA / "samples"
CACHE = DATA / "cache"  # everything that this machine fetched or computed
CACHED_RESULTS = CACHE / "results"
CACHED_EXPERIMENTS = CACHE / "experiments"
CACHED_PRETRAINING = CACHE / "pretrain"
PROFILES = ("laptop", "full")


def write(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all: what stood there stays until it is on disk.

    Text is written as UTF-8 with the line ends it has. Raises OSError.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
