"""Run the small experiments that a chapter cannot wait for: once, and resumably."""

import json
import shutil
from importlib import import_module
from pathlib import Path

from tqdm import tqdm

from helpers import course, hardware, paths

# chapter -> the module with its experiments
CHAPTERS = {"03": "ch03_fine_tuning", "05": "ch05_mlm_pretraining"}


class SweepError(RuntimeError):
    """A sweep cannot run; the message says why and what to do."""


def run(number: str, folder: Path = paths.CACHED_EXPERIMENTS) -> Path:
    """Run what is not yet recorded of a chapter's experiments; return the record.

    Each experiment is a function that takes the scores so far, by name, and returns a
    number, or numbers by name. The record is written after each one, so an interrupted
    sweep goes on.
    Raises SweepError for a chapter without a sweep, or a damaged record.
    """
    if number not in CHAPTERS:
        raise SweepError(
            f"Chapter {number} has no sweep; those that have: {', '.join(CHAPTERS)}."
        )
    course.set_up_libraries()
    hardware.keep_freed_memory()
    experiments = import_module(f"helpers.experiments.{CHAPTERS[number]}").experiments()
    file = folder / f"{number}_sweep.json"
    scores = _read(file) if file.is_file() else {}
    folder.mkdir(parents=True, exist_ok=True)
    waiting = [name for name in experiments if name not in scores]
    with tqdm(waiting, unit="experiment") as bar:
        for name in bar:
            bar.set_postfix_str(name)
            scores[name] = _plain(experiments[name](scores))
            content = json.dumps(scores, indent=1, allow_nan=False) + "\n"
            paths.write(file, content.encode())
    return file


def publish(number: str, file: Path) -> Path:
    """Copy a record to where the course keeps its results; return that."""
    return Path(shutil.copyfile(file, paths.RESULTS / file.name))


def published(number: str) -> dict:
    """Return the scores that come with the course, by experiment."""
    return _read(paths.RESULTS / f"{number}_sweep.json")


def _plain(result):
    if isinstance(result, dict):
        return {name: float(value) for name, value in result.items()}
    return float(result)


def _read(file: Path) -> dict:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SweepError(
            f"The record {file} is damaged ({error}): put it back, or delete it to run "
            "every experiment again."
        ) from error
