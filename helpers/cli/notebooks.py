"""Execute chapters without a browser, and measure what they cost."""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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
FAILED = "FAILED"
TABLE = f"{'Chapter':<34}  Minutes  Peak GB  Key results"


def run(chosen: list[Path], save: bool) -> bool:
    """Execute notebooks one after the other and print a table; True if all went well.

    With `save`, outputs go back into the notebook and results into data/results, for
    each chapter that ran to its end; its worked solutions are executed and saved, too.
    """
    if save:
        with_solutions = ((p, p.parent / SOLUTIONS / p.name) for p in chosen)
        chosen = [p for pair in with_solutions for p in pair if p.exists()]
    rows = [_run_one(path, save) for path in chosen]
    print("\n".join(["", TABLE, *rows, ""]))
    return not any(row.endswith(FAILED) for row in rows)


def _run_one(path: Path, save: bool) -> str:
    """Execute one notebook, keep its results, and return its row of the table."""
    solution = path.parent.name == SOLUTIONS
    name = f"{SOLUTIONS} {path.stem}" if solution else path.stem
    file = paths.CACHED_RESULTS / f"{paths.id_of(path)}.json"
    results = {}
    try:
        notebook, costs = _execute(path, name)
        if file.is_file() and not solution:
            results = _add_costs(file, costs)
    except (RuntimeError, ValueError) as error:
        print(f"{name} {FAILED}: {error}", file=sys.stderr, flush=True)
        return f"{name:<34}  {FAILED}"
    print(f"{name}: done after {costs['minutes']} minutes", flush=True)
    if save:
        paths.write(path, nbformat.writes(tidy(notebook)) + "\n")
        pictures = file.parent.glob(f"{file.stem}_*.png")
        for each in (file, *pictures) if results else ():
            paths.RESULTS.mkdir(parents=True, exist_ok=True)
            paths.write(paths.RESULTS / each.name, each.read_bytes())
    return row(name, costs, results)


def _execute(path: Path, name: str) -> tuple[NotebookNode, dict]:
    """Run all cells in a fresh kernel; return the notebook and what the run cost.

    Raises ValueError if a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    cells = [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]
    current, peak_gb, begin = 0, 0.0, time.monotonic()

    def started(cell: NotebookNode, cell_index: int) -> None:
        nonlocal current
        current = cells.index(cell)

    def status() -> str:
        return (
            f"{name}: cell {current + 1} of {len(cells)}, "
            f"{time.monotonic() - begin:.0f} s, peak memory {peak_gb:.2f} GB"
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
                peak_gb = max(peak_gb, _children_gb())
        except KeyboardInterrupt:
            for child in psutil.Process().children(recursive=True):
                child.kill()
            raise
    minutes = (time.monotonic() - begin) / 60
    try:
        work.result()
    except (CellExecutionError, DeadKernelError) as error:
        what = f"{error} (the peak memory was {peak_gb:.1f} GB)"
        if isinstance(error, CellExecutionError):
            what = f"{error.ename}: " + error.evalue.strip().rpartition("\n")[2]
        first = cells[current].source.strip().splitlines()[:LINES_OF_CELL]
        what = f"in code cell {current + 1} of {len(cells)}, {what}"
        raise ValueError("\n    ".join([what, *first])) from error
    costs = {"minutes": round(minutes, 2), "peak_memory_gb": round(peak_gb, 2)}
    return notebook, costs


def _children_gb() -> float:
    """Return the resident memory of the kernel and of what it has started."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            total += process.memory_info().rss
    return total / 1e9


def _add_costs(file: Path, costs: dict) -> dict:
    """Add what the run cost to the results the chapter recorded; return them all.

    Raises ValueError for a damaged file or an asset that does not exist.
    """
    try:
        recorded = json.loads(file.read_text(encoding="utf-8"))
        used = [assets.lookup(name) for name in recorded.get("assets", ())]
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"in {file}, {error}") from error
    recorded["run"] = costs | {"download_mb": sum(asset.download_mb for asset in used)}
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


def row(name: str, costs: dict, results: dict) -> str:
    """Return minutes, peak memory and key results of a chapter as text."""
    keys = [_result(key, entry) for key, entry in results.items() if entry.get("key")]
    shown = f"\n{'':54}".join(keys)
    return f"{name:<34}{costs['minutes']:9.2f}{costs['peak_memory_gb']:9.2f}  {shown}"


def _result(name: str, entry: dict) -> str:
    """Return one recorded number with its unit, interval and sample size."""
    text = f"{name} {entry['value']:.4g} {entry.get('unit', '')}".rstrip()
    if "interval" in entry:
        text += " [{:.3g}, {:.3g}]".format(*entry["interval"])
    return text + (f" (n={entry['n']})" if "n" in entry else "")
