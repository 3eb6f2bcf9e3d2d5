"""Measure what this machine can do, as the yardstick for everything else."""

import time
from typing import NamedTuple

import torch
from torch.profiler import profile as watch

# matrix_rate as it is; below is new. language must not import bench.


class Speed(NamedTuple):
    """What training got out of the machine."""

    weights: int  # all of them
    tokens: float  # per second
    operations: float  # per second, those that the formula counts


def operations_per_token(kind: str, model) -> float:
    """Count what one token costs in training: 6 operations per weight that it meets.

    Two going forward and four going back (Kaplan et al. 2020). The embedding tables are
    looked up for nothing; the output layer works on every token (clm) or on the masked
    15 % (mlm). Attention's own products are left out: they are small for short rows.
    """
    table = model.get_input_embeddings().weight
    met = sum(p.numel() for p in model.parameters() if p.ndim == 2)
    positions = ...
    output = table.numel() * (0.15 if kind == "mlm" else 1)
    return 6 * (met - table.numel() - positions + output)


def training(kind, tokenizer, shape, tokens=1024, steps=4) -> Speed:
    """Time a few steps of pre-training on random ids (after one to warm up)."""


def profile(kind, tokenizer, shape, steps=5) -> dict[str, float]:
    """Return the share of the time that each kind of operation takes, largest first."""
