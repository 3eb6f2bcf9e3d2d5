"""Set-up: make `.venv` if needed and install what is missing, visibly and repeatably.

Standard library only. Three files in the root of the environment make it safe to
interrupt set-up and to start it twice: a marker that lies there while packages are
changed, a lock, and the log of the last step.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from helpers import paths
from helpers.cli.environment import (
    HALF_INSTALLED,
    MARKER,
    SetupError,
    Target,
    choose,
    intruders,
    link_text,
    listing,
    problems,
)
from helpers.cli.failures import AGAIN, LOG, explain
from helpers.cli.progress import Step, progress

LOCK = "course-setup.lock"
NEEDED_GB = 3
PIP_KEEPS = (  # of the user's settings: those that say where packages come from
    r"PIP_(.*INDEX.*|FIND_LINKS|TRUSTED_HOST|.*CERT|PROXY|.*TIMEOUT|RETRIES|.*CACHE_DIR"
    r"|CONFIG_FILE|KEYRING_PROVIDER|BREAK_SYSTEM_PACKAGES)"
)


def ensure(argv: list[str], install: bool = True) -> float:
    """Return, in a ready environment, the time at which the command was started.

    Installs what is missing (unless told not to), and continues the command `argv` with
    the interpreter of `.venv` if that is where the packages are. Raises SetupError.
    """
    first = os.environ.pop("COURSE_STARTED", None)  # set when a command is continued
    started = float(first or time.time())
    target = choose()
    if install:
        if found := intruders(target):
            raise SetupError(f"{found[0]}, {AGAIN}.")
        if target.unfinished or not target.usable or problems(target):
            set_up(target)
        link(target)
    if target.running or target.unfinished or not target.usable:
        return started
    if first:
        raise SetupError(
            f"{target.python} does not use its own environment: unset PYTHONHOME, or "
            f"delete {target.prefix}, {AGAIN}."
        )
    os.environ["COURSE_STARTED"] = str(started)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # see _install
    sys.exit(hand_over([target.python, "-m", "helpers", *argv]))


def hand_over(command: list[str]) -> int:
    """Let `command` take the place of this process, in the folder of the course."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.chdir(paths.ROOT)
    if os.name != "nt":
        os.execv(command[0], command)
    with subprocess.Popen(command) as process:  # Windows cannot replace a process
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # the command has received it too
                continue


def set_up(target: Target) -> None:
    """Make the environment if needed and install what is missing. Raises SetupError."""
    check_first(target)
    begin = time.monotonic()
    try:
        with _locked(target):
            _bring_up_to_date(target)
    except OSError as error:
        raise SetupError(explain(target, f"ERROR: {error}")) from error
    seconds = time.monotonic() - begin
    print(f"Set-up finished after {seconds:.0f} s", file=sys.stderr)


def link(target: Target) -> None:
    """Let `import helpers` mean this checkout, in the environment and from any folder.

    It takes neither pip nor a network, also when the checkout was moved.
    """
    try:
        file, text = target.link, link_text()
        if not file.is_file() or file.read_bytes() != text.encode():
            paths.write(file, text)
    except OSError as error:
        raise SetupError(explain(target, f"ERROR: {error}")) from error


def check_first(target: Target) -> None:
    """Raise SetupError if set-up would fail for want of `venv`, pip or disk space."""
    if not _to_be_made(target):
        if not any(Path(folder, "pip").is_dir() for folder in target.folders):
            raise SetupError(
                f"There is no pip in {target.prefix}: run `{target.python} -m "
                "ensurepip`, or, with uv, `uv pip install -r requirements.txt`, "
                f"{AGAIN}."
            )
    elif not (find_spec("venv") and find_spec("ensurepip")):
        raise SetupError(
            f"{sys.executable} lacks the modules venv and ensurepip: install them (on "
            "Debian and Ubuntu with `sudo apt install python3-venv`) or use another "
            f"Python, {AGAIN}."
        )
    elif target.prefix.exists() and not _ours(target.prefix):
        raise SetupError(
            f"{target.prefix} is something else than a virtual environment: move it "
            f"away, {AGAIN}."
        )
    torch_is_there = not any(name.startswith("torch==") for name in problems(target))
    needed = NEEDED_GB / 10 if torch_is_there else NEEDED_GB
    disk = target.prefix if target.prefix.exists() else paths.ROOT
    free = shutil.disk_usage(disk).free / 1e9
    if free < needed:
        raise SetupError(
            f"Set-up needs about {needed} GB, but the disk of {disk} has {free:.1f} GB "
            f"free: free some, or move the course to another disk, {AGAIN}."
        )


