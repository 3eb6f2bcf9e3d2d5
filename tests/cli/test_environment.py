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
def site(tmp_path, monkeypatch):
    """Return where the packages of an environment lie that has one pin and none yet."""
    checkout = tmp_path / "Kurs für Ünï 課程"
    site = checkout / ".venv" / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    pins = "# pinned\n\ntorch==2.13.0  # every chapter\n"
    (checkout / "requirements.txt").write_text(pins, encoding="utf-8")
    monkeypatch.setattr(paths, "ROOT", checkout)
    monkeypatch.setattr(paths, "NOTEBOOKS", checkout / "notebooks")
    monkeypatch.setattr(sys, "path", [str(site)])
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return site


@pytest.fixture
def venv(outside, tmp_path):
    """Return the place of a virtual environment with an interpreter."""
    folder = tmp_path / ".venv"
    folder.mkdir()
    outside.setattr(environment, "VENV", folder)
    outside.setattr(environment, "PYTHON", folder / "python")
    (folder / "python").touch()
    return folder


def add_dist(site: Path, name: str, version: str, **files: str) -> None:
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (folder / "METADATA").write_text(metadata, encoding="utf-8")
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")


def test_a_plain_interpreter_gets_a_venv_beside_the_readme(outside):
    assert environment.prefix() == paths.ROOT / ".venv"
    assert not environment.in_use()


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
    assert environment.prefix() == Path(sys.base_prefix)


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
    assert environment.prefix() == paths.ROOT / ".venv"


def test_an_active_virtual_environment_is_respected(outside, tmp_path):
    outside.setattr(sys, "prefix", str(tmp_path))
    assert environment.prefix() == tmp_path


def test_everything_is_missing_at_first(site):
    assert environment.problems() == {"torch==2.13.0": "not installed"}


@pytest.mark.parametrize("version", ["2.13.0", "2.13.0+cpu", "2.13.0+cu128"])
def test_nothing_is_missing(site, version):
    add_dist(site, "torch", version, RECORD="torch.py,,\n")
    assert environment.problems() == {}


def test_another_version_is_a_problem(site):
    add_dist(site, "torch", "2.13.0.1", RECORD="torch.py,,\n")
    assert environment.problems()["torch==2.13.0"] == "2.13.0.1 is installed"


@pytest.mark.parametrize("files", [{}, {"RECORD": ""}])
def test_a_package_without_its_list_of_files_is_half_installed(site, files):
    add_dist(site, "torch", "2.13.0", **files)
    assert environment.problems()["torch==2.13.0"] == environment.HALF_INSTALLED


def test_a_package_with_empty_metadata_is_half_installed(site):
    add_dist(site, "torch", "2.13.0", RECORD="x", METADATA="")
    assert environment.problems()["torch==2.13.0"] == environment.HALF_INSTALLED


def test_the_link_leads_to_helpers_in_a_folder_with_any_name(site, monkeypatch):
    add_dist(site, "torch", "2.13.0", RECORD="torch.py,,\n")
    monkeypatch.setattr(install, "get_path", lambda name: site)
    install.set_up()
    text = (site / install.LINK).read_text(encoding="ascii")
    exec(text, {})
    assert sys.path[-1] == str(paths.ROOT)


def test_only_what_lies_outside_of_course_and_environment_is_foreign(
    site, monkeypatch, tmp_path
):
    named = [tmp_path / "other", paths.ROOT / "helpers", Path(sys.prefix) / "lib", ""]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, named)))
    assert environment.foreign() == [str(tmp_path / "other")]
    monkeypatch.setattr(sys, "path", [*map(str, named[:1]), "elsewhere"])
    assert environment.folders() == ["elsewhere"]


@pytest.mark.parametrize("file", ["torch.py", "torch/__init__.py", "helpers.py"])
def test_a_module_in_pythonpath_that_hides_one_of_the_course(
    site, monkeypatch, tmp_path, file
):
    path = tmp_path / "other" / file
    path.parent.mkdir(parents=True)
    path.touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    (sentence,) = environment.intruders()
    assert sentence.startswith(f"{path} is imported in place of the ")
    assert sentence.endswith(f"take {tmp_path / 'other'} out of PYTHONPATH")


def test_modules_that_hide_nothing_are_no_intruders(site, monkeypatch, tmp_path):
    (tmp_path / "other" / "torch").mkdir(parents=True)  # a folder of anything
    (tmp_path / "other" / "mine.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    assert environment.intruders() == []


def test_another_helpers_beside_the_notebooks_or_among_the_packages(site):
    beside = paths.NOTEBOOKS / "helpers.py"
    among = site / "helpers" / "__init__.py"
    for path in (beside, among):
        path.parent.mkdir()
        path.touch()
    first, second = environment.intruders()
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
def test_only_a_venv_of_a_new_enough_python_is_usable(venv, config, usable):
    if config:
        (venv / "pyvenv.cfg").write_text(config, encoding="utf-8")
    assert environment.usable() is usable


def test_a_venv_that_is_being_changed_is_not_usable(venv):
    (venv / "pyvenv.cfg").write_text("version = 3.12.1\n", encoding="utf-8")
    assert environment.usable()
    environment.marker().touch()
    assert not environment.usable()


def test_a_venv_whose_python_is_gone_is_not_usable(venv):
    (venv / "pyvenv.cfg").write_text("version = 3.12.1\n", encoding="utf-8")
    (venv / "python").unlink()
    assert not environment.usable()


def test_the_checkout_is_no_folder_of_packages(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(paths.ROOT), "elsewhere"])
    assert environment.folders() == ["elsewhere"]
