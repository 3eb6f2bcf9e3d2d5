"""The memory of a training step: predicted by counting, and measured."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import psutil
import torch

from helpers import hardware
from helpers.models import encoders

FLOAT = 4  # bytes of a number in float32
SAMPLE_SECONDS = 0.01


class Footprint(NamedTuple):
    """Bytes that a training step with AdamW needs, by what they are for."""

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(self)


def predicted(model, batch: dict) -> Footprint:
    """Count what a step on a batch needs, with its labels; nothing is trained.

    Each trainable parameter has a gradient and two moments in AdamW's state.
    Activations are what autograd keeps for the backward pass, without the weights; in
    training mode, since dropout keeps its masks. Every module's mode comes back.
    """
    trainable, total = (FLOAT * n for n in encoders.count(model))
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # itself would hold its own graph, for ever

    batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with encoders.in_mode(model, True), hooks:
        loss = model(**batch).loss  # held, so that no address is used twice
    del loss
    return Footprint(total, trainable, 2 * trainable, sum(kept.values()))


def measured(work: Callable[[], object], device=None) -> int:
    """Return by how many bytes memory grows while `work` runs, at its highest.

    It is the memory of `device`, if a card, else the process's without freed blocks.
    """
    if device is not None and hardware.is_card(device):
        torch.accelerator.reset_peak_memory_stats(device)
        begin = torch.accelerator.memory_allocated(device)
        work()
        return torch.accelerator.max_memory_allocated(device) - begin
    process = psutil.Process()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(hardware.release_freed_memory).result()
        begin = process.memory_info()
        mapped = getattr(begin, "shared", 0)  # files; Linux alone tells
        doing, highest = pool.submit(work), 0
        while not doing.done():
            hardware.trim_freed_memory()
            now = process.memory_info()
            # what the system drops of files meanwhile is no saving of the work
            dropped = max(0, mapped - getattr(now, "shared", 0))
            highest = max(highest, now.rss + dropped - begin.rss)
            time.sleep(SAMPLE_SECONDS)
        doing.result()
    return highest
