"""`doctor`: what the course finds here, and what to do about each problem.

Standard library only, and it changes nothing. Each line of the report is a level, a
title and a text.
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
from helpers.cli.environment import (
    SetupError,
    Target,
    choose,
    distribution,
    intruders,
    pins,
    problems,
)
from helpers.cli.install import check_first, ensure
from helpers.data import assets

SWITCHES = ("COURSE_OFFLINE", "COURSE_ASSETS", "COURSE_SOURCE", "HF_HUB_OFFLINE")
KNOWN = {"COURSE_PROFILE": paths.PROFILES, "COURSE_PRECISION": hardware.PRECISIONS}
OK, NOTE, STOP = "ok", "!", "STOP"  # the course cannot run with a STOP
Lines = Iterator[tuple[str, str, str]]


def add(command) -> None:
    command("doctor", run, "say what is there, what is missing, what to do", "doctor")


def run(args: argparse.Namespace) -> int:
    """Report on the environment of the course, as it is."""
    ensure(args.argv, install=False)
    return report()


def report() -> int:
    """Print the report and return 1 if something stops the course, else 0."""
    target = choose()
    lines = [*_packages(target), *_machine(target), *_assets(), *_settings()]
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


def _packages(target: Target) -> Lines:
    """Compare what is installed, and what an import finds, with what is required."""
    yield OK, "Python", f"{platform.python_version()}, {sys.executable}"
    missing = problems(target)
    if target.usable and not (missing or target.marker.exists()):
        yield OK, "Packages", f"all {len(pins())} as pinned, in {target.prefix}"
    else:
        state = "set-up is unfinished" if target.marker.exists() else "not all set up"
        yield NOTE, "Packages", f"{state}; lab, run or test mends {target.prefix}"
        for name, what in missing.items():
            yield NOTE, "", f"{name}: {what}"
        try:
            check_first(target)
        except SetupError as error:
            yield STOP, "Set-up", str(error)
    found = intruders(target)
    for sentence in found:
        yield STOP, "Modules", sentence
    if not found:
        yield OK, "helpers", f"imported from {paths.ROOT / 'helpers'}"


def _machine(target: Target) -> Lines:
    """Look at cores and threads, memory, disk and GPU."""
    number = f"{hardware.cores()} of {os.cpu_count()} cores usable"
    yield OK, "Processor", f"{number}, {platform.machine()}"
    names = (*hardware.WAITING, "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
    listed = ", ".join(
        f"{name}={os.environ[name]}" for name in names if name in os.environ
    )
    if hardware.waiting():
        sleep = hardware.waiting() == hardware.WAITING
        how = "sleep while they wait" if sleep else "wait as you set"
        yield OK, "Threads", f"{how} ({listed})"
    else:
        yield NOTE, "Threads", "spin, since torch was loaded first: restart Python"
    needs = [
        ("Free disk", shutil.disk_usage(paths.ROOT).free / 1e9, 1, "free some space")
    ]
    if find_spec("psutil"):  # after set-up
        memory = import_module("psutil").virtual_memory().total / 1e9
        needs += [("Memory", memory, 6, "close other programs while a chapter runs")]
    for title, gb, enough, remedy in needs:
        if gb < enough:
            yield NOTE, title, f"{gb:.1f} GB: {remedy}"
        else:
            yield OK, title, f"{gb:.1f} GB"
    if not os.access(paths.ROOT, os.W_OK):
        text = f"{paths.ROOT} is not writable: copy the course to a folder of your own"
        yield STOP, "Disk", text
    torch = distribution("torch", target.folders)
    if not shutil.which("nvidia-smi"):
        yield OK, "Accelerator", "no NVIDIA GPU, and the laptop profile needs none"
    elif torch and "+cpu" in torch.version:
        text = f"torch {torch.version} cannot use the NVIDIA GPU (see the README)"
        yield NOTE, "Accelerator", text
    else:
        yield OK, "Accelerator", "an NVIDIA GPU, for the full profile"


def _assets() -> Lines:
    """Check every model and data set."""
    unreachable = os.environ.get("COURSE_OFFLINE") == "1" and not assets.folders()
    for name, asset in assets.catalogue().items():
        state = assets.verify(name)
        get = f"`python -m helpers assets fetch {name}` ({asset.download_mb} MB)"
        if state == "verified":
            yield OK, "Asset", f"{name}: verified"
        elif unreachable:
            text = f"{name}: {state}; unset COURSE_OFFLINE or set COURSE_ASSETS, then "
            yield STOP, "Asset", text + get
        else:
            yield NOTE, "Asset", f"{name}: {state}; get it with {get}"


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
