"""The folder of a run: whose it is, its state and log, what it holds at the end."""

import io
import json
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch
from filelock import FileLock
from safetensors.torch import save
from transformers import AutoTokenizer

from helpers import paths
from helpers.models.checkpoints import first_line
from helpers.pretraining import model_card

NAMES = {"mlm": "course-bert", "clm": "course-gpt2"}  # of the published ones
STATE, LOG, MODEL = "state.pt", "log.csv", "model.safetensors"
COLUMNS = ("step", "tokens", "seconds", "learning_rate", "loss", "held_out_loss")
PUBLISHED = ("README.md", "curve.png", "results.json", "config.json", LOG, MODEL)
PUBLISHED += ("tokenizer.json", "tokenizer_config.json")


class PretrainError(RuntimeError):
    """A run cannot start or go on; the message says why and what to do."""


@contextmanager
def claim(out: Path, resume: bool):
    """Make the folder of a new run, or find the one to go on with, and lock it."""
    if resume and not (out / STATE).is_file():
        raise PretrainError(
            f"There is no interrupted run in {out}: start one without --resume."
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise PretrainError(
            f"{out} cannot be a folder, since a file stands there: name another --out."
        ) from error
    with FileLock(out / ".lock", timeout=0):
        there = sorted(f.name for f in out.iterdir() if not f.name.startswith("."))
        if there and not resume:
            found, advice = f"a finished run or something else ({there[0]})", ""
            if STATE in there:
                found, advice = "an interrupted run", "go on with --resume, or "
            raise PretrainError(
                f"There is {found} in {out}: {advice}name an empty or new folder --out."
            )
        yield


def save_state(out: Path, model, optimizers: list, **values) -> None:
    """Write the states of model and optimizers, and plain values."""
    content = io.BytesIO()
    parts = [part.state_dict() for part in (model, *optimizers)]
    torch.save({"parts": parts} | values, content)
    paths.write(out / STATE, content.getvalue())


def load_state(out: Path):
    """Return what `save_state` wrote, and the tokenizer of the run."""
    try:
        device = torch.get_default_device()  # whatever the state was saved from
        state = torch.load(out / STATE, device, weights_only=True)
        return state, AutoTokenizer.from_pretrained(out)
    except Exception as error:  # each kind of damage raises another one
        raise PretrainError(
            f"The state or the tokenizer in {out} is damaged ({first_line(error)}): "
            "start anew with another --out."
        ) from error


def save_model(out: Path, model) -> None:
    """Save the weights in half precision, with their configuration."""
    model.config.dtype = torch.float16
    paths.write(out / "config.json", model.config.to_json_string())
    named = model.named_parameters()  # tied weights once
    halves = {name: p.detach().half().contiguous() for name, p in named}
    paths.write(out / MODEL, save(halves, {"format": "pt"}))


def save_results(out: Path, recipe, corpus, figures, texts, sequences) -> None:
    """Write the recipe, the amount of data and the held-out figures as JSON."""
    results = {
        "source": corpus.name if corpus else model_card.REVIEWS,
        "recipe": asdict(recipe),
        "documents": {split: len(some) for split, some in texts.items()},
        "tokens": {split: some.numel() for split, some in sequences.items()},
        "held_out": {n: {"value": f.value} | f.about for n, f in figures.items()},
        "cores": torch.get_num_threads(),
        "date": date.today().isoformat(),
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }
    paths.write(out / "results.json", (json.dumps(results, indent=1) + "\n"))


def publish(objective: str, out: Path) -> Path:
    """Copy a finished run to where the course keeps its checkpoints; return that."""
    target = paths.CHECKPOINTS / NAMES[objective]
    target.mkdir(parents=True, exist_ok=True)
    for name in PUBLISHED:
        paths.write(target / name, (out / name).read_bytes())
    return target
