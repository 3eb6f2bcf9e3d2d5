"""What this machine can do: matrix products, precision, and how memory is handed out.

torch is imported inside the functions only: `doctor` asks before it is installed.
"""

import ctypes
import gc
import sys
import time
from functools import cache

# the numbers of glibc's mallopt(3)
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD, MMAP_MAX = -1, -2, -3, -4
NEVER, AHEAD, LARGE = 2**31 - 1, 2**28, 2**17  # bytes


WORTH_IT = 1.5  # times as fast must bfloat16 be, or float32 is kept


def matrix_throughput(
    size: int = 2048, repeats: int = 10, dtype: str = "float32", device: str = "cpu"
) -> float:
    """Return the best throughput of a matrix product, in 10^9 operations per second.

    A product of two [size, size] matrices takes 2 * size^3 operations.
    """
    import torch

    a, b = torch.randn(2, size, size, dtype=getattr(torch, dtype), device=device)
    best = float("inf")
    for _ in range(repeats):
        begin = time.perf_counter()
        (a @ b)[0, 0].item()  # a card works on while Python goes ahead
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best / 1e9


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

    Measured once in a process. A device without bfloat16 is not faster.
    """
    try:
        bfloat16 = matrix_throughput(1024, dtype="bfloat16", device=device)
    except (RuntimeError, TypeError):  # of a device that does not know it
        return False
    return bfloat16 > WORTH_IT * matrix_throughput(1024, device=device)


def precision(device: str = "cpu") -> str:
    """Return the precision for matrix products there: "bfloat16" or "float32"."""
    return "bfloat16" if bf16_is_faster(device) else "float32"


def autocast(model, wanted: str | None = None):
    """Return a context in which a model's matrix products have a precision.

    It follows the model's device; `wanted` is "bfloat16", "float32" or, without it,
    the faster one there.
    """
    import torch

    kind = model.device.type
    in_bfloat16 = (wanted or precision(kind)) == "bfloat16"
    return torch.autocast(kind, torch.bfloat16, enabled=in_bfloat16)


def keep_freed_memory() -> bool:
    """Keep freed memory for the next step; return whether the C library can do so.

    By default glibc returns every large block to the system, and the system hands it
    out again page by page, filled with zeros: a training step allocates the same few
    large tensors each time, so up to a third of its time went there when measured.
    Costs memory that other processes could have had. Does nothing where the C library
    is not glibc (macOS, Windows).
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is None:
        return False
    settings = ((MMAP_MAX, 0), (TRIM_THRESHOLD, NEVER), (TOP_PAD, AHEAD))
    return all([mallopt(name, value) for name, value in settings])


def release_freed_memory() -> bool:
    """Give freed memory back, from now on at once; return whether the C library can.

    The opposite of `keep_freed_memory`, slower: the size of the process then shows
    what is in use, but for what other threads, running or ended, have freed.
    """
    gc.collect()
    mallopt = _of_glibc("mallopt")
    if mallopt is None:
        return False
    settings = ((MMAP_MAX, 2**16), (MMAP_THRESHOLD, LARGE), (TRIM_THRESHOLD, LARGE))
    set_up = all([mallopt(name, value) for name, value in (*settings, (TOP_PAD, 0))])
    trim_freed_memory()
    bytearray(LARGE // 2)  # freed at once, and with it the end of this thread's heap
    return set_up


def trim_freed_memory() -> None:
    """Give the system the pages of freed blocks between others, where glibc can."""
    malloc_trim = _of_glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _of_glibc(name: str):
    """Return a function of glibc, or None where the C library is another one."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), name, None)
