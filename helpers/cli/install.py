"""Set-up: make `.venv` if needed and install what is missing, visibly and repeatably.

Standard library only. It may be interrupted or started twice: a marker lies in the
environment while packages are changed, and a lock makes set-ups wait for each other.
"""

import os
import shutil
import signal
import sys
import time
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen, TimeoutExpired, call
from sysconfig import get_path

from helpers import paths
from helpers.cli import environment
from helpers.cli.environment import SetupError
from helpers.cli.failures import LOG, explain
from helpers.cli.progress import progress
from helpers.data.pip_access import pip_variables

NEEDED_GB = 3  # by torch and the others
LINK = "course.pth"  # lies beside the packages and leads to `helpers`


def ensure(argv: list[str], install: bool = True) -> float:
    """Return, in a ready environment, the time at which the command was started.

    Installs what is missing (unless told not to). If the packages belong into `.venv`,
    its interpreter continues the command `argv`. Raises SetupError.
    """
    first = os.environ.pop("COURSE_STARTED", None)  # set when a command is continued
    started = float(first or time.time())
    if install:
        try:
            with _locked():
                set_up() if environment.in_use() else make_venv()
        except OSError as error:
            raise explain(f"ERROR: {error}") from error
    if environment.in_use() or not environment.usable():
        return started
    if first:
        raise SetupError(
            f"{sys.executable} does not use its own environment: unset PYTHONHOME, or "
            f"delete {environment.VENV}"
        )
    os.environ["COURSE_STARTED"] = str(started)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # see _install
    sys.exit(hand_over([str(environment.PYTHON), "-m", "helpers", *argv]))


def hand_over(command: list[str]) -> int:
    """Let `command` take the place of this process, in the folder of the course."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.chdir(paths.ROOT)
    if os.name != "nt":
        os.execv(command[0], command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command alone
    return call(command)  # Windows cannot replace a process


def make_venv() -> None:
    """Make `.venv` from scratch, unless it is usable. Raises SetupError."""
    if environment.usable():
        return
    check_first()
    environment.VENV.mkdir(exist_ok=True)
    environment.marker().touch()
    for entry in environment.VENV.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry != environment.marker():
            entry.unlink()
    _run([sys.executable, "-m", "venv", str(environment.VENV)])
    environment.marker().unlink()


def set_up() -> None:
    """Install what is missing here, and link `helpers`. Raises SetupError."""
    if found := environment.intruders():
        raise SetupError(found[0])
    begin = time.monotonic()
    missing = environment.problems()
    unfinished = environment.marker().exists()
    if missing or unfinished:
        check_first()
        print(f"Setting up {len(missing)} packages in {sys.prefix}", file=sys.stderr)
        _install(unfinished or environment.HALF_INSTALLED in missing.values())
        environment.marker().unlink(missing_ok=True)
        if left := environment.problems():
            raise SetupError(
                f"pip ended well, but {', '.join(left)} is not as required: see "
                "whether `pip config list` sends packages elsewhere"
            )
        print(f"Set-up finished: {time.monotonic() - begin:.0f} s", file=sys.stderr)
    link = Path(get_path("purelib"), LINK)
    text = f"import sys; sys.path.append({ascii(str(paths.ROOT))})\n"
    if not link.is_file() or link.read_bytes() != text.encode():  # or it was moved
        paths.write(link, text)


def check_first() -> None:
    """Raise SetupError if it is clear already that set-up would fail."""
    if not environment.in_use():
        if not (find_spec("venv") and find_spec("ensurepip")):
            raise SetupError(
                f"{sys.executable} lacks the modules venv and ensurepip: install them "
                "(on Debian and Ubuntu with `sudo apt install python3-venv`)"
            )
        venv, marker = environment.VENV, environment.marker()
        if venv.exists() and not ((venv / "pyvenv.cfg").exists() or marker.exists()):
            raise SetupError(f"{venv} is no virtual environment: move it away")
    free = shutil.disk_usage(paths.ROOT).free / 1e9
    if free < NEEDED_GB and not environment.distribution("torch"):
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


def _install(repair: bool) -> None:
    """Run pip for the pins.

    The first import writes bytecode, a tenth as much as pip would, if it may keep it.
    """
    command = [sys.executable, "-m", "pip", "install", "--no-input"]
    command += ["--disable-pip-version-check", "-r", str(environment.listing())]
    command += ["--no-deps"] * ("COLAB_RELEASE_TAG" in os.environ)  # see colab.txt
    command += ["--no-compile"] * (not sys.dont_write_bytecode)
    command += ["--ignore-installed"] * repair
    _run(command)


def _run(command: list[str]) -> None:
    """Run one step of set-up, logged and with visible progress. Raises SetupError."""
    begin = time.monotonic()
    line = command[2].encode()  # venv or pip

    def status() -> str:
        there = len([*Path(get_path("purelib")).glob("*.dist-info")])
        now = f"Set-up, {time.monotonic() - begin:.0f} s, {there} packages there: "
        return now + line.decode(errors="replace").strip()

    with (
        open(LOG, "wb") as log,
        progress(status),
        Popen(command, env=pip_variables(), stdout=PIPE, stderr=STDOUT) as process,
    ):
        try:
            for line in process.stdout:
                log.write(line)
                if line.startswith(b"Installing collected packages"):
                    environment.marker().touch()
        except KeyboardInterrupt:  # the terminal sends it to the process, too
            with suppress(TimeoutExpired):
                process.wait(2)
            process.terminate()
            raise
    if process.returncode:
        tail = LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        raise explain("\n".join(tail))
