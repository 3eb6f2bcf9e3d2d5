"""How the C library hands out memory, which decides much of a training step's time."""

import ctypes
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4  # the numbers of glibc's mallopt(3)
NEVER, AHEAD = 2**31 - 1, 2**28  # bytes


def keep() -> bool:
    """Keep freed memory for the next step; return whether the C library can do so.

    By default glibc returns every large block to the system, and the system hands it
    out again page by page, filled with zeros: a training step allocates the same few
    large tensors each time, so up to a third of its time went there when measured.
    Costs memory that other processes could have had. Does nothing where the C library
    is not glibc (macOS, Windows).
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((MMAP_MAX, 0), (TRIM_THRESHOLD, NEVER), (TOP_PAD, AHEAD))
    return all([mallopt(name, value) for name, value in settings])
