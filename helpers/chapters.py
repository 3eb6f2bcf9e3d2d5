"""Execute chapters without a browser, and measure what they cost."""

import json
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from helpers import assets
from helpers.env import ROOT
from helpers.progress import StatusLine

CACHED = ROOT / "data" / "cache" / "results"
PUBLISHED = ROOT / "data" / "results"
MOST_KEY_RESULTS = 4


@dataclass
class Outcome:
    """What came of one chapter."""

    name: str
    minutes: float = 0.0
    peak_gb: float = 0.0
    failure: str = ""
    results: dict = field(default_factory=dict)


def run(
    paths: list[Path], save: bool, cached: Path = CACHED, published: Path = PUBLISHED
) -> bool:
    """Execute notebooks one after the other and print a table; True if all went well.

    With `save`, outputs go back into the notebooks and results into `published`, for
    each chapter that ran to its end.
    """
    outcomes = [_run_one(path, save, cached, published) for path in paths]
    print(_table(outcomes))
    return not any(outcome.failure for outcome in outcomes)


def _run_one(path: Path, save: bool, cached: Path, published: Path) -> Outcome:
    """Execute one notebook and keep its results."""
    notebook = nbformat.read(path, as_version=4)
    outcome = Outcome(path.stem)
    try:
        _execute(notebook, path, cached, outcome)
    except (CellExecutionError, DeadKernelError) as error:
        outcome.failure = _failure(notebook, error)
        print(f"{path.stem} FAILED after {outcome.minutes:.2f} minutes")
        print(outcome.failure, file=sys.stderr)
        return outcome
    print(f"{path.stem} done in {outcome.minutes:.2f} minutes", flush=True)
    results = cached / f"{path.stem[:2]}.json"
    if results.is_file():
        outcome.results = _add_costs(results, outcome)
    if save:
        _write(path, nbformat.writes(tidy(notebook)))
        if outcome.results:
            published.mkdir(parents=True, exist_ok=True)
            _write(published / results.name, results.read_text(encoding="utf-8"))
    return outcome


def _execute(notebook, path: Path, cached: Path, outcome: Outcome) -> None:
    """Run the cells in a fresh kernel; fill in the costs. Raises what nbclient does."""
    code = [i for i, cell in enumerate(notebook.cells) if _runs(cell)]
    at = {"cell": 0}
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_execute=lambda cell, cell_index: at.update(cell=code.index(cell_index)),
    )
    environment = os.environ | {"COURSE_RESULTS": str(cached)}
    begin = time.monotonic()
    line = StatusLine()
    # In a thread of its own, nbclient leaves Ctrl-C to this one.
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(client.execute, env=environment)
        try:
            while not work.done():
                seconds = time.monotonic() - begin
                outcome.peak_gb = max(outcome.peak_gb, _children_gb())
                line.show(
                    f"{path.stem}: cell {at['cell'] + 1} of {len(code)}, {seconds:.0f} "
                    f"s, peak memory {outcome.peak_gb:.2f} GB"
                )
                time.sleep(0.1)
        except KeyboardInterrupt:
            for child in psutil.Process().children(recursive=True):
                child.kill()
            raise
        finally:
            line.clear()
            outcome.minutes = (time.monotonic() - begin) / 60
    work.result()
