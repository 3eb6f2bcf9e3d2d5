"""What the machine can do is counted, measured and set as promised."""

import io
import os
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from joblib.externals.loky.backend import context

from helpers import course, hardware
from helpers.paths import ROOT

OURS = (*hardware.WAITING, "OMP_WAIT_POLICY")


@pytest.fixture
def untouched(monkeypatch):
    """An environment in which nobody has said how threads wait."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def before_torch(untouched):
    """The same, and torch is not loaded yet."""
    untouched.delitem(sys.modules, "torch")
    untouched.setattr(os, "environ", dict(os.environ))  # what is set goes with it
    return untouched


def test_threads_sleep_while_they_wait(before_torch):
    hardware.share_cores()
    assert hardware.waiting() == hardware.WAITING


@pytest.mark.parametrize("name", OURS)
def test_the_users_own_setting_stays(before_torch, name):
    before_torch.setitem(os.environ, name, "mine")
    hardware.share_cores()
    assert hardware.waiting() == {name: "mine"}


def test_a_setting_that_comes_too_late_is_not_made(untouched):
    assert "torch" in sys.modules
    hardware.share_cores()
    assert hardware.waiting() == {}


def test_a_chapter_says_that_the_setting_came_too_late(untouched, capsys):
    course.start("07")
    assert "restart the kernel and run the first cell first" in capsys.readouterr().out


ON_LINUX = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="torch uses GNU's OpenMP on Linux only"
)


def spin_counts(code: str) -> set[str]:
    """Run Python where nobody said how threads wait; return what OpenMP then read.

    OpenMP reads its settings when torch is loaded, and prints them if it is entered to.
    """
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=kept | {"OMP_DISPLAY_ENV": "VERBOSE"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout
    found = set(re.findall(r"GOMP_SPINCOUNT = '(\w+)'", done.stdout))
    assert found, done.stdout
    return found


COMMAND = """
import runpy, sys
sys.argv = ["helpers", "assets", "list"]
try:
    runpy.run_module("helpers", run_name="__main__")
except SystemExit:
    assert "torch" not in sys.modules
import torch
"""
LAB = """
import os, runpy, sys
from jupyter_client.manager import run_kernel
from helpers.cli import environment

def a_kernel_for_jupyterlab(program, command):
    assert "jupyterlab" in command
    with run_kernel(kernel_name="python3") as client:
        client.execute_interactive("import torch")
    os._exit(0)

environment.problems = dict  # nothing is to be installed
os.execv = a_kernel_for_jupyterlab
sys.argv = ["helpers", "lab"]
runpy.run_module("helpers", run_name="__main__")
"""
EDITOR = """
import json, sys
from pathlib import Path
from IPython.core.inputtransformer2 import TransformerManager

