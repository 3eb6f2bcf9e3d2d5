"""Run the small experiments that a chapter cannot wait for: once, and resumably."""

import json
from importlib import import_module
from pathlib import Path

from tqdm import tqdm

from helpers import state
from helpers.course import PUBLISHED, ROOT

CHAPTERS = {"05": "few_labels"}  # chapter -> the module with its experiments
CACHED = ROOT / "data" / "cache" / "sweeps"


def run(number: str, folder: Path = CACHED) -> Path:
    """Run what is not yet recorded of a chapter's experiments; return the record.

    Each experiment is a function that takes the scores so far, by name, and returns a
    number. The record is written after each one, so an interrupted sweep goes on.
    """
    experiments = import_module(f"helpers.{CHAPTERS[number]}").experiments()
    file = folder / f"{number}_sweep.json"
    scores = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    folder.mkdir(parents=True, exist_ok=True)
    waiting = [name for name in experiments if name not in scores]
    with tqdm(waiting, unit="experiment") as bar:
        for name in bar:
            bar.set_postfix_str(name)
            scores[name] = float(experiments[name](scores))
            content = json.dumps(scores, indent=1, allow_nan=False) + "\n"
            state.replace(file, content.encode())
    return file


def published(number: str) -> dict[str, float]:
    """Return the scores that come with the course."""
    file = PUBLISHED / f"{number}_sweep.json"
    return json.loads(file.read_text(encoding="utf-8"))
