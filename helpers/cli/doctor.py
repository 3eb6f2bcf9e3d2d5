"""`doctor`: what the course finds here, and what to do about each problem.

Standard library only, and it changes nothing.
"""

import argparse
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

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
ENOUGH_MEMORY_GB = 6
ENOUGH_DISK_GB = 1
MARKS = {"good": "ok", "note": "!", "stop": "STOP"}


@dataclass(frozen=True)
class Finding:
    """One line of the report: level is `good`, `note` or `stop` (the course cannot)."""

    title: str
    text: str
    level: str = "good"


def add(command) -> None:
    """Register the command."""
    command("doctor", run, "say what is there, what is missing, what to do", "doctor")


def run(args: argparse.Namespace) -> int:
    """Report on the environment of the course, as it is."""
    ensure(args.argv, install=False)
    return report()


def report() -> int:
    """Print the report and return 1 if something stops the course, else 0."""
    target = choose()
    findings = [
        Finding("Python", f"{platform.python_version()}, {sys.executable}"),
        *_packages(target),
        *_modules(target),
        *_machine(),
        _accelerator(target),
        *_assets(),
        _profile(),
        _network(),
    ]
    for finding in findings:
        print(f"{MARKS[finding.level]:<5}{finding.title:<13}{finding.text}")
    stops = any(finding.level == "stop" for finding in findings)
    print("\nFirst mend what says STOP." if stops else "\nNothing is in the way.")
    return 1 if stops else 0


def unknown_setting() -> str | None:
    """Return one sentence if COURSE_PROFILE or COURSE_PRECISION names none."""
    for setting, known in (
        ("profile", paths.PROFILES),
        ("precision", hardware.PRECISIONS),
    ):
        name = f"COURSE_{setting.upper()}"
        value = os.environ.get(name, known[0])
        if value not in known:
            return (
                f"There is no {setting} '{value}'; set {name} to "
                f"{' or '.join(known)}, or unset it."
            )
    return None


def _packages(target: Target) -> Iterator[Finding]:
    """Compare what is installed with what is required."""
    missing = problems(target)
    if target.unfinished:
        text = f"set-up of {target.prefix} is unfinished; the next lab, run or test "
        yield Finding("Packages", text + "mends it", "note")
    elif not target.usable:
        text = f"not set up; the next lab, run or test installs into {target.prefix}"
        yield Finding("Packages", text, "note")
    elif missing:
        met = len(pins()) - len(missing)
        text = f"{met} of {len(pins())} as required in {target.prefix}; the next "
        yield Finding("Packages", text + "lab, run or test installs the others", "note")
        for name, what in missing.items():
            yield Finding("", f"{name}: {what}", "note")
    else:
        yield Finding("Packages", f"all {len(pins())} as pinned, in {target.prefix}")
        return
    try:
        check_first(target)
    except SetupError as error:
        yield Finding("Set-up", str(error), "stop")
    if not os.access(paths.ROOT, os.W_OK):
        text = f"{paths.ROOT} is not writable: copy the course to a folder of your own"
        yield Finding("Set-up", text, "stop")


def _modules(target: Target) -> Iterator[Finding]:
    """Say which `helpers` an import finds, and what else is found too early."""
    others = intruders(target)
    yield from (Finding("Modules", sentence, "stop") for sentence in others)
    if not any("the helpers that" in sentence for sentence in others):
        yield Finding("helpers", f"imported from {paths.ROOT / 'helpers'}")


