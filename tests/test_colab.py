"""Chapters run with the versions that Colab has, and the first cell replaces none.

The list is in colab_packages.txt. torch is the one that is installed here.
"""

import os
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import read

from helpers import hardware, paths
from helpers.paths import ROOT

CHAPTERS = sorted(paths.NOTEBOOKS.glob("[0-9][0-9]*_*.ipynb"))
LISTED = (ROOT / "tests" / "colab_packages.txt").read_text(encoding="utf-8")
LACKING = (ROOT / "helpers" / "cli" / "colab.txt").read_text(encoding="utf-8")
REPOSITORY = "https://github.com/pretrained-models-measured/course"
TORCH = ("torch", "torch-*", "torchgen", "functorch", "nvidia*", "triton*")
RUN = """
import nbformat, sys
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=3600, kernel_name="python3").execute()
"""


def names(listing: str) -> list[str]:
    """Return the packages of a list, in small letters and with hyphens."""
    lines = [line.split("#")[0].strip() for line in listing.splitlines()]
    found = [line.split("==")[0] for line in lines if line]
    return [name.lower().replace("_", "-") for name in found]


def first_cell(path: Path) -> str:
    cells = read(path, as_version=4).cells
    return next(cell.source for cell in cells if cell.cell_type == "code")


def test_colab_is_given_only_what_it_lacks():
    assert set(names(LACKING)).isdisjoint(names(LISTED))
    kept = {"torch", "numpy", "pandas", "ipykernel", "ipython"}
    assert kept <= set(names(LISTED))


def test_all_chapters_begin_with_the_same_cell():
    assert len({first_cell(path) for path in CHAPTERS}) == 1


class Shell:
    """An IPython that notes what it is asked to do."""

    def __init__(self):
        self.lines = []

    def system(self, line: str):
        self.lines.append(f"!{line}")

    def run_line_magic(self, name: str, line: str):
        self.lines.append(f"%{name} {line}")


@pytest.fixture
def lines(monkeypatch):
    """Return a function that runs the first cell and returns what IPython did."""
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    monkeypatch.setattr(hardware, "share_cores", lambda: shell.lines.append("threads"))
    shell = Shell()
    code = TransformerManager().transform_cell(first_cell(CHAPTERS[0]))

    def run():
        exec(code, {"get_ipython": lambda: shell})
        return shell.lines

    return run


def test_elsewhere_the_first_cell_sees_to_the_threads_only(lines):
    assert lines() == ["threads"]


def test_on_colab_the_first_cell_fetches_the_course_and_what_is_missing(
    lines, monkeypatch
):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-1")
    clone, enter, install, threads = lines()
    assert clone.startswith("!test -d /content/course || git clone ")
    assert clone.endswith(" /content/course")
    assert enter == "%cd -q /content/course"
    assert install == "%pip install -q --no-deps -r helpers/cli/colab.txt"
    assert threads == "threads"


def packages(python: Path) -> set[str]:
    command = [python, "-m", "pip", "list", "--format=freeze"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def colab(tmp_path_factory) -> tuple[Path, set[str]]:
    """An environment with Colab's versions and our torch: its Python, its packages."""
    if os.name == "nt":
        pytest.skip("Colab is a Linux machine")
    folder = tmp_path_factory.mktemp("colab")
    venv.create(folder / "python", with_pip=True, symlinks=True)
    python = folder / "python" / "bin" / "python"
    here = Path(sysconfig.get_path("purelib"))
    there = next(folder.glob("python/lib/python3*/site-packages"))
    for pattern in TORCH:
        for entry in here.glob(pattern):
            (there / entry.name).symlink_to(entry)
    without_torch = [x for x in LISTED.splitlines() if not x.startswith("torch==")]
    (folder / "listed.txt").write_text("\n".join(without_torch))
    command = [python, "-m", "pip", "install", "-q", "-r", folder / "listed.txt"]
    subprocess.run(command, check=True)
    return python, packages(python)


@pytest.mark.colab
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_runs_on_colab(colab, tmp_path, path):
    """The notebook lies alone in a folder; the course is cloned as committed."""
    python, installed = colab
    text = path.read_text(encoding="utf-8")
    text = text.replace("/content/course", f"{tmp_path}/course")
    text = text.replace(f'{REPOSITORY}\\"', f'{ROOT.as_uri()}\\"')
    (tmp_path / path.name).write_text(text, encoding="utf-8")
    unwanted = ("PYTHON", "VIRTUAL_ENV", "COURSE_", *hardware.WAITING)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    on_colab = {
        "COLAB_RELEASE_TAG": "release-1",
        "COURSE_ASSETS": str(paths.CACHE),
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    subprocess.run(
        [python, "-c", RUN, path.name], cwd=tmp_path, env=kept | on_colab, check=True
    )
    added = packages(python) - installed
    assert {line.split("==")[0] for line in added} == set(names(LACKING))
    assert installed <= packages(python)
    check = subprocess.run(
        [python, "-m", "pip", "check"], capture_output=True, text=True
    )
    unmet = [x for x in check.stdout.splitlines() if x.split()[0] in names(LACKING)]
    assert unmet == []
