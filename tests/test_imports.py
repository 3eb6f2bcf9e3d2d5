"""The house: rooms, who may import whom, and imports that do nothing else.

The graph is read from the syntax trees, with the imports inside functions.
"""

import ast
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from itertools import pairwise

import pytest

from helpers.paths import ROOT

# room -> the rooms below it, which it may import; all may import the top level
BELOW = {
    "data": set(),
    "models": {"data"},
    "training": {"models", "data"},
    "pretraining": {"models", "data"},
    "experiments": {"training", "pretraining", "models", "data"},
    "exercises": set(),
    "cli": {"experiments", "training", "pretraining", "models", "data"},
    "helpers": set(),
}
TOP = {"course", "metrics", "plots", "drawings", "shapes", "hardware", "paths"}
BEFORE_SET_UP = {
    "cli.main",
    "cli.environment",
    "cli.install",
    "cli.progress",
    "hardware",
    "paths",
}
LONGEST = 300  # lines of a module


def name_of(path) -> str:
    """`helpers/data/assets.py` -> `data.assets`."""
    return ".".join(path.relative_to(ROOT / "helpers").with_suffix("").parts)


FILES = {
    name_of(path): path
    for path in sorted((ROOT / "helpers").rglob("*.py"))
    if path.name not in ("__init__.py", "__main__.py")
}


def room(module: str) -> str:
    """The room of a module; those of the top level are in `helpers`."""
    return module.partition(".")[0] if "." in module else "helpers"


def imports(module: str, top_only: bool = False) -> set[str]:
    """The modules of the course that a module imports."""
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    found = set()
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("helpers"):
            inside = node.module.removeprefix("helpers").removeprefix(".")
            for alias in node.names:
                whole = f"{inside}.{alias.name}".removeprefix(".")
                found.add(whole if whole in FILES else inside)
    assert found <= set(FILES), (module, found)
    return found


GRAPH = {module: imports(module) for module in FILES}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle of the graph, from a node back to itself, or nothing."""

    def search(path):
        for follower in sorted(graph[path[-1]]):
            if follower in path:
                return [*path[path.index(follower) :], follower]
            if follower not in done and (found := search([*path, follower])):
                return found
        done.add(path[-1])
        return []

    done: set[str] = set()
    return next((c for node in graph if (c := search([node]))), [])


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_every_module_is_in_a_room_or_one_of_the_top_level():
    assert {room(module) for module in FILES} == set(BELOW)
    assert {module for module in FILES if room(module) == "helpers"} == TOP


@pytest.mark.parametrize("module", FILES)
def test_no_import_runs_upwards(module):
    allowed = BELOW[room(module)] | {room(module), "helpers"}
    upwards = {other for other in GRAPH[module] if room(other) not in allowed}
    assert not upwards


def test_there_is_no_circle_among_modules_or_rooms():
    rooms = {name: set() for name in BELOW}
    for module, others in GRAPH.items():
        rooms[room(module)] |= {room(other) for other in others} - {room(module)}
    assert circle(GRAPH) == []
    assert circle(rooms) == []


@pytest.mark.parametrize("module", FILES)
def test_a_module_is_short(module):
    assert len(FILES[module].read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_what_runs_before_set_up_imports_the_standard_library_only():
    seen, to_do = set(), sorted(BEFORE_SET_UP)
    while to_do:
        module = to_do.pop()
        seen.add(module)
        to_do += [other for other in imports(module, top_only=True) - seen]
        tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
        for node in tree.body:
            names = [alias.name for alias in getattr(node, "names", [])]
            if isinstance(node, ast.ImportFrom):
                names = [node.module]
            elif not isinstance(node, ast.Import):
                continue
            for name in names:
                first = name.partition(".")[0]
                assert first in sys.stdlib_module_names | {"helpers"}, (module, name)
    assert seen >= BEFORE_SET_UP


STATE = """
import json, logging, os, sys, warnings
import numpy, random, torch, matplotlib.pyplot, transformers, datasets, seaborn

def state():
    return [
        dict(os.environ), str(warnings.filters), dict(matplotlib.rcParams.items()),
        torch.get_num_threads(), torch.initial_seed(), str(random.getstate()),
        str(numpy.random.get_state()), transformers.utils.logging.get_verbosity(),
        transformers.utils.logging.is_progress_bar_enabled(),
        datasets.utils.logging.get_verbosity(), datasets.is_progress_bar_enabled(),
        {name: logging.getLogger(name).filters
         for name in list(logging.root.manager.loggerDict)
         if logging.getLogger(name).filters},
    ]

names = ("nilearn", "evaluate", "peft", "onnx", "sklearn.datasets",
         "sklearn.model_selection", "scipy.stats", "IPython.display", "nbclient",
         "matplotlib.figure", "accelerate", "torch.profiler", "psutil",
         "transformers.trainer")
for other in names:  # what these do at import is not ours
    __import__(other)
for name in sys.argv[1:]:
    before = state()
    __import__(name)
    for old, new in zip(before, state()):
        if old != new:
            print(name, str(old)[:2000], "->", str(new)[:2000])
"""


@pytest.mark.integration
def test_importing_a_module_does_nothing_else(tmp_path):
    (tmp_path / "loud.py").write_text("import os; os.environ['LOUD'] = '1'")
    lowest_first = TopologicalSorter(GRAPH).static_order()
    modules = [f"helpers.{module}" for module in lowest_first]
    command = [sys.executable, "-c", STATE, "loud", *modules]
    folders = os.pathsep.join((str(ROOT), str(tmp_path)))
    variables = os.environ | {"PYTHONPATH": folders}
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    changes = done.stdout.splitlines()
    assert [line.partition(" ")[0] for line in changes] == ["loud"], changes


def test_the_circle_search_sees_every_edge():
    path = ["a", *"bcdefgh", "a"]
    assert circle({one: {two} for one, two in pairwise(path)}) == path
