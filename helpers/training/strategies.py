"""The strategies of fine-tuning MiniLM on Rotten Tomatoes that chapter 3 compares."""

from functools import cache, partial

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets
from sklearn.model_selection import StratifiedKFold
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer

from helpers import metrics
from helpers.data import corpora
from helpers.models import encoders
from helpers.training import fine_tuning, freezing

STRATEGIES = (*freezing.TRAINABLE[1:], "gradual", "layer-wise learning rates")
EPOCHS_TRIED = (1, 3, 5, 10)  # by cross-validation


@cache
def sentences():
    """Return the sentences of Rotten Tomatoes in three splits."""
    return corpora.rotten_tomatoes()


@cache
def tokenizer():
    """Return MiniLM's tokenizer."""
    return AutoTokenizer.from_pretrained(encoders.locate("minilm"))


def subset(size: int, seed: int) -> Dataset:
    """Return a random training subset, equal for equal seeds, or all in their order."""
    train = sentences()["train"]
    return train if size == len(train) else corpora.subset(train, size, seed)


def new_classifier(seed: int, num_labels=2, dropout=None, weights=None, device=None):
    """Return MiniLM with a random head, equal for equal seeds, or with `weights`."""
    torch.manual_seed(seed)
    options = {"attn_implementation": "eager", "dtype": torch.float32}
    if dropout is not None:
        options["hidden_dropout_prob"] = dropout
    model = AutoModelForSequenceClassification.from_pretrained(
        encoders.locate("minilm"), num_labels=num_labels, **options
    )
    if weights:
        model.load_state_dict(weights)
    return model.to(device)


def course_recipe(data: Dataset, seed: int, device=None) -> Trainer:
    """Fine-tune all weights, in batches of 16 texts of similar length."""
    return fine_tune("all", data, seed, 1e-4, device=device, bf16=None)


def fine_tune(
    strategy: str,
    data: Dataset,
    seed: int,
    learning_rate: float,
    *,
    epochs: float | None = 3,
    weights: dict | None = None,
    device=None,
    dropout: float | None = None,
    dropped_words: float = 0,
    folds: int = 0,
    **options,
) -> Trainer:
    """Fine-tune MiniLM by one of `STRATEGIES`, with regularisation or none.

    `weights`, `device` and `dropout` as in `new_classifier`. `dropped_words` drops that
    fraction of the words every second time that a text is read; `folds` chooses the
    epochs by cross-validation; `patience` keeps a fifth of the sentences apart and
    stops by their loss. All other options go to `fine_tuning.classifier`.
    """
    if folds:
        run = partial(fine_tune, strategy, learning_rate=learning_rate, device=device)
        epochs = _cross_validated(run, data, seed, folds)
    if "patience" in options:
        parts = data.train_test_split(0.2, seed=seed, stratify_by_column="label")
        data, options["validation"] = parts["train"], parts["test"]
    if dropped_words:
        rng = np.random.default_rng(seed)
        drop = partial(drop_words, fraction=dropped_words, rng=rng)
        copies = data.map(lambda row: {"text": drop(row["text"])})
        data, epochs = concatenate_datasets([data, copies]), epochs / 2
    model = new_classifier(seed, dropout=dropout, weights=weights, device=device)
    if strategy in freezing.TRAINABLE:
        freezing.train_only(model, strategy)
    elif strategy == "gradual":
        options["callbacks"] = [freezing.Gradual()]
    else:
        options["groups"] = freezing.layerwise(model, learning_rate)
    options |= {"epochs": epochs, "learning_rate": learning_rate, "seed": seed}
    return fine_tuning.classifier(model, tokenizer(), data, **options)


def drop_words(text: str, fraction: float, rng: np.random.Generator) -> str:
    """Return a text without a random fraction of its words (Wei and Zou 2019)."""
    words = text.split()
    kept = [word for word in words if rng.random() >= fraction]
    return " ".join(kept or words)


def _cross_validated(run, data: Dataset, seed: int, folds: int) -> int:
    """Return the number of epochs whose accuracy over all folds is best."""
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    right = dict.fromkeys(EPOCHS_TRIED, 0.0)
    for train, held_out in splitter.split(data["text"][:], data["label"][:]):
        for epochs in EPOCHS_TRIED:
            model = run(data=data.select(train), seed=seed, epochs=epochs).model
            unseen = data.select(held_out)
            found = encoders.logits(model, tokenizer(), unseen["text"]).argmax(1)
            right[epochs] += metrics.accuracy(found, unseen["label"][:]).value
    return max(right, key=right.get)
