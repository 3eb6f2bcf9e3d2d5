"""Execute chapters without a browser, and measure what they cost."""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from helpers import paths
from helpers.cli.progress import StatusLine
from helpers.data import assets

SOLUTIONS = "solutions"
SAMPLE_SECONDS = 0.25
LINES_OF_CELL = 3


@dataclass
class Outcome:
    """What came of one chapter."""

    name: str
    minutes: float = 0.0
    peak_gb: float = 0.0
    cells: list[NotebookNode] = field(default_factory=list)
    cell: int = 0  # which of the cells runs or has failed
    failure: str = ""
    results: dict = field(default_factory=dict)


def run(
    chosen: list[Path],
    save: bool,
    cached: Path = paths.CACHED_RESULTS,
    published: Path = paths.RESULTS,
) -> bool:
    """Execute notebooks one after the other and print a table; True if all went well.

    With `save`, outputs go back into the notebook and results into `published`, for
    each chapter that ran to its end; its worked solutions are executed and saved, too.
    """
    if save:
        with_solutions = ((p, p.parent / SOLUTIONS / p.name) for p in chosen)
        chosen = [p for pair in with_solutions for p in pair if p.exists()]
    outcomes = [_run_one(path, save, cached, published) for path in chosen]
    print("\n" + table(outcomes) + "\n")
    return not any(outcome.failure for outcome in outcomes)


def _run_one(path: Path, save: bool, cached: Path, published: Path) -> Outcome:
    """Execute one notebook and keep its results."""
    kind = f"{SOLUTIONS} " if path.parent.name == SOLUTIONS else ""
    outcome = Outcome(kind + path.stem)
    try:
        notebook = nbformat.read(path, as_version=4)
        _execute(notebook, path.parent, cached, outcome)
    except (CellExecutionError, RuntimeError, ValueError) as error:
        return _failed(outcome, _failure(outcome, error))
    print(f"{path.stem}: done after {outcome.minutes:.2f} minutes", flush=True)
    results = cached / f"{paths.id_of(path)}.json"
    if results.is_file() and path.parent.name != SOLUTIONS:
        try:
            outcome.results = _add_costs(results, outcome)
        except (RuntimeError, ValueError) as error:
            return _failed(outcome, f"{outcome.name} FAILED: in {results}, {error}")
    if save:
        paths.write(path, nbformat.writes(tidy(notebook)) + "\n")
        if outcome.results:
            published.mkdir(parents=True, exist_ok=True)
            for file in (results, *cached.glob(f"{paths.id_of(path)}_*.png")):
                paths.write(published / file.name, file.read_bytes())
    return outcome


def _failed(outcome: Outcome, sentence: str) -> Outcome:
    """Note why a chapter failed, and say so at once."""
    outcome.failure = sentence
    print(sentence, file=sys.stderr, flush=True)
    return outcome


def _execute(
    notebook: NotebookNode, folder: Path, cached: Path, outcome: Outcome
) -> None:
    """Run all cells in a fresh kernel and measure. Raises what nbclient raises."""
    cells = notebook.cells
    outcome.cells = [c for c in cells if c.cell_type == "code" and c.source.strip()]

    def started(cell: NotebookNode, cell_index: int) -> None:
        outcome.cell = outcome.cells.index(cell)

    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--IPKernelApp.log_level=40"],  # errors only
        shutdown_kernel="immediate",  # asked to end, some print a traceback
        on_cell_execute=started,
    )
    environment = os.environ | {"COURSE_RESULTS": str(cached)}
    line = StatusLine()
    begin = time.monotonic()
    with ThreadPoolExecutor(1) as pool:  # in the main thread, nbclient takes Ctrl-C
        work = pool.submit(client.execute, env=environment)
        try:
            while not work.done():
                seconds = time.monotonic() - begin
                outcome.peak_gb = max(outcome.peak_gb, _children_gb())
                line.show(
                    f"{outcome.name}: cell {outcome.cell + 1} of {len(outcome.cells)}, "
                    f"{seconds:.0f} s, peak memory {outcome.peak_gb:.2f} GB"
                )
                time.sleep(SAMPLE_SECONDS)
        except KeyboardInterrupt:
            for child in psutil.Process().children(recursive=True):
                child.kill()
            raise
        finally:
            line.clear()
            outcome.minutes = (time.monotonic() - begin) / 60
    work.result()


def _children_gb() -> float:
    """Return the resident memory of the kernel and of what it has started."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        try:
            total += process.memory_info().rss
        except psutil.Error:  # it has just ended
            continue
    return total / 1e9


def _failure(outcome: Outcome, error: Exception) -> str:
    """Say which cell failed, how it begins and what the error is."""
    if not outcome.cells:
        return f"{outcome.name} FAILED: not a readable notebook ({error})"
    if isinstance(error, CellExecutionError):
        *_, last = ["", *error.evalue.strip().splitlines()]
        message = f"{error.ename}: {last}"
    else:
        message = f"{error} (the peak memory was {outcome.peak_gb:.1f} GB)"
    source = outcome.cells[outcome.cell].source.strip().splitlines()[:LINES_OF_CELL]
    where = f"code cell {outcome.cell + 1} of {len(outcome.cells)}"
    cell = "".join(f"\n    {line}" for line in source)
    return f"{outcome.name} FAILED in {where}: {message}{cell}"


def _add_costs(file: Path, outcome: Outcome) -> dict:
    """Add what the run cost to the results the chapter recorded; return them all.

    Raises ValueError for a damaged file, AssetError for an asset that does not exist.
    """
    recorded = json.loads(file.read_text(encoding="utf-8"))
    used = recorded.get("assets")
    recorded["run"] = {
        "minutes": round(outcome.minutes, 2),
        "peak_memory_gb": round(outcome.peak_gb, 2),
        "download_mb": None
        if used is None
        else sum(assets.lookup(name).download_mb for name in used),
    }
    paths.write(file, json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")
    return recorded.get("results", {})


def tidy(notebook: NotebookNode) -> NotebookNode:
    """Remove what differs between machines and runs from an executed notebook."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    notebook.metadata.get("language_info", {}).pop("version", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    return notebook


def table(outcomes: list[Outcome]) -> str:
    """Return minutes, peak memory and key results of each chapter as text."""
    rows = [("Chapter", "Minutes", "Peak GB", "Key results")]
    for outcome in outcomes:
        keys = [k for k, entry in outcome.results.items() if entry.get("key")]
        shown = [_result(k, outcome.results[k]) for k in keys]
        first, *others = ["FAILED"] if outcome.failure else shown or [""]
        costs = f"{outcome.minutes:.2f}", f"{outcome.peak_gb:.2f}"
        rows += [(outcome.name, *costs, first)]
        rows += [("", "", "", other) for other in others]
    width = max(len(row[0]) for row in rows)
    lines = (f"{a:<{width}}  {b:>7}  {c:>7}  {d}".rstrip() for a, b, c, d in rows)
    return "\n".join(lines)


def _result(name: str, entry: dict) -> str:
    """Return one recorded number with its unit, interval and sample size."""
    text = f"{name} {entry['value']:.4g}"
    if "unit" in entry:
        text += f" {entry['unit']}"
    if "interval" in entry:
        text += " [{:.3g}, {:.3g}]".format(*entry["interval"])
    if "n" in entry:
        text += f" (n={entry['n']})"
    return text
