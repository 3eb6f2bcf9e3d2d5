"""Pre-train the course's own small BERT and GPT-2 from random weights.

Everything random in a step follows from the run's seed and the number of the step, so a
run that was killed goes on from its last checkpoint to the very same weights.
"""

import csv
import hashlib
import json
import os
import re
import time
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import AutoTokenizer

from helpers import course, hardware, paths
from helpers.data import corpora
from helpers.data.download import DISK_FULL, sha256
from helpers.metrics import Score
from helpers.models import language_models, tokenizers
from helpers.pretraining import checkpoint, evaluation, model_card, run_folder
from helpers.pretraining.checkpoint import PretrainError
from helpers.pretraining.recipes import Recipe, initialise, step
from helpers.pretraining.run_folder import LOG, STATE

SAVE_SECONDS = 180
LOG_ROWS, HELD_OUT_EVERY = 200, 10  # rows in a log; every tenth has a held-out loss
HELD_OUT_WHILE_TRAINING = 32_768  # tokens of the validation split
WARM_UP_STEPS, TIMED_STEPS = 3, 12  # before a budget in minutes becomes steps
OVERHEAD = 0.95  # the rest of the time evaluates and saves
CHOSEN_AT_START = ("steps", "precision")  # by measuring; the state remembers them


def run(
    objective: str,
    out: Path,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    corpus: Path | None = None,
    resume: bool = False,
    device=None,
) -> dict[str, Score]:
    """Pre-train one model into the folder `out` and return its held-out figures.

    The budget is either `minutes`, which becomes a number of steps by timing a few, or
    `steps`; with `resume` it is that of the interrupted run. `corpus` is a text file
    with one document per line, else the unlabelled film reviews. Raises PretrainError,
    or `corpora.CorpusError` for an unusable file.
    """
    try:
        run_folder.claim(out, resume)
        return _run(objective, out, corpus, minutes, steps, resume, device)
    except FloatingPointError as error:
        raise PretrainError(
            f"The training diverged ({error}): the last checkpoint is whole, but would "
            f"end there again, so lower `learning_rate` in {Recipe.__module__} and "
            "start anew with another --out."
        ) from error
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        again = "the last checkpoint is whole, so go on with --resume"
        if not (out / STATE).is_file():
            again = "nothing was trained yet, so start again"
        raise PretrainError(f"The disk is full: free some space; {again}.") from error


def _run(objective, out, corpus, minutes, steps, resume, device) -> dict[str, Score]:
    course.set_up_libraries()
    hardware.keep_freed_memory()
    texts = corpora.documents(corpus) if corpus else corpora.unlabelled()
    if not resume:
        paths.write(out / LOG, run_folder.HEADER)  # from now on the folder is ours
        _train_tokenizer(objective, out, texts["train"]["text"])
    tokenizer = _load_tokenizer(out)
    sequences = {
        split: tokenizers.pack(
            some["text"], tokenizer, language_models.CONTEXT[objective]
        )
        for split, some in texts.items()
    }
    recipe = Recipe(
        objective,
        steps or 0,
        corpus=_digest(sequences["train"].numpy().tobytes()),
        vocabulary=sha256(out / "tokenizer.json"),
    )
    _check_length(recipe, texts, sequences, corpus)
    model, optimizers = initialise(recipe, tokenizer, device=device)
    if resume:
        recipe, first, spent = _restore(out, recipe, model, optimizers)
    else:
        recipe = replace(recipe, precision=hardware.precision(model.device.type))
        if steps is None:
            recipe = _within(minutes, recipe, tokenizer, sequences["train"], device)
        first, spent = 0, 0.0
        _save(out, recipe, model, optimizers, 0, 0.0)
    _train(recipe, model, optimizers, tokenizer, sequences, out, first, spent)
    figures = evaluation.figures(objective, model, tokenizer, texts, sequences)
    run_folder.save_model(out, model)
    run_folder.save_results(out, recipe, corpus, figures, texts, sequences)
    model_card.write_card(out)
    (out / STATE).unlink()
    return figures


def _check_length(recipe: Recipe, texts, sequences, corpus) -> None:
    """Make sure that there is one batch to train on and two texts to test on."""
    fewest = min(len(texts[split]) for split in ("validation", "test"))
    size = {split: len(some) for split, some in sequences.items()}
    if size["train"] < recipe.batch_size or fewest < 2 or min(size.values()) < 2:
        tally = f" ({corpora.tally(corpus)})" if corpus else ""
        raise PretrainError(
            f"The corpus is too short: after filtering, {len(texts['train'])} "
            f"documents are left to train on ({size['train']} sequences of "
            f"{language_models.CONTEXT[recipe.objective]} tokens) and {fewest} to test "
            f"on, but training needs {recipe.batch_size} sequences and testing 2 "
            f"documents that fill 2 sequences{tally}. Give it more text."
        )


