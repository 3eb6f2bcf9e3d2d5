"""The state of a training that may be interrupted: written whole, refused when odd."""

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

MOMENTS = ("exp_avg", "exp_avg_sq")  # what AdamW remembers of each parameter


class StateError(RuntimeError):
    """A training cannot go on from a file; the message says why and what to do."""


def save(path: Path, about: dict, model, optimizer) -> None:
    """Write weights, what AdamW remembers, and `about`: plain values, with a `step`."""
    tensors = {f"model.{k}": p.detach() for k, p in model.named_parameters()}
    for name, parameter in model.named_parameters():
        for moment in MOMENTS if about["step"] else ():
            tensors[f"{moment}.{name}"] = optimizer.state[parameter][moment]
    replace(path, to_bytes(tensors, {"about": json.dumps(about)}))


def about(path: Path) -> dict:
    """Return what `save` was told. Raises StateError for a damaged file."""
    try:
        with safe_open(path, "pt") as file:
            return json.loads(file.metadata()["about"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise StateError(
            f"The checkpoint {path} is damaged or cut short ({error}): delete its "
            "folder and start anew."
        ) from error


def restore(path: Path, model, optimizer) -> None:
    """Fill a model and its AdamW. Raises StateError when they are of another shape."""
    step = torch.tensor(float(about(path)["step"]))
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name, parameter in model.named_parameters():
        weights = tensors.get(f"model.{name}")
        if weights is None or weights.shape != parameter.shape:
            raise StateError(
                f"The checkpoint {path} is of another architecture ({name} does not "
                "fit): delete its folder and start anew."
            )
        parameter.data.copy_(weights)
        if step:
            moments = {m: tensors[f"{m}.{name}"] for m in MOMENTS}
            optimizer.state[parameter] = moments | {"step": step.clone()}


def replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: what stood there stays until it is on disk."""
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
