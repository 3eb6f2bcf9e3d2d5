"""Every folder the course uses, and the one way to write a file.

Standard library only: it is needed before anything is installed.
"""

import os
import re
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
ID = r"[0-9]{2}[a-z]?"  # of a notebook: its chapter and perhaps its sitting


def chapters() -> dict[str, Path]:
    """Return the chapters' notebooks by id, in order: `04` and `04b` are two sittings.

    Notebooks with names of another form, such as copies, are no chapters. Raises
    ValueError when two notebooks have the same id.
    """
    found = {}
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if re.fullmatch(rf"{ID}_\w+\.ipynb", path.name):
            if other := found.get(id_of(path)):
                names = f"{other.name} and {path.name}"
                raise ValueError(f"{names} are both chapter {id_of(path)}: rename one")
            found[id_of(path)] = path
    return found


def id_of(notebook: Path) -> str:
    """Return the id of a chapter or of its solutions: `04b` of `04b_lora.ipynb`."""
    return notebook.name.partition("_")[0]


def padded(text: str) -> str:
    """Return the id that somebody typed with two digits: `04b` for `4b`."""
    return text.zfill(3 if text[-1:].isalpha() else 2)


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
