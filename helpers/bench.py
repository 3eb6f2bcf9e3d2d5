"""Measure what this machine can do, as the yardstick for everything else."""

import time

import torch


def matrix_rate(
    size: int = 2048, repeats: int = 10, dtype: torch.dtype = torch.float32
) -> float:
    """Return the best rate of a matrix product, in 10^9 operations per second.

    A product of two [size, size] matrices takes 2 * size^3 operations.
    """
    a, b = torch.randn(2, size, size, dtype=dtype)
    best = float("inf")
    for _ in range(repeats):
        begin = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best / 1e9
