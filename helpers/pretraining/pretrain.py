"""Pre-train the course's own BERT and GPT-2; a killed run goes on to equal weights."""

import time
from dataclasses import asdict, replace
from importlib.metadata import version

import joblib
import numpy as np
import pandas as pd
import torch
from filelock import Timeout
from tqdm import tqdm

from helpers import course, hardware, metrics
from helpers.data import corpora
from helpers.metrics import Score
from helpers.models import language_models, tokenizers
from helpers.models.language_models import CONTEXT
from helpers.models.ngrams import Trigram
from helpers.pretraining import costs, model_card, run_folder
from helpers.pretraining.recipes import Recipe, initialise, step
from helpers.pretraining.run_folder import PretrainError

SAVE_SECONDS = 180
LOG_ROWS, HELD_OUT_EVERY = 200, 10  # rows in a log; every tenth has a held-out loss
HELD_OUT_WHILE_TRAINING = 32_768  # tokens of the validation split
TESTED = 200_000  # tokens of the test split: about 700 reviews
OVERHEAD = 0.95  # the rest of the time evaluates and saves
CHOSEN_AT_START = ("steps", "precision")  # by measuring; the state remembers them
DISK_FULL = ("No space left", "quota exceeded", "not enough space")
TOKENIZERS = {"mlm": tokenizers.wordpiece, "clm": tokenizers.byte_pairs}


def run(
    objective, out, *, minutes=None, steps=None, corpus=None, resume=False, device=None
) -> dict[str, Score]:
    """Pre-train one model into the folder `out` and return its held-out figures.

    The budget is `minutes`, which become steps by timing a few, or `steps`; with
    `resume` it is that of the interrupted run. `corpus` is the Path of a text file, a
    document per line, or None: film reviews. Raises PretrainError and CorpusError.
    """
    try:
        with run_folder.claim(out, resume):
            return _run(objective, out, corpus, minutes, steps, resume, device)
    except Timeout as error:
        raise PretrainError(
            f"Another run is training in {out}: wait for its end or name another --out."
        ) from error
    except FloatingPointError as error:
        raise PretrainError(
            f"The training diverged ({error}), as it would again: start anew with "
            f"another --out and a lower `learning_rate` in {Recipe.__module__}."
        ) from error
    except Exception as error:  # the tokenizers' own is no OSError
        if not any(words in str(error) for words in DISK_FULL):
            raise
        raise PretrainError(
            "The disk is full: free some space, then go on with --resume from the last "
            "checkpoint, or start again if nothing was trained yet."
        ) from error


def _run(objective, out, corpus, minutes, steps, resume, device) -> dict[str, Score]:
    course.set_up_libraries()
    hardware.keep_freed_memory()
    texts = corpora.documents(corpus) if corpus else corpora.unlabelled()
    if resume:
        state, tokenizer = run_folder.load_state(out)
    else:
        tokenizer = TOKENIZERS[objective](texts["train"]["text"])
    sequences = {
        split: tokenizers.pack(some["text"], tokenizer, CONTEXT[objective])
        for split, some in texts.items()
    }
    recipe = Recipe(
        objective,
        steps or 0,
        corpus=joblib.hash(sequences["train"].numpy()),
        vocabulary=joblib.hash(tokenizer.backend_tokenizer.to_str()),
    )
    train, needed = len(sequences["train"]), recipe.tokens // CONTEXT[objective]
    sizes = [len(some) for some in (*texts.values(), *sequences.values())]
    if train < needed or min(sizes) < 2:
        tally = f" ({corpora.tally(corpus)})" if corpus else ""
        raise PretrainError(
            f"The corpus is too short{tally}: {len(texts['train'])} documents are left "
            f"to train on ({train} sequences) and {len(texts['test'])} to test on, but "
            f"training needs {needed} sequences and testing 2 documents that fill 2 "
            "sequences. Give it more text."
        )
    model, optimizers = initialise(recipe, tokenizer, device=device)
    if resume:
        recipe, start = _restore(state, recipe, model, optimizers)
    else:
        start = {"done": 0, "seconds": 0.0, "log": []}
        recipe = replace(recipe, precision=hardware.precision(model.device.type))
        if steps is None:
            speed = costs.speed(recipe, tokenizer, device=device).tokens
            steps = int(minutes * 60 * OVERHEAD * speed / recipe.tokens)
            if not steps:
                raise PretrainError(
                    f"{minutes:g} minutes are too short for one step: give it more."
                )
            recipe = replace(recipe, steps=steps)
        tokenizer.save_pretrained(out)
    _train(recipe, model, optimizers, tokenizer, sequences, out, **start)
    scores = figures(objective, model, tokenizer, texts, sequences)
    run_folder.save_model(out, model)
    run_folder.save_results(out, recipe, corpus, scores, texts, sequences)
    model_card.write_card(out)
    (out / run_folder.STATE).unlink()
    return scores


