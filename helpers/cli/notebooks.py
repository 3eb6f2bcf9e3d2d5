"""Execute chapters without a browser, and measure what they cost."""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

from helpers import paths
from helpers.cli.progress import progress
from helpers.data import assets

SOLUTIONS = "solutions"
SAMPLE_SECONDS = 0.25
LINES_OF_CELL = 3
KERNEL = {"name": "python3", "language": "python"}


@dataclass
class Outcome:
    """What came of one chapter."""

    name: str
    minutes: float = 0.0
    peak_gb: float = 0.0
    failed: bool = False
    results: dict = field(default_factory=dict)


def run(chosen: list[Path], save: bool) -> bool:
    """Execute notebooks one after the other and print a table; True if all went well.

    With `save`, outputs go back into the notebook and results into data/results, for
    each chapter that ran to its end; its worked solutions are executed and saved, too.
    """
    if save:
        with_solutions = ((p, p.parent / SOLUTIONS / p.name) for p in chosen)
        chosen = [p for pair in with_solutions for p in pair if p.exists()]
    outcomes = [_run_one(path, save) for path in chosen]
    print("\n" + table(outcomes) + "\n")
    return not any(outcome.failed for outcome in outcomes)


def _run_one(path: Path, save: bool) -> Outcome:
    """Execute one notebook and keep its results."""
    solution = path.parent.name == SOLUTIONS
    outcome = Outcome(f"{SOLUTIONS} {path.stem}" if solution else path.stem)
    results = paths.CACHED_RESULTS / f"{paths.id_of(path)}.json"
    try:
        notebook = _execute(path, outcome)
        print(f"{path.stem}: done after {outcome.minutes:.2f} minutes", flush=True)
        if results.is_file() and not solution:
            outcome.results = _add_costs(results, outcome)
    except (RuntimeError, ValueError) as error:
        outcome.failed = True
        print(f"{outcome.name} FAILED: {error}", file=sys.stderr, flush=True)
        return outcome
    if save:
        paths.write(path, nbformat.writes(tidy(notebook)) + "\n")
        pictures = results.parent.glob(f"{results.stem}_*.png")
        for file in (results, *pictures) if outcome.results else ():
            paths.RESULTS.mkdir(parents=True, exist_ok=True)
            paths.write(paths.RESULTS / file.name, file.read_bytes())
    return outcome


def _execute(path: Path, outcome: Outcome) -> NotebookNode:
    """Run all cells in a fresh kernel and measure. Raises ValueError if one fails."""
    notebook = nbformat.read(path, as_version=4)
    cells = [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]
    current = 0
    begin = time.monotonic()

    def started(cell: NotebookNode, cell_index: int) -> None:
        nonlocal current
        current = cells.index(cell)

    def status() -> str:
        return (
            f"{outcome.name}: cell {current + 1} of {len(cells)}, "
            f"{time.monotonic() - begin:.0f} s, peak memory {outcome.peak_gb:.2f} GB"
        )

    client = NotebookClient(
        notebook,
        kernel_name=KERNEL["name"],
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--IPKernelApp.log_level=40"],  # errors only
        shutdown_kernel="immediate",  # some print a traceback if they end by themselves
        on_cell_execute=started,
    )
    environment = os.environ | {"COURSE_RESULTS": str(paths.CACHED_RESULTS)}
    # in the main thread, nbclient takes Ctrl-C
    with progress(status), ThreadPoolExecutor(1) as pool:
        work = pool.submit(client.execute, env=environment)
        try:
            while not work.done():
                time.sleep(SAMPLE_SECONDS)
                outcome.peak_gb = max(outcome.peak_gb, _children_gb())
        except KeyboardInterrupt:
            for child in psutil.Process().children(recursive=True):
                child.kill()
            raise
    outcome.minutes = (time.monotonic() - begin) / 60
    try:
        work.result()
    except (CellExecutionError, DeadKernelError) as error:
        what = f"{error} (the peak memory was {outcome.peak_gb:.1f} GB)"
        if isinstance(error, CellExecutionError):
            what = f"{error.ename}: " + error.evalue.strip().rpartition("\n")[2]
        first = cells[current].source.strip().splitlines()[:LINES_OF_CELL]
        what = f"in code cell {current + 1} of {len(cells)}, {what}"
        raise ValueError("\n    ".join([what, *first])) from error
    return notebook


def _children_gb() -> float:
    """Return the resident memory of the kernel and of what it has started."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            total += process.memory_info().rss
    return total / 1e9


def _add_costs(file: Path, outcome: Outcome) -> dict:
    """Add what the run cost to the results the chapter recorded; return them all.

    Raises ValueError for a damaged file or an asset that does not exist.
    """
    try:
        recorded = json.loads(file.read_text(encoding="utf-8"))
        used = [assets.lookup(name) for name in recorded.get("assets", ())]
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"in {file}, {error}") from error
    recorded["run"] = {
        "minutes": round(outcome.minutes, 2),
        "peak_memory_gb": round(outcome.peak_gb, 2),
        "download_mb": sum(asset.download_mb for asset in used),
    }
    paths.write(file, json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")
    return recorded.get("results", {})


def tidy(notebook: NotebookNode) -> NotebookNode:
    """Remove what differs between machines and runs from an executed notebook."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata["kernelspec"] = KERNEL | {"display_name": "Python 3 (ipykernel)"}
    notebook.metadata.get("language_info", {}).pop("version", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    return notebook


def table(outcomes: list[Outcome]) -> str:
    """Return minutes, peak memory and key results of each chapter as text."""
    width = max(len(outcome.name) for outcome in outcomes)
    lines = [f"{'Chapter':<{width}}  Minutes  Peak GB  Key results"]
    for outcome in outcomes:
        keys = [_result(k, v) for k, v in outcome.results.items() if v.get("key")]
        shown = f"\n{'':{width + 20}}".join(["FAILED"] if outcome.failed else keys)
        costs = f"{outcome.minutes:7.2f}  {outcome.peak_gb:7.2f}"
        lines.append(f"{outcome.name:<{width}}  {costs}  {shown}")
    return "\n".join(lines)


def _result(name: str, entry: dict) -> str:
    """Return one recorded number with its unit, interval and sample size."""
    text = f"{name} {entry['value']:.4g} {entry.get('unit', '')}".rstrip()
    if "interval" in entry:
        text += " [{:.3g}, {:.3g}]".format(*entry["interval"])
    return text + (f" (n={entry['n']})" if "n" in entry else "")
