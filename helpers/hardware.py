"""What this machine can do: cores and threads, matrix products, precision, memory.

torch is imported inside the functions only: `doctor` asks before it is installed.
"""

import ctypes
import gc
import os
import sys
import time
from functools import cache

# How long a thread of OpenMP spins before it sleeps: GNU's library (Linux) counts turns
# of a loop, LLVM's and Intel's (macOS, Windows) count milliseconds.
WAITING = {"GOMP_SPINCOUNT": "3000", "KMP_BLOCKTIME": "1"}

PRECISIONS = ("float32", "bfloat16")
WORTH_IT = 1.5  # times as fast must bfloat16 be, or float32 is kept
ROUNDS = 5

# of glibc's mallopt(3): what keeps freed memory, and what gives it back
MMAP_MAX, MMAP_THRESHOLD, TOP_PAD, TRIM_THRESHOLD = -4, -3, -2, -1
KEEP = {MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 2**28}
RELEASE = {MMAP_MAX: 2**16, MMAP_THRESHOLD: 2**17, TRIM_THRESHOLD: 2**17, TOP_PAD: 0}


def share_cores() -> None:
    """Let torch's threads sleep, instead of spin, while they wait for each other.

    By default they spin, and beside one busy program a training step takes 4 to 20
    times as long. Counts only before torch is loaded; the user's own setting stays.
    """
    if not waiting() and "torch" not in sys.modules:
        os.environ.update(WAITING)


def waiting() -> dict[str, str]:
    """Return the settings of how threads wait; they spin if there is none."""
    names = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_WAIT_POLICY")
    return {name: os.environ[name] for name in names if name in os.environ}


def cores() -> int:
    """Return how many cores affinity and containers let this process use."""
    try:
        import joblib
    except ImportError:  # before set-up
        return os.cpu_count() or 1
    return joblib.cpu_count()


def use_cores() -> None:
    """Let torch compute on all usable cores, unless OMP_NUM_THREADS says how many."""
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(cores())


def matrix_throughput(
    size: int = 2048, repeats: int = 10, dtype: str = "float32", device: str = "cpu"
) -> float:
    """Return the best throughput of a matrix product, in 10^9 operations per second."""
    import torch

    a, b = torch.randn(2, size, size, dtype=getattr(torch, dtype), device=device)
    best = float("inf")
    for _ in range(repeats):
        begin = time.perf_counter()
        (a @ b)[0, 0].item()  # a card works on while Python goes ahead
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best / 1e9  # a sum and a product for each pair of numbers


def device(profile: str) -> str:
    """Return the device of a profile: laptop is the processor, full what there is."""
    import torch

    if profile == "full" and torch.cuda.is_available():
        return "cuda"
    if profile == "full" and torch.backends.mps.is_available():
        return "mps"
    return "cpu"


def is_card(device) -> bool:
    """Return whether a device, by name or as torch has it, is not the processor."""
    return str(device) != "cpu"


@cache
def bf16_is_faster(device: str = "cpu") -> bool:
    """Return whether a device multiplies bfloat16 much faster than float32; measured.

    Measured once in a process, in turns, so that another program's work slows both;
    COURSE_PRECISION decides instead. A device without bfloat16 is not faster.
    """
    wanted = os.environ.get("COURSE_PRECISION")
    if wanted and wanted not in PRECISIONS:
        raise ValueError(f"COURSE_PRECISION is '{wanted}': set float32 or bfloat16.")
    if wanted:
        return wanted == "bfloat16"
    best = dict.fromkeys(PRECISIONS, 0.0)
    try:
        for dtype in PRECISIONS * ROUNDS:
            best[dtype] = max(best[dtype], matrix_throughput(1024, 3, dtype, device))
    except (RuntimeError, TypeError):  # of a device that does not know bfloat16
        return False
    return best["bfloat16"] > WORTH_IT * best["float32"]


def precision(device: str = "cpu") -> str:
    """Return the precision for matrix products there: "bfloat16" or "float32"."""
    return "bfloat16" if bf16_is_faster(device) else "float32"


def autocast(model, wanted: str | None = None):
    """Return a context for a model's matrix products on its device.

    `wanted` is "bfloat16", "float32" or, without it, the faster one there.
    """
    import torch

    name = model.device.type
    in_bfloat16 = (wanted or precision(name)) == "bfloat16"
    return torch.autocast(name, torch.bfloat16, enabled=in_bfloat16)


def keep_freed_memory() -> bool:
    """Keep freed memory for the next step; return whether the C library can do so.

    By default glibc (Linux) returns every large block to the system, which hands it
    out again page by page, filled with zeros: up to a third of a training step.
    """
    return all([_glibc("mallopt", *setting) for setting in KEEP.items()])


def release_freed_memory() -> bool:
    """Give freed memory back, from now on at once; return whether the C library can.

    The opposite of `keep_freed_memory`, slower: the process's size then shows what is
    in use, but for what other threads have freed.
    """
    gc.collect()
    set_up = all([_glibc("mallopt", *setting) for setting in RELEASE.items()])
    trim_freed_memory()
    bytearray(2**16)  # freed at once, and with it the end of this thread's heap
    return set_up


def trim_freed_memory() -> None:
    """Give the system the pages of freed blocks between others, where glibc can."""
    _glibc("malloc_trim", 0)


def _glibc(name: str, *values: int) -> bool:
    """Call a function of glibc; return False where it fails or is missing."""
    if not sys.platform.startswith("linux"):
        return False
    function = getattr(ctypes.CDLL(None), name, None)
    return function is not None and bool(function(*values))
