"""Pre-train the course's own small BERT and GPT-2 from random weights.

Everything random in a step follows from the run's seed and the number of the step, so a
run that was killed goes on from its last checkpoint to the very same weights.
"""

import csv
import hashlib
import json
import os
import re
import shutil
import time
from dataclasses import asdict, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save
from tqdm import tqdm
from transformers import AutoTokenizer

from helpers import course, hardware, paths
from helpers.data import corpora
from helpers.data.download import DISK_FULL, sha256
from helpers.metrics import Score
from helpers.models import language_models, tokenizers
from helpers.pretraining import checkpoint, evaluation, model_card
from helpers.pretraining.recipes import Recipe, initialise, step

NAMES = {"mlm": "course-bert", "clm": "course-gpt2"}
SAVE_SECONDS = 180
LOG_ROWS, HELD_OUT_EVERY = 200, 10  # rows in a log; every tenth has a held-out loss
HELD_OUT_WHILE_TRAINING = 32_768  # tokens of the validation split
WARM_UP_STEPS, TIMED_STEPS = 3, 12  # before a budget in minutes becomes steps
OVERHEAD = 0.95  # the rest of the time evaluates and saves
CHOSEN_AT_START = ("steps", "precision")  # by measuring; the state remembers them
STATE, LOG = "state.safetensors", "log.csv"
COLUMNS = ("step", "tokens", "seconds", "learning_rate", "loss", "held_out_loss")


class PretrainError(checkpoint.StateError):
    """A run cannot start or go on; the message says why and what to do."""


