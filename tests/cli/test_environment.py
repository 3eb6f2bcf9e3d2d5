"""Which environment the packages belong into, and what is missing there."""

import os
import sys
from pathlib import Path

import pytest

from helpers import paths
from helpers.cli import environment, install


@pytest.fixture
def outside(monkeypatch):
    """Pretend to be the interpreter of the system, with no environment in use."""
    for name in ("CI", "COLAB_RELEASE_TAG", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    return monkeypatch


@pytest.fixture
def target(tmp_path, monkeypatch):
    """Return an environment with one pin and nothing installed."""
    checkout = tmp_path / "Kurs für Ünï 課程"
    checkout.mkdir()
    pins = "# pinned\n\ntorch==2.13.0  # every chapter\n"
    (checkout / "requirements.txt").write_text(pins, encoding="utf-8")
    monkeypatch.setattr(paths, "ROOT", checkout)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    prefix = checkout / ".venv"
    site(prefix).mkdir(parents=True)
    return environment.Target(str(prefix / "python"), prefix)


def site(prefix: Path) -> Path:
    return prefix / "lib" / "python3.11" / "site-packages"


def add_dist(prefix: Path, name: str, version: str, **files: str) -> None:
    folder = site(prefix) / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (folder / "METADATA").write_text(metadata, encoding="utf-8")
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")


def test_a_plain_interpreter_gets_a_venv_beside_the_readme(outside):
    assert environment.choose().prefix == paths.ROOT / ".venv"
    assert not environment.choose().running


def test_colab_gets_only_what_it_lacks(monkeypatch):
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    everywhere = environment.pins()
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-1")
    lacking = environment.pins()
    assert set(lacking) < set(everywhere)
    assert not set(lacking) & {"torch", "numpy", "pandas", "ipykernel", "ipython"}


@pytest.mark.parametrize(
    "variables",
    [
        {"CI": "true"},
        {"COLAB_RELEASE_TAG": "release-1"},
        {"CONDA_PREFIX": sys.base_prefix, "CONDA_DEFAULT_ENV": "course"},
    ],
)
def test_an_environment_in_use_is_respected(outside, variables):
    for name, value in variables.items():
        outside.setenv(name, value)
    assert environment.choose() == environment.Target(
        sys.executable, Path(sys.base_prefix)
    )


@pytest.mark.parametrize(
    "variables",
    [
        {"CI": "false"},
        {"CONDA_PREFIX": sys.base_prefix, "CONDA_DEFAULT_ENV": "base"},
        {"CONDA_PREFIX": "another", "CONDA_DEFAULT_ENV": "course"},
    ],
)
def test_no_environment_in_use(outside, variables):
    for name, value in variables.items():
        outside.setenv(name, value)
    assert environment.choose().prefix == paths.ROOT / ".venv"


def test_an_active_virtual_environment_is_respected(outside, tmp_path):
    outside.setattr(sys, "prefix", str(tmp_path))
    assert environment.choose() == environment.Target(sys.executable, tmp_path)


def test_everything_is_missing_at_first(target):
    assert environment.problems(target) == {"torch==2.13.0": "not installed"}


@pytest.mark.parametrize("version", ["2.13.0", "2.13.0+cpu", "2.13.0+cu128"])
def test_nothing_is_missing(target, version):
    add_dist(target.prefix, "torch", version, RECORD="torch.py,,\n")
    assert environment.problems(target) == {}


def test_another_version_is_a_problem(target):
    add_dist(target.prefix, "torch", "2.13.0.1", RECORD="torch.py,,\n")
    assert environment.problems(target)["torch==2.13.0"] == "2.13.0.1 is installed"


@pytest.mark.parametrize("files", [{}, {"RECORD": ""}])
def test_a_package_without_its_list_of_files_is_half_installed(target, files):
    add_dist(target.prefix, "torch", "2.13.0", **files)
    assert environment.problems(target)["torch==2.13.0"] == environment.HALF_INSTALLED


def test_a_package_with_empty_metadata_is_half_installed(target):
    add_dist(target.prefix, "torch", "2.13.0", RECORD="x", METADATA="")
    assert environment.problems(target)["torch==2.13.0"] == environment.HALF_INSTALLED


def test_the_link_leads_to_helpers_in_a_folder_with_any_name(target):
    install.link(target)
    text = (site(target.prefix) / install.LINK).read_text(encoding="ascii")
    scope = {}
    exec(text, scope)
    assert sys.path.pop() == str(paths.ROOT)


def test_only_what_lies_outside_of_course_and_environment_is_foreign(
    target, monkeypatch, tmp_path
):
    named = [tmp_path / "other", paths.ROOT / "helpers", Path(sys.prefix) / "lib", ""]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, named)))
    assert environment.foreign() == [str(tmp_path / "other")]
    monkeypatch.setattr(sys, "path", [*map(str, named[:1]), "elsewhere"])
    running = environment.Target(sys.executable, Path(sys.prefix))
    assert running.folders == ["elsewhere"]


@pytest.mark.parametrize("file", ["torch.py", "torch/__init__.py", "helpers.py"])
def test_a_module_in_pythonpath_that_hides_one_of_the_course(
    target, monkeypatch, tmp_path, file
):
    path = tmp_path / "other" / file
    path.parent.mkdir(parents=True)
    path.touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    (sentence,) = environment.intruders(target)
    assert sentence.startswith(f"{path} is imported in place of the ")
    assert sentence.endswith(f"take {tmp_path / 'other'} out of PYTHONPATH")


def test_modules_that_hide_nothing_are_no_intruders(target, monkeypatch, tmp_path):
    (tmp_path / "other" / "torch").mkdir(parents=True)  # a folder of anything
    (tmp_path / "other" / "mine.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    assert environment.intruders(target) == []


def test_another_helpers_beside_the_notebooks_or_among_the_packages(
    target, monkeypatch
):
    monkeypatch.setattr(paths, "NOTEBOOKS", paths.ROOT / "notebooks")
    beside = paths.NOTEBOOKS / "helpers.py"
    among = site(target.prefix) / "helpers" / "__init__.py"
    for path in (beside, among):
        path.parent.mkdir()
        path.touch()
    first, second = environment.intruders(target)
    assert first.startswith(f"{beside} is imported in place of the helpers that")
    assert first.endswith(": rename it")
    assert second.startswith(f"{among} is imported")
    assert second.endswith(": uninstall it")


@pytest.mark.parametrize(
    ("config", "usable"),
    [
        ("home = /usr/bin\nversion = 3.11.7\n", True),
        ("version_info = 3.13.0.final.0\n", True),
        ("version = 3.10.13\n", False),
        ("home = /usr/bin\n", False),
        (None, False),
    ],
)
def test_only_a_venv_of_a_new_enough_python_is_usable(target, config, usable):
    Path(target.python).touch()
    if config:
        (target.prefix / "pyvenv.cfg").write_text(config, encoding="utf-8")
    assert target.usable is usable


def test_a_venv_that_is_being_changed_is_not_usable(target):
    Path(target.python).touch()
    (target.prefix / "pyvenv.cfg").write_text("version = 3.12.1\n", encoding="utf-8")
    assert target.usable
    target.marker.touch()
    assert not target.usable


def test_a_venv_whose_python_is_gone_is_not_usable(target):
    (target.prefix / "pyvenv.cfg").write_text("version = 3.12.1\n", encoding="utf-8")
    assert not target.usable


def test_the_checkout_is_no_folder_of_packages(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(paths.ROOT), "elsewhere"])
    running = environment.Target(sys.executable, Path(sys.prefix))
    assert running.folders == ["elsewhere"]
