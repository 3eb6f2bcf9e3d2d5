"""What is listed, what is imported and what is checked are the same packages."""

import ast
import json
import re
import sys
import tomllib

import pytest

from helpers.cli import environment
from helpers.data import assets
from helpers.paths import ROOT

REQUIREMENTS = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
PINS = [line for line in REQUIREMENTS if line.strip() and not line.startswith("#")]
DISTRIBUTIONS = {module: name for name, module in environment.MODULES.items()}
LOCAL = {"helpers", "tests", *(path.stem for path in ROOT.glob("tests/*.py"))}
PYTHON_FILES = sorted(ROOT.glob("helpers/**/*.py")) + sorted(ROOT.glob("tests/**/*.py"))
NOTEBOOKS = sorted(ROOT.glob("notebooks/**/[0-9]*.ipynb"))


def without_comment(line: str) -> str:
    return line.split("#")[0].strip()


def imported(source: str) -> set[str]:
    """Return the top-level modules that Python code imports."""
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(node.module)
    return {module.split(".")[0] for module in modules}


def code_of(path) -> str:
    """Return the Python of a notebook, without magics and shell commands."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", "\n".join(code))


@pytest.mark.parametrize("line", PINS, ids=without_comment)
def test_every_line_is_an_exact_pin_that_says_who_needs_it(line):
    assert re.fullmatch(r"[\w.-]+==\d[\w.]*\s+# \S.*", line)
    assert re.search(r"chapter|python -m helpers|progress|slides", line)


def test_no_package_is_listed_twice():
    assert len({line.split("==")[0] for line in PINS}) == len(PINS)


def test_the_environment_check_reads_the_same_pins(monkeypatch):
    assert [f"{n}=={v}" for n, v in environment.pins().items()] == [
        without_comment(line) for line in PINS
    ]
    monkeypatch.setattr(environment, "folders", lambda: [])
    assert set(environment.problems()) == set(map(without_comment, PINS))


def test_conda_installs_the_same_pins():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    head, pip = text.split("- pip:\n")
    assert re.search(r"(?m)^  - python=3\.1[1-9]$", head)
    assert re.search(r"(?m)^  - pip$", head)
    listed = [without_comment(line).removeprefix("- ") for line in pip.splitlines()]
    assert listed == [*map(without_comment, PINS), "-e ."]


def test_the_package_has_every_room():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["requires-python"] == ">=3.11"
    rooms = {path.parent for path in (ROOT / "helpers").rglob("__init__.py")}
    packages = {".".join(room.relative_to(ROOT).parts) for room in rooms}
    assert set(project["tool"]["setuptools"]["packages"]) == packages
    assert "dependencies" not in project["project"]  # requirements.txt has them all


@pytest.mark.parametrize("path", PYTHON_FILES + NOTEBOOKS, ids=lambda p: p.stem)
def test_every_imported_package_is_pinned(path):
    notebook = path.suffix == ".ipynb"
    source = code_of(path) if notebook else path.read_text(encoding="utf-8")
    third_party = imported(source) - LOCAL - sys.stdlib_module_names
    needed = {DISTRIBUTIONS.get(name, name) for name in third_party}
    assert {name.replace("_", "-") for name in needed} <= {
        name.replace("_", "-") for name in environment.pins()
    }


def test_colab_has_or_is_given_every_imported_package():
    files = [path for path in PYTHON_FILES if path.is_relative_to(ROOT / "helpers")]
    sources = [path.read_text(encoding="utf-8") for path in files]
    sources += [code_of(path) for path in NOTEBOOKS]
    third_party = imported("\n".join(sources)) - {"helpers"} - sys.stdlib_module_names
    there = set()
    for name in ("tests/colab_packages.txt", "helpers/cli/colab.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        there |= {line.split("==")[0] for line in text.splitlines()}
    assert {DISTRIBUTIONS.get(name, name) for name in third_party} <= there


def test_assets_that_come_with_a_package_come_with_a_pinned_one():
    for asset in assets.catalogue().values():
        for source in asset.sources:
            assert source.get("package", "nilearn") in environment.pins()