path = min(Path("notebooks").glob("01_*.ipynb"))
cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
first = next(cell for cell in cells if cell["cell_type"] == "code")
exec(TransformerManager().transform_cell("".join(first["source"])))
assert "torch" not in sys.modules
import torch
"""
PYTEST = """
import pytest
pytest.main(["--collect-only", "-qs", "-p", "no:cacheprovider", "tests/test_course.py"])
"""


@ON_LINUX
@pytest.mark.integration
@pytest.mark.parametrize("program", [COMMAND, LAB, EDITOR, PYTEST])
def test_openmp_reads_the_setting_before_it_starts(program):
    assert spin_counts(program) == {hardware.WAITING["GOMP_SPINCOUNT"]}


@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("10000 100000\n", 1),
        ("9000000 100000\n", 8),
    ],
)
def test_a_container_limits_the_cores(monkeypatch, limit, cores):
    limits = {"/sys/fs/cgroup/cpu.max": limit}
    monkeypatch.setattr(context.os.path, "exists", lambda name: name in limits)
    monkeypatch.setattr(
        context, "open", lambda name: io.StringIO(limits[name]), raising=False
    )
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    affinity = set(range(8))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: affinity, raising=False)
    assert hardware.cores() == cores


@ON_LINUX
def test_affinity_limits_the_cores():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from helpers import hardware; print(hardware.cores())"
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, cwd=ROOT, text=True) == "1\n"


@pytest.mark.parametrize(("counted", "cores"), [(8, 8), (None, 1)])
def test_cores_are_counted_before_set_up(monkeypatch, counted, cores):
    monkeypatch.setitem(sys.modules, "joblib", None)
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert hardware.cores() == cores


@pytest.mark.parametrize(("users", "threads"), [(None, [3]), ("5", [])])
def test_a_chapter_computes_on_the_usable_cores(monkeypatch, users, threads):
    given = []
    monkeypatch.setattr(torch, "set_num_threads", given.append)
    monkeypatch.setattr(hardware, "cores", lambda: 3)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if users:
        monkeypatch.setenv("OMP_NUM_THREADS", users)
    course.start("07")
    assert given == threads


def test_throughput_is_operations_over_the_best_time(monkeypatch):
    clock = iter([0.0, 2.0, 10.0, 10.5])  # one product of 2 s, one of half a second
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    throughput = hardware.matrix_throughput(size=100, repeats=2)
    assert throughput == pytest.approx(2e6 / 0.5 / 1e9)


def test_throughput_is_positive_and_finite():
    assert 0 < hardware.matrix_throughput(size=256, repeats=3) < 1e6


@pytest.mark.parametrize(
    ("profile", "cuda", "mps", "device"),
    [
        ("laptop", True, True, "cpu"),
        ("full", True, True, "cuda"),
        ("full", False, True, "mps"),
        ("full", False, False, "cpu"),
    ],
)
def test_the_full_profile_takes_the_best_device(
    monkeypatch, profile, cuda, mps, device
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert hardware.device(profile) == device


@pytest.fixture
def machine(monkeypatch):
    """Return a function that sets the throughputs measured, for each data type."""
    monkeypatch.delenv("COURSE_PRECISION", raising=False)

    def measures(**throughputs):
        left = {dtype: iter(values) for dtype, values in throughputs.items()}

        def matrix_throughput(size, repeats, dtype, device):
            value = next(left[dtype])
            if isinstance(value, Exception):
                raise value
            return value

        monkeypatch.setattr(hardware, "matrix_throughput", matrix_throughput)
        hardware.bf16_is_faster.cache_clear()

    yield measures
    hardware.bf16_is_faster.cache_clear()


@pytest.mark.parametrize(
    ("float32", "bfloat16", "precision"),
    [
        ([100] * 5, [160] * 5, "bfloat16"),
        ([100] * 5, [140] * 5, "float32"),
        # beside a busy program, which takes half of some measurements
        ([100, 50, 50, 50, 50], [140, 140, 140, 140, 140], "float32"),
        ([100, 100, 100, 100, 100], [80, 80, 80, 80, 160], "bfloat16"),
        ([100] * 5, [RuntimeError("not implemented for 'BFloat16'")], "float32"),
        ([100] * 5, [TypeError("BFloat16 is not supported on MPS")], "float32"),
    ],
)
def test_the_best_of_several_measurements_decides_the_precision(
    machine, float32, bfloat16, precision
):
    machine(float32=float32, bfloat16=bfloat16)
    assert hardware.precision() == precision


def test_the_two_precisions_are_measured_in_turns(machine, monkeypatch):
    machine(float32=[100] * 5, bfloat16=[100] * 5)
    measured, measure = [], hardware.matrix_throughput

    def matrix_throughput(size, repeats, dtype, device):
        measured.append(dtype)
        return measure(size, repeats, dtype, device)

    monkeypatch.setattr(hardware, "matrix_throughput", matrix_throughput)
    hardware.precision()
    assert measured == ["float32", "bfloat16"] * 5


@pytest.mark.parametrize("precision", hardware.PRECISIONS)
def test_the_users_precision_is_not_measured(machine, monkeypatch, precision):
    machine()
    monkeypatch.setenv("COURSE_PRECISION", precision)
    assert hardware.precision() == precision


def test_an_unknown_precision_is_refused_with_the_known_ones(machine, monkeypatch):
    machine()
    monkeypatch.setenv("COURSE_PRECISION", "half")
    with pytest.raises(ValueError, match="'half'.* float32 or bfloat16"):
        hardware.precision()


@pytest.mark.parametrize(
    ("wanted", "faster", "dtype"),
    [
        ("bfloat16", False, torch.bfloat16),
        ("float32", True, torch.float32),
        (None, True, torch.bfloat16),
        (None, False, torch.float32),
    ],
)
def test_autocast_follows_the_model_and_the_precision(
    monkeypatch, wanted, faster, dtype
):
    monkeypatch.setattr(hardware, "bf16_is_faster", lambda device: faster)
    model = SimpleNamespace(device=torch.device("cpu"))
    with hardware.autocast(model, wanted):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_autocast_goes_to_the_models_card(monkeypatch, device):
    entered = []
    monkeypatch.setattr(torch, "autocast", lambda *args, **kwargs: entered.append(args))
    hardware.autocast(SimpleNamespace(device=torch.device(device)), "bfloat16")
    assert entered == [(device, torch.bfloat16)]


FAULTS = """
import resource, sys
from helpers import hardware

if sys.argv[1] == "keep":
    assert hardware.keep_freed_memory()
for _ in range(20):
    bytearray(2**26)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    bytearray(2**26)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(word: str) -> int:
    command = [sys.executable, "-c", FAULTS, word]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return int(done.stdout)


@pytest.mark.integration
def test_large_blocks_are_taken_from_the_system_once():
    if not (sys.platform.startswith("linux") and hardware.keep_freed_memory()):
        pytest.skip("this C library is not glibc")
    assert page_faults("keep") < page_faults("as ever") / 10


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_left_alone(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(hardware.ctypes, "CDLL", None)  # a call would fail
    assert hardware.keep_freed_memory() is False
    assert hardware.release_freed_memory() is False


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(hardware.ctypes, "CDLL", lambda name: object())
    assert hardware.keep_freed_memory() is False
    assert hardware.release_freed_memory() is False
