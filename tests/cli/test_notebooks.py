"""Chapters are executed, measured and, when asked, saved: with toy notebooks."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers import paths
from helpers.cli import notebooks, settings
from helpers.data import assets
from helpers.paths import ROOT

RECORD = """
import json, os, pathlib, time
folder = pathlib.Path(os.environ["COURSE_RESULTS"])
folder.mkdir(parents=True, exist_ok=True)
accuracy = {"value": 0.81234, "interval": [0.79, 0.83], "n": 1000, "key": True}
results = {"accuracy": accuracy, "loss": {"value": 0.5}}
log = {"chapter": "01", "assets": ["minilm", "movie-reviews"], "results": results}
(folder / "01.json").write_text(json.dumps(log))
time.sleep(1)
os.getcwd()
"""


@pytest.fixture
def folder(tmp_path):
    """Return a folder for notebooks, with a difficult name."""
    folder = tmp_path / "Kurs für Ünï 課程"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def elsewhere(folder, monkeypatch):
    """Keep results in the folder, and show no lines of progress."""
    monkeypatch.setattr(notebooks, "progress", lambda text: nullcontext())
    monkeypatch.setattr(paths, "CACHED_RESULTS", folder / "cached")
    monkeypatch.setattr(paths, "RESULTS", folder / "published")


def write(folder, name, *cells):
    """Write a notebook as an editor leaves it, and return its path."""
    notebook = new_notebook(cells=[new_markdown_cell("# Title")])
    for cell in cells:
        cell = new_code_cell(cell) if isinstance(cell, str) else cell
        cell.metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
        notebook.cells.append(cell)
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {}}
    notebook.metadata["kernelspec"] = {"name": "mine", "display_name": "My Python"}
    path = folder / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


@pytest.mark.integration
def test_a_chapter_is_measured_and_its_notebook_left_alone(folder, capfd):
    path = write(folder, "01_toy", RECORD)
    before = path.read_bytes()
    assert notebooks.run([path], save=False)
    assert path.read_bytes() == before
    assert not (folder / "published").exists()
    recorded = json.loads((folder / "cached" / "01.json").read_text("utf-8"))
    cost = recorded["run"]
    assert cost["minutes"] > 0
    assert cost["peak_memory_gb"] > 0
    sizes = [assets.catalogue()[n].download_mb for n in ("minilm", "movie-reviews")]
    assert cost["download_mb"] == sum(sizes)
    assert recorded["results"]["loss"] == {"value": 0.5}
    out, err = capfd.readouterr()
    assert "accuracy 0.8123 [0.79, 0.83] (n=1000)" in out
    assert "loss" not in out  # it is no key result
    assert err == ""


@pytest.mark.integration
def test_settings_in_the_home_folder_do_not_reach_a_chapter(
    folder, tmp_path, monkeypatch, capsys
):
    startup = tmp_path / "home" / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "mine.py").write_text("mine = 1", encoding="utf-8")
    style = tmp_path / "home" / ".config" / "matplotlib" / "matplotlibrc"
    style.parent.mkdir(parents=True)
    style.write_text("lines.linewidth: 42", encoding="utf-8")
    monkeypatch.setattr(os, "environ", os.environ.copy())
    os.environ |= {
        "HOME": str(tmp_path / "home"),
        "USERPROFILE": str(tmp_path / "home"),
    }
    for name in ("XDG_CONFIG_HOME", *settings.FOLDERS):
        os.environ.pop(name, None)
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    settings.own_tools()
    cell = "import matplotlib\n'mine' in vars(), matplotlib.rcParams['lines.linewidth']"
    path = write(folder, "01_toy", cell)
    assert notebooks.run([path], save=True)
    (output,) = nbformat.read(path, as_version=4).cells[1].outputs
    assert output["data"]["text/plain"] == "(False, 1.5)"


@pytest.mark.integration
def test_a_kernel_that_has_done_its_work_says_nothing_more(folder, capfd):
    late = "import atexit, os\natexit.register(os.write, 2, b'late')"
    assert notebooks.run([write(folder, "01_toy", late)], save=False)
    assert capfd.readouterr().err == ""


@pytest.mark.integration
def test_save_writes_a_tidy_notebook_and_its_solutions_and_publishes_results(folder):
    (folder / "cached").mkdir()
    (folder / "cached" / "01_curve.png").write_bytes(b"picture")
    path = write(folder, "01_toy", RECORD)
    (folder / "solutions").mkdir()
    solution = write(folder / "solutions", "01_toy", "6 * 7")
    assert notebooks.run([path], save=True)
    assert (folder / "published" / "01_curve.png").read_bytes() == b"picture"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = notebook.cells[1]
    assert code.outputs[0]["data"]["text/plain"] == repr(str(folder))
    assert code.execution_count == 1
    assert code.metadata == {}
    assert "widgets" not in notebook.metadata
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert "version" not in notebook.metadata["language_info"]
    assert path.read_bytes().endswith(b"}\n")
    assert nbformat.read(solution, 4).cells[1].outputs[0]["data"]["text/plain"] == "42"
    published = json.loads((folder / "published" / "01.json").read_text("utf-8"))
    cached = json.loads((folder / "cached" / "01.json").read_text("utf-8"))
    assert published == cached  # the chapter's run, not that of its solutions
    assert published["run"]["minutes"] > 0
    assert not list(folder.rglob("*.partial"))


@pytest.fixture
def recorded(folder, monkeypatch):
    """Return a function that runs chapters without a kernel: name -> their record."""
    (folder / "cached").mkdir()

    def run_with(records: dict[str, str]) -> bool:
        def execute(path, name):
            key = name.partition("_")[0]
            (folder / "cached" / f"{key}.json").write_text(
                records[name], encoding="utf-8"
            )
            costs = {"minutes": 1.0, "peak_memory_gb": 1.0}
            return nbformat.read(path, as_version=4), costs

        monkeypatch.setattr(notebooks, "_execute", execute)
        return notebooks.run([write(folder, name, "1") for name in records], save=True)

    return run_with


def test_a_further_sitting_publishes_its_own_files(folder, recorded):
    for name in ("04_curve.png", "04b_curve.png"):
        (folder / "cached" / name).touch()
    assert recorded({"04b_toy": '{"results": {"a": {"value": 1}}}'})
    names = {path.name for path in (folder / "published").iterdir()}
    assert names == {"04b.json", "04b_curve.png"}


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ('{"assets": ["minilmm"]}', "There is no asset 'minilmm'; the assets are m"),
        ("{", "Expecting property name"),
    ],
)
def test_results_that_cannot_be_used_do_not_stop_other_chapters(
    folder, recorded, capsys, record, problem
):
    good = '{"results": {"a": {"value": 1}}}'
    assert not recorded({"01_bad": record, "02_good": good})
    out, err = capsys.readouterr()
    assert f"01_bad FAILED: in {folder / 'cached' / '01.json'}, {problem}" in err
    assert "02_good: done after" in out
    assert [path.name for path in (folder / "published").iterdir()] == ["02.json"]


@pytest.mark.integration
def test_failures_are_named_and_do_not_stop_other_chapters(folder, capsys):
    expected = new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]})
    bad = "# first\n# second\n# third\nraise ValueError('bad\\nmiddle\\nworst')"
    paths = [
        write(folder, "01_bad", "1", bad, "2"),
        write(folder, "02_dead", "import os", "os._exit(3)"),
        folder / "03_broken.ipynb",
        write(folder, "04_good", expected, "3"),
    ]
    paths[2].write_text("<<<<<<< HEAD\n", encoding="utf-8")
    before = [path.read_bytes() for path in paths[:3]]
    assert not notebooks.run(paths, save=True)
    assert [path.read_bytes() for path in paths[:3]] == before
    assert b'"3"' in paths[3].read_bytes()
    out, err = capsys.readouterr()
    assert (
        "01_bad FAILED: in code cell 2 of 3, ValueError: worst\n"
        "    # first\n    # second\n    # third\n"
    ) in err
    assert "02_dead FAILED: in code cell 2 of 2, Kernel died (the peak memory" in err
    assert "03_broken FAILED: Notebook does not appear to be JSON" in err
    assert out.count("FAILED") == 3
    assert "04_good: done after" in out


@pytest.mark.integration
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_the_kernel_and_saves_nothing(folder):
    pid = folder / "pid"
    cell = f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))"
    path = write(folder, "01_long", cell, "time.sleep(600)")
    before = path.read_bytes()
    code = (
        "import sys, pathlib\nfrom helpers import paths\n"
        "from helpers.cli import main, run\n"
        "paths.NOTEBOOKS = pathlib.Path(sys.argv[1])\n"
        "run.ensure = lambda argv: 0.0\n"
        "sys.exit(main.main(['run', '1', '--save']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    deadline = time.monotonic() + 600
    while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    try:
        _, err = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Interrupted" in err
    assert "Traceback" not in err
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert path.read_bytes() == before


def test_the_table_shows_every_key_result():
    results = {f"r{i}": {"value": i, "key": True, "unit": "x"} for i in range(6)}
    results["other"] = {"value": 9}
    costs = {"minutes": 1.234, "peak_memory_gb": 0.5}
    lines = notebooks.row("01_toy", costs, results).splitlines()
    assert lines[0].split() == ["01_toy", "1.23", "0.50", "r0", "0", "x"]
    assert [line.split()[0] for line in lines[1:]] == [f"r{i}" for i in range(1, 6)]
    column = notebooks.TABLE.index("Key results")
    assert {line.index(f"r{i}") for i, line in enumerate(lines)} == {column}