def _to_be_made(target: Target) -> bool:
    """Return whether `.venv` must be made, for the first time or again."""
    return not target.running and (target.unfinished or not target.usable)


def _ours(prefix: Path) -> bool:
    """Return whether a fresh virtual environment may take the place of `prefix`."""
    if not prefix.is_dir():
        return False
    names = {entry.name for entry in prefix.iterdir()}
    return names <= {LOCK} or bool(names & {MARKER, "pyvenv.cfg"})


@contextmanager
def _locked(target: Target):
    """Make set-ups of the same environment wait for each other.

    The system frees the lock when the process ends, however it ends.
    """
    target.prefix.mkdir(exist_ok=True)
    with open(target.prefix / LOCK, "a", encoding="utf-8") as handle:
        with progress(lambda: f"Waiting for another set-up of {target.prefix}"):
            while not _try_lock(handle):
                time.sleep(0.2)
        yield


def _try_lock(handle: IO) -> bool:
    """Lock an open file, or return False if another process holds it."""
    try:
        if os.name == "nt":
            import msvcrt  # noqa: PLC0415 - exists on Windows only

            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - does not exist on Windows

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _bring_up_to_date(target: Target) -> None:
    """Do the work of `set_up`, under the lock."""
    missing = problems(target)
    repair = target.unfinished or HALF_INSTALLED in missing.values()
    if not (repair or missing):
        return  # another process did it while this one waited
    number = len(missing)
    print(f"Setting up {number} packages in {target.prefix}", file=sys.stderr)
    to_be_made = _to_be_made(target)
    (target.prefix / MARKER).touch()
    if to_be_made:
        _make_venv(target)
    _install(target, repair and not to_be_made)
    (target.prefix / MARKER).unlink()
    if left := problems(target):
        raise SetupError(
            f"pip ended well, but {', '.join(left)} is not as required in "
            f"{target.prefix}: see whether `pip config list` sends packages elsewhere "
            f"(target, prefix, root), or make a new environment, {AGAIN}."
        )


def _make_venv(target: Target) -> None:
    """Make the virtual environment from scratch."""
    for entry in target.prefix.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name not in (MARKER, LOCK):
            entry.unlink()
    command = [sys.executable, "-m", "venv", str(target.prefix)]
    _run(target, command, Step(target.folders, "making the environment"))


def _install(target: Target, repair: bool) -> None:
    """Run pip for the pins.

    Bytecode is left to the first import, which needs a tenth of it: that makes set-up
    a third shorter. An environment that never keeps bytecode gets all of it here.
    """
    command = [target.python, "-m", "pip", "install", "--no-input"]
    command += ["--disable-pip-version-check", "-r", str(listing())]
    command += ["--no-deps"] * ("COLAB_RELEASE_TAG" in os.environ)  # see colab.txt
    if not (target.running and sys.dont_write_bytecode):
        command += ["--no-compile"]
    command += ["--ignore-installed"] * repair
    step = Step(target.folders, "looking for packages")
    try:
        _run(target, command, step)
    except BaseException:
        if not (repair or step.total):  # pip has only looked and downloaded so far
            (target.prefix / MARKER).unlink()
        raise


def _run(target: Target, command: list[str], step: Step) -> None:
    """Run one step of set-up, logged and with visible progress. Raises SetupError."""
    log = target.prefix / LOG
    with open(log, "w", encoding="utf-8") as out, progress(step.text):
        process = subprocess.Popen(
            command,
            cwd=paths.ROOT,
            env=_variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        try:
            for line in process.stdout:
                out.write(line)
                step.read(line)
            process.wait()
        finally:
            _end(process)
    if process.returncode:
        tail = log.read_text(encoding="utf-8").splitlines()[-20:]
        raise SetupError(explain(target, "\n".join(tail)))


def _variables() -> dict[str, str]:
    """Return the environment variables for pip: none that sends packages elsewhere."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if re.fullmatch(PIP_KEEPS, name) or not name.startswith(("PIP_", "PYTHONPATH"))
    }
    own = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}  # also against pip's files
    return kept | own | {"PYTHONIOENCODING": "utf-8"}


def _end(process: subprocess.Popen) -> None:
    """Let an interrupted process clean up after itself, or else end it."""
    interrupt = signal.SIGTERM if os.name == "nt" else signal.SIGINT
    for stop in (None, interrupt, signal.SIGTERM):
        if process.poll() is None:
            if stop:
                process.send_signal(stop)
            with suppress(subprocess.TimeoutExpired):
                process.wait(2)
