"""The state of a training that may be interrupted: written whole, refused when odd."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from helpers import paths


class PretrainError(RuntimeError):
    """A run cannot start or go on; the message says why and what to do."""


def save(path: Path, notes: dict, model, optimizers: list) -> None:
    """Write weights, the optimizers' states, and `notes`: plain values."""
    tensors = {f"model.{k}": p.detach() for k, p in model.named_parameters()}
    for optimizer in optimizers:
        for name, parameter in model.named_parameters():
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"{key}.{name}"] = value
    paths.write(path, to_bytes(tensors, {"about": json.dumps(notes)}))


def notes(path: Path) -> dict:
    """Return the notes that `save` was given. Raises PretrainError when damaged."""
    try:
        with safe_open(path, "pt") as file:
            return json.loads(file.metadata()["about"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise PretrainError(
            f"The checkpoint {path} is damaged or cut short ({error}): start anew with "
            "another --out."
        ) from error


def restore(path: Path, model, optimizers: list) -> None:
    """Fill a model and its optimizers. Raises PretrainError when the shapes differ."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    owner = {p: o for o in optimizers for g in o.param_groups for p in g["params"]}
    for name, parameter in model.named_parameters():
        weights = tensors.pop(f"model.{name}", None)
        if weights is None or weights.shape != parameter.shape:
            raise PretrainError(
                f"The checkpoint {path} is of another architecture ({name} does not "
                "fit): start anew with another --out."
            )
        parameter.data.copy_(weights)
        owner[parameter].state[parameter] = {
            key.removesuffix(f".{name}"): value.to(parameter.device)
            for key, value in tensors.items()
            if key.endswith(f".{name}") and "." not in key.removesuffix(f".{name}")
        }
