"""Whether an interrupted fine-tuning may go on: only as the very run that it was."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from helpers import paths

RUN, FINISHED = "run.json", "finished"
ELSEWHERE = ("output_dir", "logging_dir", "run_name")  # may change from try to try


class ResumeError(RuntimeError):
    """A training cannot use its folder; the message says why and what to do."""


def describe(model, settings, train, validation, groups) -> dict[str, str]:
    """Return a digest of each thing that decides how a training ends.

    `settings` is a dict; `train` and `validation` are encoded. Call it before the
    first step.
    """
    config = model.config.to_dict()
    weights = [(name, tensor.cpu()) for name, tensor in model.state_dict().items()]
    trainable = [name for name, p in model.named_parameters() if p.requires_grad]
    options = {k: v for k, v in settings.items() if k not in ELSEWHERE}
    things = {
        "model": {k: v for k, v in config.items() if not k.startswith("_")},
        "weights before training": [
            (name, _digest(tensor.float().numpy().tobytes()))
            for name, tensor in weights
        ],
        "trainable parameters": trainable,
        "parameter groups": [
            {k: v for k, v in group.items() if k != "params"}
            | {"sizes": [p.numel() for p in group["params"]]}
            for group in groups or []
        ],
        "training texts": train["input_ids"][:],
        "training labels": train["label"][:],
        "validation data": validation and validation.to_dict(),
        "settings": options,
        "library versions": {name: version(name) for name in ("torch", "transformers")},
    }
    return {
        name: _digest(json.dumps(thing, sort_keys=True, default=str).encode())
        for name, thing in things.items()
    }


def check(folder: Path, run: dict[str, str]) -> None:
    """Note the run in a new folder; raise ResumeError if an old one holds another."""
    file = folder / RUN
    if not file.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise ResumeError(
                f"The folder {folder} is not empty and holds no run of fine-tuning: "
                "name another one."
            )
        folder.mkdir(parents=True, exist_ok=True)
        return paths.write(file, json.dumps(run, indent=1) + "\n")
    try:
        noted = dict(json.loads(file.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise ResumeError(
            f"The file {file} is damaged: delete its folder to train anew."
        ) from error
    if noted.pop(FINISHED, False):
        raise ResumeError(
            f"There is a finished run in {folder}: name another folder, or delete it "
            "to train anew."
        )
    other = [name for name in run if noted.get(name) != run[name]]
    if other:
        raise ResumeError(
            f"The folder {folder} holds another run, which differs in its "
            f"{', '.join(other)}: go on with what it was started with, name another "
            "folder, or delete it to train anew."
        )


def finish(folder: Path, run: dict[str, str]) -> None:
    """Note that the run has ended."""
    paths.write(folder / RUN, json.dumps(run | {FINISHED: True}, indent=1) + "\n")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