def _train(recipe, model, optimizers, tokenizer, sequences, out, done, seconds, log):
    """Save the state now and then, first and last; between, take steps and log them."""
    every = max(1, recipe.steps // LOG_ROWS)
    begin, due = time.monotonic() - seconds, 0
    with tqdm(total=recipe.steps, initial=done, unit="step", mininterval=1) as bar:
        while True:
            seconds = round(time.monotonic() - begin, 1)
            if seconds >= due or done == recipe.steps:
                start = {"done": done, "seconds": seconds, "log": log}
                run = _identity(recipe, model)
                run_folder.save_state(out, model, optimizers, run=run, start=start)
                due = seconds + SAVE_SECONDS
            if done == recipe.steps:
                return
            losses, train = [], sequences["train"]
            for now in range(done, min(done + every, recipe.steps)):
                losses.append(step(recipe, model, optimizers, tokenizer, train, now))
                bar.update()
            done, learning_rate = now + 1, recipe.learning_rate_at(now)
            loss, held_out = sum(losses) / len(losses), None
            bar.set_postfix(loss=loss)
            if done % (every * HELD_OUT_EVERY) == 0 or done == recipe.steps:
                held_out = _held_out_loss(model, tokenizer, sequences["validation"])
            seconds = round(time.monotonic() - begin, 1)
            tokens = done * recipe.tokens
            log.append((done, tokens, seconds, learning_rate, loss, held_out))
            rows = pd.DataFrame(log, columns=run_folder.COLUMNS)
            rows.to_csv(out / run_folder.LOG, index=False, lineterminator="\n")


def _held_out_loss(model, tokenizer, sequences) -> float:
    """Return the mean loss on the first sequences of the validation split."""
    sequences = sequences[: HELD_OUT_WHILE_TRAINING // sequences.shape[1]]
    if tokenizer.mask_token:
        losses = language_models.masked_scores(model, tokenizer, sequences)[0]
    else:
        losses = language_models.next_token_losses(model, sequences.flatten())
    return losses.mean().item()


def _restore(state, wanted: Recipe, model, optimizers) -> tuple[Recipe, dict]:
    """Fill model and optimizers from the state; return the recipe and the start."""
    stored, here = state["run"], _identity(wanted, model)
    for name in here | stored:
        was, now = stored.get(name), here.get(name)
        if name not in CHOSEN_AT_START and was != now:
            raise PretrainError(
                f"The interrupted run is another one: its {name} is {was}, not {now}. "
                "Go on with the options, versions and threads (OMP_NUM_THREADS) of its "
                "start, or name another --out."
            )
    for part, its in zip([model, *optimizers], state["parts"], strict=True):
        part.load_state_dict(its)
    return replace(wanted, **{n: stored[n] for n in CHOSEN_AT_START}), state["start"]


def _identity(recipe: Recipe, model) -> dict:
    """Return what must stay the same for the same weights, to the last bit."""
    return asdict(recipe) | {
        "architecture": joblib.hash(str(model.config)),
        "torch": version("torch"),
        "transformers": version("transformers"),
        "number of threads": torch.get_num_threads(),
        "device": model.device.type,
    }


def figures(objective: str, model, tokenizer, texts, sequences) -> dict[str, Score]:
    """Evaluate a model and its counting baselines on the test split, once.

    For `clm` these are perplexities, with 95 % intervals over reviews; for `mlm`
    accuracy and perplexity on masked tokens, with intervals over sequences.
    """
    model.eval()
    if objective == "mlm":
        return _masked_figures(model, tokenizer, sequences)
    test, validation = (
        tokenizers.stream(texts[split]["text"], tokenizer)[:TESTED]
        for split in ("test", "validation")
    )
    review = (test == tokenizer.eos_token_id).cumsum(0)[1:-1].numpy()  # of test[2:]
    train = sequences["train"].flatten().numpy()
    trigram = Trigram(train, validation.numpy(), len(tokenizer))
    unigram = (trigram.singles + 1) / (trigram.singles + 1).sum()
    losses = {
        "perplexity": language_models.next_token_losses(model, test)[1:].numpy(),
        "trigram_perplexity": trigram.losses(test.numpy()),
        "unigram_perplexity": -np.log(unigram[test[2:].numpy()]),
    }
    return {name: metrics.perplexity(each, review) for name, each in losses.items()}


def _masked_figures(model, tokenizer, sequences) -> dict[str, Score]:
    test = sequences["test"][: TESTED // sequences["test"].shape[1]]
    losses, hits = language_models.masked_scores(model, tokenizer, test)
    _, labels = language_models.mask(test, tokenizer, language_models.MASK_SEED)
    sequence, position = (labels != -100).nonzero(as_tuple=True)
    counts = sequences["train"].flatten().bincount(minlength=len(tokenizer))
    counts[tokenizer.all_special_ids] = 0
    unigram_hits = labels[sequence, position] == counts.argmax()
    return {
        "masked_accuracy": metrics.clustered(hits.numpy(), sequence.numpy()),
        "unigram_accuracy": metrics.clustered(unigram_hits.numpy(), sequence.numpy()),
        "masked_perplexity": metrics.perplexity(losses.numpy(), sequence.numpy()),
    }
