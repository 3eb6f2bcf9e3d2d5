"""The folder of a run: whose it is, its log, and what it holds at the end."""

import json
from dataclasses import asdict
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save

from helpers import paths
from helpers.pretraining import model_card
from helpers.pretraining.checkpoint import PretrainError

NAMES = {"mlm": "course-bert", "clm": "course-gpt2"}  # of the published ones
STATE, LOG, MODEL = "state.safetensors", "log.csv", "model.safetensors"
COLUMNS = ("step", "tokens", "seconds", "learning_rate", "loss", "held_out_loss")
HEADER = ",".join(COLUMNS) + "\n"
PUBLISHED = ("README.md", "curve.png", "results.json", "config.json", LOG, MODEL)
PUBLISHED += ("tokenizer.json", "tokenizer_config.json")


def claim(out: Path, resume: bool) -> None:
    """Make the folder of a new run, or find the one to go on with.

    Raises PretrainError when files of somebody else, or of another run, stand there.
    """
    unfinished = (out / STATE).is_file()
    if resume and not unfinished:
        raise PretrainError(
            f"There is no interrupted run in {out}: start one without --resume."
        )
    if unfinished and not resume:
        raise PretrainError(
            f"There is an interrupted run in {out}: go on with --resume, or name "
            "another --out to start anew."
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise PretrainError(
            f"{out} cannot be a folder, since a file stands there: name another --out."
        ) from error
    there = sorted(f.name for f in out.iterdir() if not f.name.startswith("."))
    if resume or not there:
        return
    if not _is_log(out / LOG):
        raise PretrainError(
            f"The folder {out} holds other files ({', '.join(there[:3])}), which a run "
            "might overwrite: name an empty or a new one with --out."
        )
    if MODEL in there:
        raise PretrainError(
            f"There is a finished run in {out}: name another --out to start anew."
        )


def _is_log(path: Path) -> bool:
    """Return whether a file is the log of a run, which marks a folder as ours."""
    try:
        return path.read_bytes().startswith(HEADER[:20].encode())
    except OSError:
        return False


def cut_log(out: Path, step: int) -> None:
    """Shorten the log to a step, without a last line that was cut short."""
    try:
        whole = (out / LOG).read_text(encoding="utf-8").rpartition("\n")[0]
        head, *lines = whole.splitlines()
        kept = [line for line in lines if int(line.split(",")[0]) <= step]
    except (FileNotFoundError, ValueError) as error:
        raise PretrainError(
            f"The log {out / LOG} is missing or damaged: put it back, or start anew "
            "with another --out."
        ) from error
    paths.write(out / LOG, "\n".join([head, *kept]) + "\n")


def save_model(out: Path, model) -> None:
    """Save the weights in half precision, with their configuration."""
    model.config.dtype = torch.float16
    paths.write(out / "config.json", model.config.to_json_string())
    names = dict(model.named_parameters())  # tied weights once
    halves = {name: p.detach().half().contiguous() for name, p in names.items()}
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
