"""`doctor`: what the course finds here, and what to do about each problem.

Standard library only, and it changes nothing.
"""

import argparse
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

from helpers import hardware, paths
from helpers.cli import environment
from helpers.cli.environment import SetupError
from helpers.cli.install import check_first, ensure
from helpers.data import assets

SWITCHES = ("COURSE_OFFLINE", "COURSE_ASSETS", "COURSE_SOURCE", "HF_HUB_OFFLINE")
KNOWN = {"COURSE_PROFILE": paths.PROFILES, "COURSE_PRECISION": hardware.PRECISIONS}
OK, NOTE, STOP = "ok", "!", "STOP"  # the course cannot run with a STOP
Lines = Iterator[tuple[str, str, str]]  # level, title, text


def add(command) -> None:
    command("doctor", run, "say what is there, what is missing, what to do", "doctor")


def run(args: argparse.Namespace) -> int:
    """Report on the environment of the course, as it is."""
    ensure(args.argv, install=False)
    return report()


def report() -> int:
    """Print the report and return 1 if something stops the course, else 0."""
    lines = [*_packages(), *_machine(), *_assets(), *_settings()]
    for level, title, text in lines:
        print(f"{level:<5}{title:<13}{text}")
    stops = any(level == STOP for level, *_ in lines)
    print("\nFirst mend what says STOP." if stops else "\nNothing is in the way.")
    return int(stops)


def unknown_setting() -> str | None:
    """Return one sentence if COURSE_PROFILE or COURSE_PRECISION names none."""
    for name, known in KNOWN.items():
        value = os.environ.get(name, known[0])
        if value not in known:
            return f"{name} is '{value}': set {' or '.join(known)}, or unset it."
    return None


def _packages() -> Lines:
    """Compare what is installed, and what an import finds, with what is required."""
    yield OK, "Python", f"{platform.python_version()}, {sys.executable}"
    missing = environment.problems() if environment.in_use() else {}
    unfinished = environment.marker().exists()
    if environment.in_use() and not (missing or unfinished):
        yield OK, "Packages", f"all as pinned, in {sys.prefix}"
    else:
        text = "set-up is unfinished in " if unfinished else "not all set up in "
        text += f"{environment.prefix()}; lab, run or test mends that"
        yield NOTE, "Packages", text
        for name, what in missing.items():
            yield NOTE, "", f"{name}: {what}"
        try:
            check_first()
        except SetupError as error:
            yield STOP, "Set-up", str(error)
    yield OK, "helpers", f"in {paths.ROOT / 'helpers'}"
    for sentence in environment.intruders():
        yield STOP, "Modules", sentence


def _machine() -> Lines:
    """Look at cores and threads, memory, disk and GPU."""
    number = f"{hardware.cores()} of {os.cpu_count()} cores usable"
    yield OK, "Processor", f"{number}, {platform.machine()}"
    if waiting := hardware.waiting():
        how = "sleep while they wait" if waiting == hardware.WAITING else "as you set"
        listed = ", ".join(f"{name}={value}" for name, value in waiting.items())
        yield OK, "Threads", f"{how} ({listed})"
    else:
        yield NOTE, "Threads", "spin, since torch was loaded first: restart Python"
    if find_spec("psutil"):  # after set-up
        memory = import_module("psutil").virtual_memory().total / 1e9
        text = f"{memory:.1f} GB, of which chapters need up to 4"
        yield NOTE if memory < 6 else OK, "Memory", text
    free = shutil.disk_usage(paths.ROOT).free / 1e9
    yield NOTE if free < 1 else OK, "Disk", f"{free:.1f} GB free, chapters need 1"
    if not os.access(paths.ROOT, os.W_OK):
        text = f"{paths.ROOT} is not writable: copy the course to a folder of your own"
        yield STOP, "Disk", text
    torch = environment.distribution("torch")
    if not shutil.which("nvidia-smi"):
        yield OK, "Accelerator", "no NVIDIA GPU, and the laptop profile needs none"
    elif torch and "+cpu" in torch.version:
        yield NOTE, "Accelerator", f"torch {torch.version} cannot use the NVIDIA GPU"
    else:
        yield OK, "Accelerator", "an NVIDIA GPU, for the full profile"


def _assets() -> Lines:
    """Check every model and data set."""
    unreachable = os.environ.get("COURSE_OFFLINE") == "1" and not assets.folders()
    level, first = (STOP, "unset COURSE_OFFLINE, then ") if unreachable else (NOTE, "")
    for name, asset in assets.catalogue().items():
        state = assets.verify(name)
        if state == "verified":
            yield OK, "Asset", f"{name}: verified"
        else:
            get = f"{first}`python -m helpers assets fetch {name}`"
            yield level, "Asset", f"{name}: {state}; {get} ({asset.download_mb} MB)"


def _settings() -> Lines:
    """Check the profile and the switches of network and sources."""
    problem = unknown_setting()
    profile = os.environ.get("COURSE_PROFILE", "laptop")
    yield STOP if problem else OK, "Profile", problem or profile
    there = [f"{name}={os.environ[name]}" for name in SWITCHES if name in os.environ]
    yield OK, "Network", ", ".join(there) or "no offline switch is set"
    for folder in assets.folders():
        if not folder.is_dir():
            yield NOTE, "Network", f"COURSE_ASSETS: {folder} is no folder"
