"""The state of a training that may be interrupted: written whole, refused when odd."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from helpers import paths


class StateError(RuntimeError):
    """A training cannot go on from a file; the message says why and what to do."""


def save(path: Path, about: dict, model, optimizers: list) -> None:
    """Write weights, what the optimizers remember, and `about`: plain values."""
    tensors = {f"model.{k}": p.detach() for k, p in model.named_parameters()}
    for optimizer in optimizers:
        for name, parameter in model.named_parameters():
            for what, value in optimizer.state.get(parameter, {}).items():
                tensors[f"{what}.{name}"] = value
    paths.write(path, to_bytes(tensors, {"about": json.dumps(about)}))


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


def restore(path: Path, model, optimizers: list) -> None:
    """Fill a model and its optimizers. Raises StateError when the shapes differ."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    owner = {p: o for o in optimizers for g in o.param_groups for p in g["params"]}
    for name, parameter in model.named_parameters():
        weights = tensors.pop(f"model.{name}", None)
        if weights is None or weights.shape != parameter.shape:
            raise StateError(
                f"The checkpoint {path} is of another architecture ({name} does not "
                "fit): delete its folder and start anew."
            )
        parameter.data.copy_(weights)
        remembered = {
            key.removesuffix(f".{name}"): value
            for key, value in tensors.items()
            if key.endswith(f".{name}") and "." not in key.removesuffix(f".{name}")
        }
        owner[parameter].state[parameter] = remembered
