"""How the C library hands out memory, which decides much of a training step's time."""

import ctypes
import gc
import sys

# the numbers of glibc's mallopt(3)
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD, MMAP_MAX = -1, -2, -3, -4
NEVER, AHEAD, LARGE = 2**31 - 1, 2**28, 2**17  # bytes


def keep() -> bool:
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


def release() -> bool:
    """Give freed memory back, from now on at once; return whether the C library can.

    The opposite of `keep`, slower: the size of the process then shows what is in use,
    but for what other threads, running or ended, have freed.
    """
    gc.collect()
    mallopt = _of_glibc("mallopt")
    if mallopt is None:
        return False
    settings = ((MMAP_MAX, 2**16), (MMAP_THRESHOLD, LARGE), (TRIM_THRESHOLD, LARGE))
    set_up = all([mallopt(name, value) for name, value in (*settings, (TOP_PAD, 0))])
    trim()
    bytearray(LARGE // 2)  # freed at once, and with it the end of this thread's heap
    return set_up


def trim() -> None:
    """Give the system the pages of freed blocks between others, where glibc can."""
    malloc_trim = _of_glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _of_glibc(name: str):
    """Return a function of glibc, or None where the C library is another one."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), name, None)
