"""Set-up, from the first run to every way in which it can go wrong.

Most tests set up a toy checkout for real: the course's own `helpers`, one pinned
package that stands for all others, and a folder of wheels instead of a network.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers.cli import environment, install
from helpers.cli.progress import progress
from helpers.paths import ROOT

BASE_PYTHON = getattr(sys, "_base_executable", sys.executable)
pytestmark = pytest.mark.integration
MARKER = environment.marker().name
LOG = Path("data", "cache", "setup.log")
CLOSED_PORT = "http://127.0.0.1:9/simple"
FAKE_PYTEST = """
import sys
print("TESTED", sys.prefix, sys.argv[1:], sys.dont_write_bytecode)
sys.exit(7)
"""


def make_wheel(folder: Path, name: str, version: str, source: str) -> None:
    """Write a wheel with one module."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {f"{name}.py": source, f"{info}/METADATA": metadata, f"{info}/WHEEL": tags}
    record = f"{info}/RECORD"
    files[record] = "".join(f"{path},,\n" for path in [*files, record])
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


def make_checkout(folder: Path) -> Path:
    """Write a toy checkout whose `test` command runs a fake pytest."""
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "helpers", folder / "helpers", ignore=unwanted)
    for name in ("data", "notebooks", "wheels"):
        (folder / name).mkdir()
    shutil.copy(ROOT / "data" / "assets.toml", folder / "data")
    (folder / "requirements.txt").write_text("pytest==1.0  # all\n", encoding="utf-8")
    make_wheel(folder / "wheels", "pytest", "1.0", FAKE_PYTEST)
    return folder


@pytest.mark.parametrize("release", [None, "release-1"])
def test_colab_keeps_its_own_packages(monkeypatch, tmp_path, release):
    """pip is told not to follow what the few missing packages need."""
    commands = []
    monkeypatch.setattr(install, "_run", commands.append)
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    if release:
        monkeypatch.setenv("COLAB_RELEASE_TAG", release)
    install._install(repair=False)
    assert ("--no-deps" in commands[0]) == bool(release)
    assert any(word.endswith("colab.txt") for word in commands[0]) == bool(release)


def variables(checkout: Path, **more: str) -> dict[str, str]:
    """Return an environment without network, CI, conda and the course's switches."""
    unwanted = ("CI", "COLAB", "CONDA", "VIRTUAL_ENV", "PIP_", "COURSE_", "PYTHON")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    pip = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": (checkout / "wheels").as_uri(),
        "PYTHONUTF8": "1",
    }
    return kept | pip | more


def start(checkout: Path, *command: str, python: str = BASE_PYTHON, **more: str):
    """Start a command in the toy checkout."""
    return subprocess.Popen(
        [python, *(command or ("-m", "helpers", "test", "-k", "a b"))],
        cwd=checkout,
        env=variables(checkout, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )


def run(checkout: Path, *command: str, **more: str) -> tuple[int, str, str]:
    """Run a command in the toy checkout; return code, stdout and stderr."""
    process = start(checkout, *command, **more)
    out, err = process.communicate(timeout=600)
    assert "Traceback" not in err
    return process.returncode, out, err


def run_with(checkout: Path, preamble: str, **more: str) -> tuple[int, str, str]:
    """Run `test` after a line of Python that breaks something."""
    code = f"{preamble}\nimport sys, runpy\nsys.argv = ['helpers', 'test']\n"
    code += "runpy.run_module('helpers', run_name='__main__', alter_sys=True)"
    return run(checkout, "-c", code, **more)


@pytest.fixture
def checkout(tmp_path):
    """Return a toy checkout that is not set up, in a folder with a difficult name."""
    return make_checkout(tmp_path / "Kurs für Ünï 課程 [1] {x}")


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """Return a toy checkout whose set-up met Ctrl-C, the exit code and the words."""
    checkout = make_checkout(tmp_path_factory.mktemp("ready") / "Kurs für Ünï [1] {x}")
    process = start(checkout)
    if os.name == "nt":  # has no SIGINT for one process
        process.communicate(timeout=600)
        return checkout, None, None
    while not (checkout / ".venv" / "pyvenv.cfg").exists():
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=600)
    return checkout, process.returncode, err


