"""Set-up: make `.venv` if needed and install what is missing, visibly and repeatably.

Standard library only. It may be interrupted or started twice: a marker lies in the
environment while packages are changed, and a lock makes set-ups wait for each other.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from sysconfig import get_path

from helpers import paths
from helpers.cli import environment
from helpers.cli.environment import SetupError, Target
from helpers.cli.failures import LOG, explain
from helpers.cli.progress import progress

NEEDED_GB = 3  # by torch and the others
LINK = "course.pth"  # lies beside the packages and leads to `helpers`
MISLEADING = {  # variables that would send packages elsewhere, or keep them away
    *("PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON"),
    *("PIP_DRY_RUN", "PIP_REQUIREMENT", "PIP_CONSTRAINT", "PIP_REQUIRE_HASHES"),
}


def ensure(argv: list[str], install: bool = True) -> float:
    """Return, in a ready environment, the time at which the command was started.

    Installs what is missing (unless told not to), and continues the command `argv` with
    the interpreter of `.venv` if that is where the packages are. Raises SetupError.
    """
    first = os.environ.pop("COURSE_STARTED", None)  # set when a command is continued
    started = float(first or time.time())
    target = environment.choose()
    if install:
        if found := environment.intruders(target):
            raise SetupError(found[0])
        try:
            with _locked():
                set_up(target)
                link(target)
        except OSError as error:
            raise explain(target, f"ERROR: {error}") from error
    if target.running or not target.usable:
        return started
    if first:
        raise SetupError(
            f"{target.python} does not use its own environment: unset PYTHONHOME, or "
            f"delete {target.prefix}"
        )
    os.environ["COURSE_STARTED"] = str(started)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # pip has written none
    sys.exit(hand_over([target.python, "-m", "helpers", *argv]))


def hand_over(command: list[str]) -> int:
    """Let `command` take the place of this process, in the folder of the course."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.chdir(paths.ROOT)
    if os.name != "nt":
        os.execv(command[0], command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command alone
    return subprocess.call(command)  # Windows cannot replace a process


def set_up(target: Target) -> None:
    """Make the environment if needed and install what is missing. Raises SetupError."""
    begin = time.monotonic()
    missing = environment.problems(target)
    repair = target.marker.exists() or environment.HALF_INSTALLED in missing.values()
    if target.usable and not (missing or repair):
        return
    check_first(target)
    print(f"Setting up {len(missing)} packages in {target.prefix}", file=sys.stderr)
    if not target.usable:
        _make_venv(target)
        repair = False
    _install(target, repair)
    target.marker.unlink(missing_ok=True)
    if left := environment.problems(target):
        raise SetupError(
            f"pip ended well, but {', '.join(left)} is not as required: see whether "
            "`pip config list` sends packages elsewhere"
        )
    print(f"Set-up finished: {time.monotonic() - begin:.0f} s", file=sys.stderr)


def link(target: Target) -> None:
    """Let `import helpers` mean this checkout, also when it was moved."""
    folder = get_path("purelib") if target.running else target.folders[0]
    file = Path(folder, LINK)
    text = f"import sys; sys.path.append({ascii(str(paths.ROOT))})\n"
    if not file.is_file() or file.read_bytes() != text.encode():
        paths.write(file, text)


def check_first(target: Target) -> None:
    """Raise SetupError if it is clear already that set-up would fail."""
    if not (target.usable or find_spec("venv") and find_spec("ensurepip")):
        raise SetupError(
            f"{sys.executable} lacks the modules venv and ensurepip: install them (on "
            "Debian and Ubuntu with `sudo apt install python3-venv`)"
        )
    ours = target.prefix / "pyvenv.cfg", target.marker
    if not target.usable and target.prefix.exists() and not any(map(Path.exists, ours)):
        raise SetupError(f"{target.prefix} is no virtual environment: move it away")
    torch = any(pin.startswith("torch==") for pin in environment.problems(target))
    free = shutil.disk_usage(target.prefix.parent).free / 1e9
    if torch and free < NEEDED_GB:
        raise SetupError(
            f"Set-up needs about {NEEDED_GB} GB, but the disk has {free:.1f} GB free: "
            "free some, or move the course to another disk"
        )


@contextmanager
def _locked():
    """Hold the lock of set-up, which the system frees when the process ends."""
    paths.CACHE.mkdir(parents=True, exist_ok=True)
    with open(paths.CACHE / "setup.lock", "a", encoding="utf-8") as file:
        with progress(lambda: "Waiting for another set-up of this course"):
            _lock(file)
        yield


def _lock(file) -> None:
    """Wait for the lock on an open file."""
    if os.name != "nt":
        import fcntl  # noqa: PLC0415 - does not exist on Windows

        return fcntl.flock(file, fcntl.LOCK_EX)
    import msvcrt  # noqa: PLC0415 - exists on Windows only

    while True:
        with suppress(OSError):  # it gives up after ten seconds
            return msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)


def _make_venv(target: Target) -> None:
    """Make the virtual environment from scratch."""
    target.prefix.mkdir(exist_ok=True)
    target.marker.touch()
    for entry in target.prefix.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry != target.marker:
            entry.unlink()
    _run(target, [sys.executable, "-m", "venv", str(target.prefix)])
    target.marker.unlink()


def _install(target: Target, repair: bool) -> None:
    """Run pip for the pins.

    Bytecode is left to the first import, which needs a tenth of it: that makes set-up
    a third shorter. Where no import may keep bytecode, pip writes all of it.
    """
    command = [target.python, "-m", "pip", "install", "--no-input"]
    command += ["--disable-pip-version-check", "-r", str(environment.listing())]
    command += ["--no-deps"] * ("COLAB_RELEASE_TAG" in os.environ)  # see colab.txt
    command += ["--no-compile"] * (not (target.running and sys.dont_write_bytecode))
    command += ["--ignore-installed"] * repair
    _run(target, command)


def _run(target: Target, command: list[str]) -> None:
    """Run one step of set-up, logged and with visible progress. Raises SetupError."""
    variables = {k: v for k, v in os.environ.items() if k not in MISLEADING}
    variables |= {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}  # also in pip's files
    variables["PYTHONIOENCODING"] = "utf-8"
    begin = time.monotonic()
    line = "starting"

    def status() -> str:
        there = sum(len([*Path(f).glob("*.dist-info")]) for f in target.folders)
        seconds = time.monotonic() - begin
        return f"Set-up, {seconds:.0f} s, {there} packages there: {line.strip()}"

    with (
        open(LOG, "w", encoding="utf-8") as log,
        progress(status),
        subprocess.Popen(
            command,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        try:
            for line in process.stdout:
                log.write(line)
                if line.startswith("Installing collected packages"):
                    target.marker.touch()
        except KeyboardInterrupt:  # the terminal sends it to the process, too
            with suppress(subprocess.TimeoutExpired):
                process.wait(2)
            process.terminate()
            raise
    if process.returncode:
        tail = LOG.read_text(encoding="utf-8").splitlines()[-20:]
        raise explain(target, "\n".join(tail))