def run(
    kind: str,
    out: Path,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    corpus: Path | None = None,
    resume: bool = False,
) -> dict[str, Score]:
    """Pre-train one model into the folder `out` and return its held-out figures.

    The budget is either `minutes`, which becomes a number of steps by timing a few, or
    `steps`; with `resume` it is that of the interrupted run. `corpus` is a text file
    with one document per line, else the unlabelled film reviews. Raises PretrainError,
    or `corpora.CorpusError` for an unusable file.
    """
    unfinished = (out / STATE).is_file()
    if resume and not unfinished:
        raise PretrainError(
            f"There is no interrupted run in {out}: start one without --resume."
        )
    if unfinished and not resume:
        raise PretrainError(
            f"There is an interrupted run in {out}: go on with --resume, or delete the "
            "folder to start anew."
        )
    if not unfinished and (out / "model.safetensors").is_file():
        raise PretrainError(
            f"There is a finished run in {out}: name another --out, or delete the "
            "folder to start anew."
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        return _run(kind, out, corpus, minutes, steps, resume)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        again = "the last checkpoint is whole, so go on with --resume"
        if not (out / STATE).is_file():
            again = "nothing was trained yet, so start again"
        raise PretrainError(f"The disk is full: free some space; {again}.") from error


def _run(kind, out, corpus, minutes, steps, resume) -> dict[str, Score]:
    course.set_up_libraries()
    hardware.keep_freed_memory()
    texts = corpora.documents(corpus) if corpus else corpora.unlabelled()
    tokenizer = _tokenizer(kind, out, texts["train"]["text"], resume)
    data = {
        name: tokenizers.pack(part["text"], tokenizer, language_models.CONTEXT[kind])
        for name, part in texts.items()
    }
    recipe = Recipe(
        kind,
        steps or 0,
        corpus=_digest(data["train"].numpy().tobytes()),
        vocabulary=sha256(out / "tokenizer.json"),
        precision=hardware.precision(),
    )
    _check_length(recipe, texts, data)
    model, optimizers = initialise(recipe, tokenizer)
    if resume:
        recipe, first, spent = _restore(out, recipe, model, optimizers)
    else:
        first, spent = 0, 0.0
        if steps is None:
            recipe = _within(minutes, recipe, tokenizer, data["train"])
            model, optimizers = initialise(recipe, tokenizer)
        paths.write(out / LOG, ",".join(COLUMNS) + "\n")
        _save(out, recipe, model, optimizers, 0, 0.0)
    _train(recipe, model, optimizers, tokenizer, data, out, first, spent)
    figures = evaluation.figures(kind, model, tokenizer, texts, data)
    _save_model(out, model)
    _save_results(out, recipe, corpus, figures, texts, data)
    model_card.write_card(out)
    (out / STATE).unlink()
    return figures


def _check_length(recipe: Recipe, texts, data) -> None:
    """Make sure that there is one batch to train on and two texts to test on."""
    fewest = min(len(texts[part]) for part in ("validation", "test"))
    rows = {name: len(part) for name, part in data.items()}
    if rows["train"] < recipe.rows or fewest < 2 or min(rows.values()) < 2:
        raise PretrainError(
            f"The corpus is too short: after filtering, {len(texts['train'])} "
            f"documents are left to train on ({rows['train']} rows of "
            f"{language_models.CONTEXT[recipe.kind]} word pieces) and {fewest} to test "
            f"on, but training needs {recipe.rows} rows and testing 2 documents that "
            "fill 2 rows. Give it more text."
        )


def _tokenizer(kind, out, texts, resume):
    """Train a tokenizer, or take the one of the interrupted run."""
    if not resume:
        train = {"mlm": tokenizers.wordpiece, "clm": tokenizers.byte_pairs}[kind]
        trained = train(texts)
        try:
            trained.save_pretrained(out)
        except Exception as error:  # the library raises no OSError, only its number
            if number := re.search(r"os error (\d+)", str(error)):
                code = int(number[1])
                raise OSError(code, os.strerror(code), str(out)) from error
            raise
    try:
        return AutoTokenizer.from_pretrained(out)
    except Exception as error:  # whatever a damaged file makes the library raise
        raise PretrainError(
            f"The tokenizer in {out} cannot be read: delete the folder and start anew."
        ) from error


def _within(minutes: float, recipe: Recipe, tokenizer, rows) -> Recipe:
    """Turn a budget in minutes into steps, by timing steps that are thrown away."""
    trial = replace(recipe, steps=WARM_UP_STEPS + TIMED_STEPS)
    model, optimizers = initialise(trial, tokenizer)
    for number in range(trial.steps):
        if number == WARM_UP_STEPS:
            begin = time.perf_counter()
        step(trial, model, optimizers, tokenizer, rows, number)
    seconds = (time.perf_counter() - begin) / TIMED_STEPS
    steps = int(minutes * 60 * OVERHEAD / seconds)
    if steps < 1:
        raise PretrainError(
            f"{minutes:g} minutes are too short for one step, which takes "
            f"{seconds:.2f} seconds here: give more --minutes."
        )
    return replace(recipe, steps=steps)


def _train(recipe, model, optimizers, tokenizer, data, out, first, spent) -> None:
    """Take the steps from `first` on; log, evaluate and save on the way."""
    every = max(1, recipe.steps // LOG_ROWS)
    begin = saved = time.monotonic()
    losses = []
    with (
        (out / LOG).open("a", encoding="utf-8", newline="") as log,
        tqdm(total=recipe.steps, initial=first, unit="step", mininterval=1) as bar,
    ):
        for number in range(first, recipe.steps):
            losses.append(
                step(recipe, model, optimizers, tokenizer, data["train"], number)
            )
            bar.update()
            done = number + 1
            if done % every and done != recipe.steps:
                continue
            seconds = spent + time.monotonic() - begin
            tokens = done * recipe.tokens
            speed = tokens / seconds
            mean = sum(losses) / len(losses)
            losses.clear()
            bar.set_postfix_str(f"loss {mean:.3f}, {speed:.0f} tokens/s")
            loss = ""
            if done % (every * HELD_OUT_EVERY) == 0 or done == recipe.steps:
                rows = data["validation"]
                rows = rows[: HELD_OUT_WHILE_TRAINING // rows.shape[1]]
                loss = f"{_held_out_loss(recipe.kind, model, tokenizer, rows):.5f}"
            row = (done, tokens, round(seconds, 1), recipe.learning_rate_at(number))
            csv.writer(log, lineterminator="\n").writerow([*row, f"{mean:.5f}", loss])
            log.flush()
            if time.monotonic() - saved > SAVE_SECONDS or done == recipe.steps:
                _save(out, recipe, model, optimizers, done, seconds)
                saved = time.monotonic()


def _held_out_loss(kind: str, model, tokenizer, rows) -> float:
    model.eval()
    if kind == "mlm":
        loss = language_models.masked_scores(model, tokenizer, rows)[0].mean()
    else:
        loss = language_models.next_token_losses(model, rows.flatten()).mean()
    model.train()
    return loss.item()


def _save(out: Path, recipe, model, optimizers, step: int, seconds: float) -> None:
    """Write the state after so many steps and seconds."""
    about = {"recipe": asdict(recipe), "step": step, "seconds": round(seconds, 1)}
    checkpoint.save(out / STATE, about, model, optimizers)


def _restore(out: Path, wanted: Recipe, model, optimizers):
    """Fill model and optimizers from the state: (recipe, next step, seconds spent)."""
    about = checkpoint.about(out / STATE)
    stored = about["recipe"]
    for name, value in json.loads(json.dumps(asdict(wanted))).items():
        is_it = stored.get(name)
        if name not in CHOSEN_AT_START and is_it != value:
            raise PretrainError(
                f"The checkpoint in {out} is of another run: its {name} is {is_it}, "
                f"not {value}. Give the options it was started with, or another --out."
            )
    checkpoint.restore(out / STATE, model, optimizers)
    paths.write(out / LOG, _log_until(about["step"], out / LOG))
    chosen = {name: stored[name] for name in CHOSEN_AT_START}
    return replace(wanted, **chosen), about["step"], about["seconds"]


def _log_until(step: int, path: Path) -> str:
    """Return the log up to a step, without a last line that was cut short."""
    try:
        whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
        head, *lines = whole.splitlines()
        kept = [line for line in lines if int(line.split(",")[0]) <= step]
    except (FileNotFoundError, ValueError) as error:
        raise PretrainError(
            f"The log {path} is missing or damaged: put it back, or delete the folder "
            "to start anew."
        ) from error
    return "\n".join([head, *kept]) + "\n"


def _save_model(out: Path, model) -> None:
    """Save the weights in half precision, with their configuration."""
    model.config.dtype = torch.float16
    paths.write(out / "config.json", model.config.to_json_string())
    names = dict(model.named_parameters())  # tied weights once
    halves = {name: p.detach().half().contiguous() for name, p in names.items()}
    paths.write(out / "model.safetensors", save(halves, {"format": "pt"}))


def _save_results(out: Path, recipe, corpus, figures, texts, data) -> None:
    """Write the recipe, the amount of data and the held-out figures as JSON."""
    results = {
        "source": corpus.name if corpus else model_card.REVIEWS,
        "recipe": asdict(recipe),
        "documents": {name: len(part) for name, part in texts.items()},
        "tokens": {name: part.numel() for name, part in data.items()},
        "held_out": {n: {"value": f.value} | f.about for n, f in figures.items()},
        "cores": torch.get_num_threads(),
        "date": date.today().isoformat(),
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }
    paths.write(out / "results.json", (json.dumps(results, indent=1) + "\n"))


def publish(kind: str, out: Path) -> Path:
    """Copy a finished run to where the course keeps its checkpoints; return that."""
    target = paths.CHECKPOINTS / NAMES[kind]
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(out.iterdir()):
        shutil.copyfile(file, target / file.name)
    return target


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