@pytest.fixture(scope="module")
def ready(interrupted):
    """Return the toy checkout after two processes have set it up at the same time."""
    checkout, *_ = interrupted
    leftover = checkout / ".venv" / "lib" / "leftover"
    leftover.parent.mkdir(exist_ok=True)
    leftover.touch()
    both = [start(checkout, PYTHONDONTWRITEBYTECODE="1") for _ in range(2)]
    printed = [process.communicate(timeout=600) for process in both]
    return checkout, [process.returncode for process in both], printed


@pytest.fixture
def damaged(ready):
    """Return the checkout with a package of which pip has not written the end."""
    checkout, *_ = ready
    next((checkout / ".venv").rglob("pytest-1.0.dist-info/RECORD")).unlink()
    yield checkout
    assert run(checkout)[0] == 7


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_during_set_up(interrupted):
    checkout, code, err = interrupted
    assert code == 130
    assert "Interrupted" in err
    assert "Traceback" not in err


def test_the_first_run_sets_up_and_continues_in_the_venv(ready):
    checkout, codes, printed = ready
    assert codes == [7, 7]  # the exit code of the command itself
    for out, err in printed:
        assert str(checkout / ".venv") in out
        assert "'-k', 'a b']" in out
        assert out.strip().endswith("False")  # .venv was installed without bytecode
        assert "Traceback" not in err
    assert not (checkout / ".venv" / MARKER).exists()
    assert not (checkout / ".venv" / "lib" / "leftover").exists()  # made from nothing


def test_two_set_ups_at_once_wait_for_each_other(ready):
    _, _, printed = ready
    assert sum("Setting up 1 packages" in err for _, err in printed) == 1


def test_the_second_run_does_nothing(ready):
    checkout, *_ = ready
    log = checkout / LOG
    before = log.stat().st_mtime_ns
    code, out, err = run(checkout)
    assert (code, err) == (7, "")
    assert log.stat().st_mtime_ns == before


def test_no_network_and_nothing_cached(ready):
    checkout, *_ = ready
    pins = checkout / "requirements.txt"
    pins.write_text("pytest==1.0\nabsent==2.0\n", encoding="utf-8")
    try:
        code, out, err = run(
            checkout, PIP_NO_INDEX="0", PIP_INDEX_URL=CLOSED_PORT, PIP_RETRIES="1"
        )
        assert (code, out) == (1, "")
        assert "The package index cannot be reached" in err
        code, out, err = run(checkout, PIP_RETRIES="0")
        assert (code, out) == (1, "")
        assert "pip finds no absent==2.0 for Python 3." in err
        assert not (checkout / ".venv" / MARKER).exists()  # nothing was changed
    finally:
        pins.write_text("pytest==1.0\n", encoding="utf-8")


def test_a_half_installed_package_is_repaired_whatever_pip_is_told(damaged, tmp_path):
    elsewhere = {
        f"PIP_{name}": str(tmp_path / "elsewhere")
        for name in ("TARGET", "PREFIX", "ROOT", "REQUIREMENT", "CONSTRAINT", "PYTHON")
    }
    elsewhere |= dict.fromkeys(("PIP_USER", "PIP_DRY_RUN", "PIP_REQUIRE_HASHES"), "1")
    (tmp_path / "pip.conf").write_text("[install]\nuser = true\n", encoding="utf-8")
    elsewhere["PIP_CONFIG_FILE"] = str(tmp_path / "pip.conf")
    (damaged / LOG).unlink()
    code, _, err = run(damaged, **elsewhere)
    assert code == 7
    assert "Set-up finished:" in err
    assert next((damaged / ".venv").rglob("pytest-1.0.dist-info/RECORD")).exists()
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_sends_packages_elsewhere_is_named(damaged, tmp_path):
    text = f"[install]\ntarget = {tmp_path / 'elsewhere'}\n"
    (tmp_path / "pip.conf").write_text(text, encoding="utf-8")
    code, out, err = run(damaged, PIP_CONFIG_FILE=str(tmp_path / "pip.conf"))
    assert (code, out) == (1, "")
    assert "see whether `pip config list` sends packages elsewhere" in err
    assert not (damaged / ".venv" / MARKER).exists()  # no need to rebuild