def _train_tokenizer(objective: str, out: Path, texts) -> None:
    train = {"mlm": tokenizers.wordpiece, "clm": tokenizers.byte_pairs}[objective]
    trained = train(texts)
    try:
        trained.save_pretrained(out)
    except Exception as error:  # the library raises no OSError, only its number
        if number := re.search(r"os error (\d+)", str(error)):
            code = int(number[1])
            raise OSError(code, os.strerror(code), str(out)) from error
        raise


def _load_tokenizer(out: Path):
    try:
        return AutoTokenizer.from_pretrained(out)
    except Exception as error:  # whatever a damaged file makes the library raise
        raise PretrainError(
            f"The tokenizer in {out} cannot be read: start anew with another --out."
        ) from error


def _within(minutes: float, recipe: Recipe, tokenizer, sequences, device) -> Recipe:
    """Turn a budget in minutes into steps, by timing steps that are thrown away."""
    trial = replace(recipe, steps=WARM_UP_STEPS + TIMED_STEPS)
    model, optimizers = initialise(trial, tokenizer, device=device)
    for number in range(trial.steps):
        if number == WARM_UP_STEPS:
            begin = time.perf_counter()
        step(trial, model, optimizers, tokenizer, sequences, number)
    seconds = (time.perf_counter() - begin) / TIMED_STEPS
    steps = int(minutes * 60 * OVERHEAD / seconds)
    if steps < 1:
        raise PretrainError(
            f"{minutes:g} minutes are too short for one step, which takes "
            f"{seconds:.2f} seconds here: give more --minutes."
        )
    return replace(recipe, steps=steps)


def _train(recipe, model, optimizers, tokenizer, sequences, out, first, spent) -> None:
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
                step(recipe, model, optimizers, tokenizer, sequences["train"], number)
            )
            bar.update()
            done = number + 1
            if done % every and done != recipe.steps:
                continue
            seconds = spent + time.monotonic() - begin
            tokens = done * recipe.tokens
            mean = sum(losses) / len(losses)
            losses.clear()
            bar.set_postfix_str(f"loss {mean:.3f}, {tokens / seconds:.0f} tokens/s")
            held_out = ""
            if done % (every * HELD_OUT_EVERY) == 0 or done == recipe.steps:
                loss = _held_out_loss(recipe, model, tokenizer, sequences["validation"])
                held_out = f"{loss:.5f}"
            row = (done, tokens, round(seconds, 1), recipe.learning_rate_at(number))
            writer = csv.writer(log, lineterminator="\n")
            writer.writerow([*row, f"{mean:.5f}", held_out])
            log.flush()
            if time.monotonic() - saved > SAVE_SECONDS or done == recipe.steps:
                _save(out, recipe, model, optimizers, done, seconds)
                saved = time.monotonic()


def _held_out_loss(recipe: Recipe, model, tokenizer, sequences) -> float:
    """Return the mean loss on the first sequences of the validation split."""
    sequences = sequences[: HELD_OUT_WHILE_TRAINING // sequences.shape[1]]
    if recipe.objective == "mlm":
        losses = language_models.masked_scores(model, tokenizer, sequences)[0]
    else:
        losses = language_models.next_token_losses(model, sequences.flatten())
    return losses.mean().item()


def _save(out: Path, recipe, model, optimizers, step: int, seconds: float) -> None:
    """Write the state after so many steps and seconds."""
    notes = {
        "recipe": asdict(recipe),
        "surroundings": _surroundings(model),
        "step": step,
        "seconds": round(seconds, 1),
    }
    checkpoint.save(out / STATE, notes, model, optimizers)


def _surroundings(model) -> dict:
    """Return what else must stay the same for the same weights, to the last bit."""
    libraries = {name: version(name) for name in ("torch", "transformers")}
    return libraries | {
        "number of threads": torch.get_num_threads(),
        "device": model.device.type,
    }


def _restore(out: Path, wanted: Recipe, model, optimizers):
    """Fill model and optimizers from the state: (recipe, next step, seconds spent)."""
    notes = checkpoint.notes(out / STATE)
    stored = notes["recipe"] | notes.get("surroundings", {})
    here = json.loads(json.dumps(asdict(wanted))) | _surroundings(model)
    if unknown := stored.keys() ^ here.keys():
        raise PretrainError(
            f"The checkpoint in {out} is of another version of the course (only one of "
            f"the two knows {', '.join(sorted(unknown))}): start anew with another "
            "--out."
        )
    for name, value in here.items():
        if name not in CHOSEN_AT_START and stored[name] != value:
            raise PretrainError(
                f"The checkpoint in {out} is of another run: its {name} is "
                f"{stored[name]}, not {value}. Go on with the options, versions and "
                "threads (OMP_NUM_THREADS) of its start, or name another --out."
            )
    checkpoint.restore(out / STATE, model, optimizers)
    run_folder.cut_log(out, notes["step"])
    chosen = {name: stored[name] for name in CHOSEN_AT_START}
    return replace(wanted, **chosen), notes["step"], notes["seconds"]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