def _machine() -> Iterator[Finding]:
    """Look at cores, memory, disk and the cache."""
    number = f"{hardware.cores()} of {os.cpu_count()} cores usable"
    yield Finding("Processor", f"{number}, {platform.machine()}")
    yield _threads()
    memory = _memory_gb()
    if memory and memory < ENOUGH_MEMORY_GB:
        text = f"{memory:.1f} GB: close other programs while a chapter runs"
        yield Finding("Memory", text, "note")
    else:
        yield Finding("Memory", f"{memory:.1f} GB" if memory else "unknown")
    free = shutil.disk_usage(paths.ROOT).free / 1e9
    enough = free >= ENOUGH_DISK_GB
    text = f"{free:.1f} GB free" + ("" if enough else ": free some, chapters need 1 GB")
    yield Finding("Disk", text, "good" if enough else "note")
    files = [path for path in paths.CACHE.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    yield Finding("Cache", f"{size:.0f} MB in {paths.CACHE}")


def _threads() -> Finding:
    """Say how torch's threads wait, and who limits their number."""
    settings = hardware.waiting()
    if not settings:
        text = "spin while they wait, since torch was loaded first: restart Python"
        return Finding("Threads", text, "note")
    how = "sleep while they wait" if settings == hardware.WAITING else "wait as you set"
    if "OMP_NUM_THREADS" in os.environ:
        settings["OMP_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"]
    listed = ", ".join(f"{name}={value}" for name, value in settings.items())
    return Finding("Threads", f"{how} ({listed})")


def _memory_gb() -> float | None:
    """Return the size of the main memory, or None where the system does not say."""
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    import ctypes  # noqa: PLC0415 - needed on Windows only

    kilobytes = ctypes.c_ulonglong()
    known = ctypes.windll.kernel32.GetPhysicallyInstalledSystemMemory(
        ctypes.byref(kilobytes)
    )
    return kilobytes.value * 1024 / 1e9 if known else None


def _accelerator(target: Target) -> Finding:
    """Look for a GPU, without importing torch."""
    torch = distribution("torch", target.folders)
    nvidia = shutil.which("nvidia-smi")
    if nvidia and torch and "+cpu" in torch.version:
        text = (
            f"an NVIDIA GPU, but torch {torch.version} cannot use it (see the README)"
        )
        return Finding("Accelerator", text, "note")
    if nvidia:
        return Finding("Accelerator", f"an NVIDIA GPU ({nvidia})")
    if sys.platform == "darwin" and platform.machine() == "arm64":
        text = "Apple's GPU, which the laptop profile leaves alone"
        return Finding("Accelerator", text)
    return Finding("Accelerator", "none, and the laptop profile needs none")


def _assets() -> Iterator[Finding]:
    """Check every model and data set."""
    offline = os.environ.get("COURSE_OFFLINE") == "1"
    nowhere = offline and not os.environ.get("COURSE_ASSETS")
    for name, asset in assets.catalogue().items():
        state = assets.verify(name)
        if state == "verified":
            yield Finding("Asset", f"{name}: verified")
        elif "checkout" in asset.sources[0]:
            text = f"{name}: {state}; get {asset.sources[0]['checkout']} anew"
            yield Finding("Asset", text, "note")
        elif "package" in asset.sources[0]:
            text = f"{name}: {state}; comes with package {asset.sources[0]['package']}"
            yield Finding("Asset", text, "note")
        elif nowhere:
            text = f"{name}: {state}, and COURSE_OFFLINE=1: unset it, or set "
            yield Finding("Asset", text + "COURSE_ASSETS to a folder with it", "stop")
        else:
            text = f"{name}: {state}; `python -m helpers assets fetch {name}` gets it"
            yield Finding("Asset", f"{text} ({asset.download_mb} MB)", "note")


def _profile() -> Finding:
    """Check the profile and the precision."""
    if problem := unknown_setting():
        return Finding("Profile", problem, "stop")
    return Finding("Profile", os.environ.get("COURSE_PROFILE", "laptop"))


def _network() -> Finding:
    """Name the switches that keep the course from the network or change its sources."""
    there = [f"{name}={os.environ[name]}" for name in SWITCHES if name in os.environ]
    lost = [str(folder) for folder in assets.folders() if not folder.is_dir()]
    if lost:
        text = f"COURSE_ASSETS names {', '.join(lost)}, which is no folder"
        return Finding("Network", text, "note")
    return Finding("Network", ", ".join(there) or "no offline switch is set")