def python_of(checkout: Path) -> Path:
    return checkout / ".venv" / ("Scripts" if os.name == "nt" else "bin") / "python"


def test_a_set_up_that_was_killed_starts_from_nothing(ready):
    checkout, *_ = ready
    (checkout / ".venv" / MARKER).touch()
    leftover = checkout / ".venv" / "lib" / "leftover"
    leftover.touch()
    code, _, err = run(checkout)
    assert code == 7
    assert "Setting up 1 packages" in err
    assert not (checkout / ".venv" / MARKER).exists()
    assert not leftover.exists()


def imported_from(checkout: Path, folder: Path) -> str:
    """Return where `import helpers` leads, in the environment and another folder."""
    command = [
        str(python_of(checkout)),
        "-c",
        "import helpers; print(ascii(helpers.__file__))",
    ]
    env = variables(checkout)
    return subprocess.check_output(command, cwd=folder, env=env, text=True).strip()


def test_helpers_are_found_from_any_folder_also_after_a_move(ready, tmp_path):
    checkout, *_ = ready
    moved = checkout.rename(checkout.with_name("moved 課程"))
    offline = {"PIP_FIND_LINKS": "", "PIP_INDEX_URL": CLOSED_PORT}
    try:
        code, out, err = run(moved, **offline)
        assert (code, err) == (7, "")
        assert str(moved / ".venv") in out
        where = ascii(str(moved / "helpers" / "__init__.py"))
        assert imported_from(moved, tmp_path) == where
    finally:
        moved.rename(checkout)
    assert run(checkout, **offline)[0] == 7
    where = ascii(str(checkout / "helpers" / "__init__.py"))
    assert imported_from(checkout, tmp_path) == where


def test_an_older_package_in_pythonpath_is_named_and_nothing_is_changed(
    ready, tmp_path
):
    checkout, *_ = ready
    make_wheel(tmp_path, "pytest", "0.1", "")
    wheel = next(tmp_path.glob("*.whl"))
    shutil.unpack_archive(wheel, tmp_path / "old", format="zip")
    before = (checkout / LOG).stat().st_mtime_ns
    code, out, err = run(checkout, PYTHONPATH=str(tmp_path / "old"))
    assert (code, out) == (1, "")
    assert f"the course needs: take {tmp_path / 'old'} out of PYTHONPATH, then" in err
    assert (checkout / LOG).stat().st_mtime_ns == before
    assert run(checkout, PYTHONPATH=str(tmp_path))[0] == 7


def test_a_disk_that_becomes_full(ready):
    checkout, *_ = ready
    link = next((checkout / ".venv").rglob(install.LINK))
    link.unlink()
    refuse = f"def refuse(*_): raise OSError({errno.ENOSPC}, 'No space left on device')"
    python = str(python_of(checkout))
    code, out, err = run_with(
        checkout, f"import os\n{refuse}\nos.replace = refuse", python=python
    )
    assert (code, out) == (1, "")
    assert "The disk became full during set-up: free about 3 GB" in err
    assert run(checkout)[0] == 7
    assert link.exists()


def test_no_pip(checkout):
    bare = checkout / "bare"
    command = [BASE_PYTHON, "-m", "venv", "--without-pip", str(bare)]
    subprocess.run(command, check=True)
    python = bare / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    process = start(checkout, python=str(python))
    out, err = process.communicate(timeout=600)
    assert (process.returncode, out) == (1, "")
    assert f"There is no pip in {bare}: run `" in err
    assert {entry.name for entry in bare.iterdir()}.isdisjoint({MARKER})


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_no_venv(checkout, module):
    code, out, err = run_with(checkout, f"import sys; sys.modules['{module}'] = None")
    assert (code, out) == (1, "")
    assert "sudo apt install python3-venv" in err
    assert not (checkout / ".venv").exists()


def test_too_little_space(checkout):
    usage = "shutil.disk_usage = lambda path: shutil._ntuple_diskusage(9, 9, 10**8)"
    code, out, err = run_with(checkout, f"import shutil; {usage}")
    assert (code, out) == (1, "")
    assert "has 0.1 GB free" in err
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(errno.EROFS, "Set-up may not write"), (errno.ENOSPC, "The disk became full")],
)
def test_a_system_that_refuses_to_write(checkout, number, sentence):
    refuse = f"def refuse(*_): raise OSError({number}, os.strerror({number}))"
    code, out, err = run_with(checkout, f"import os\n{refuse}\nos.mkdir = refuse")
    assert (code, out) == (1, "")
    assert err.startswith(sentence)
    assert not (checkout / ".venv").exists()


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind root"
)
def test_a_read_only_checkout(checkout):
    checkout.chmod(0o555)
    try:
        code, out, err = run(checkout)
    finally:
        checkout.chmod(0o755)
    assert (code, out) == (1, "")
    assert err.startswith("Set-up may not write")


def test_a_folder_of_the_user_is_not_deleted(checkout):
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "thesis.txt").touch()
    code, out, err = run(checkout)
    assert (code, out) == (1, "")
    assert "is no virtual environment: move it away" in err
    assert (checkout / ".venv" / "thesis.txt").exists()


def test_a_file_in_the_place_of_the_venv(checkout):
    (checkout / ".venv").touch()
    code, out, err = run(checkout)
    assert (code, out) == (1, "")
    assert "is no virtual environment: move it away" in err


def test_a_venv_that_is_none_does_not_loop(monkeypatch):
    monkeypatch.setenv("COURSE_STARTED", "1.5")
    monkeypatch.setattr(environment, "in_use", lambda: False)
    monkeypatch.setattr(environment, "usable", lambda: True)
    with pytest.raises(
        environment.SetupError, match="does not use its own environment"
    ):
        install.ensure(["doctor"], install=False)


def test_the_start_of_the_command_is_remembered_once(monkeypatch):
    monkeypatch.setattr(environment, "in_use", lambda: True)
    monkeypatch.setenv("COURSE_STARTED", "1.5")
    assert install.ensure([], install=False) == 1.5
    before = time.time()
    assert before <= install.ensure([], install=False) <= time.time()


def test_set_up_shows_what_pip_says(monkeypatch, tmp_path):
    shown = []

    @contextmanager
    def keep(text):
        yield
        shown.append(text())

    (tmp_path / "mpmath-1.dist-info").mkdir()
    monkeypatch.setattr(install, "progress", keep)
    monkeypatch.setattr(install, "get_path", lambda name: tmp_path)
    monkeypatch.setattr(install, "LOG", tmp_path / "setup.log")
    monkeypatch.setattr(environment, "prefix", lambda: tmp_path)
    says = "print('Installing collected packages: mpmath, torch')"
    install._run([sys.executable, "-c", says])
    assert shown[0].endswith(
        "s, 1 packages there: Installing collected packages: mpmath, torch"
    )
    assert environment.marker().exists()


def test_progress_is_a_rewritten_line_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress(lambda: "half way"):
        time.sleep(0.5)
    lines = capsys.readouterr().err
    assert "\rhalf way" in lines
    assert "\n" not in lines
    assert lines.endswith("\r")
