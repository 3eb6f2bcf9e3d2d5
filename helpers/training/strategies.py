"""The ways of fine-tuning MiniLM on Rotten Tomatoes that chapter 3 compares."""

import logging
import tempfile
from functools import cache

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets
from sklearn.model_selection import StratifiedKFold
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from helpers import hardware
from helpers.data import corpora
from helpers.models import encoders
from helpers.training import fine_tuning, freezing

STRATEGIES = (*freezing.PARTS[1:], "gradual", "layer-wise rates")
EPOCHS = 3
EPOCHS_TRIED = (1, 3, 5, 10)  # by cross-validation
DROPPED = 0.15  # share of the words that augmentation leaves out
# that a head is newborn need not be reported each time
logging.getLogger("transformers.modeling_utils").addFilter(
    lambda record: "LOAD REPORT" not in record.msg
)


@cache
def sentences():
    """Return the sentences of Rotten Tomatoes in three parts."""
    return corpora.rotten_tomatoes()


@cache
def tokenizer():
    """Return MiniLM's tokenizer."""
    return AutoTokenizer.from_pretrained(encoders.source("minilm"))


def subset(size: int, seed: int) -> Dataset:
    """Return the labelled sentences of one draw; every candidate gets the same."""
    return corpora.subset(sentences()["train"], size, seed)


def new_classifier(
    seed: int,
    classes: int = 2,
    dropout: float | None = None,
    source: str | None = None,
):
    """Return MiniLM with a newborn head for some classes, equal for equal seeds.

    `dropout` replaces the model's own; `source` is another folder with its weights.
    """
    torch.manual_seed(seed)
    options = {} if dropout is None else {"hidden_dropout_prob": dropout}
    return AutoModelForSequenceClassification.from_pretrained(
        source or encoders.source("minilm"),
        num_labels=classes,
        dtype=torch.float32,
        attn_implementation="eager",
        **options,
    )


def articles(data: Dataset, seed: int) -> Trainer:
    """Fine-tune by the recipe of the articles, with the library's Trainer as it is.

    Everything is padded to 128 pieces; batches of 8, a rate of 5e-5, no warm-up.
    """
    padded = data.map(
        lambda rows: tokenizer()(
            rows["text"], truncation=True, max_length=128, padding="max_length"
        ),
        batched=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            folder,
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=8,
            learning_rate=5e-5,
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
            seed=seed,
        )
        trainer = Trainer(new_classifier(seed), settings, train_dataset=padded)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return trainer


def course_recipe(data: Dataset, seed: int) -> Trainer:
    """Fine-tune all weights, in batches of 16 texts of similar length.

    Matrices are multiplied in bfloat16 where that is measured to be much faster.
    """
    return fine_tune("all", data, seed, 1e-4, bf16=hardware.bf16_is_faster())


def fine_tune(
    way: str,
    data: Dataset,
    seed: int,
    learning_rate: float,
    source: str | None = None,
    **options,
) -> Trainer:
    """Fine-tune MiniLM in one of `WAYS`; `source` as in `newborn`.

    All other options go to `training.classifier`.
    """
    model = new_classifier(seed, source=source)
    groups, callbacks = None, ()
    if way in freezing.PARTS:
        freezing.train_only(model, way)
    elif way == "gradual":
        callbacks = [freezing.Gradual()]
    else:
        groups = freezing.layerwise(model, learning_rate)
    return fine_tuning.classifier(
        model,
        tokenizer(),
        data,
        seed=seed,
        learning_rate=learning_rate,
        epochs=EPOCHS,
        groups=groups,
        callbacks=callbacks,
        **options,
    )


def over_fit(
    data: Dataset,
    seed: int,
    *,
    epochs: int,
    learning_rate: float,
    dropout: float | None = None,
    augment: bool = False,
    folds: int = 0,
    **options,
) -> Trainer:
    """Fine-tune all but the embeddings on few sentences, with a remedy or none.

    `dropout` replaces the model's own; `augment` shows a copy of each text without some
    of its words in place of every second showing; `folds` chooses the number of epochs
    by cross-validation; `patience` keeps a fifth of the sentences apart and stops by
    their loss. All other options go to `training.classifier`.
    """
    if folds:
        epochs = _cross_validated(data, seed, learning_rate, folds)
    if "patience" in options:
        parts = data.train_test_split(0.2, seed=seed, stratify_by_column="label")
        data, options["validation"] = parts["train"], parts["test"]
    if augment:
        data, epochs = _with_copies(data, seed), epochs / 2
    model = new_classifier(seed, dropout=dropout)
    freezing.train_only(model, "all but embeddings")
    return fine_tuning.classifier(
        model,
        tokenizer(),
        data,
        epochs=epochs,
        learning_rate=learning_rate,
        seed=seed,
        **options,
    )


def drop_words(text: str, dice: np.random.Generator) -> str:
    """Return a text without a random 15 % of its words (Wei and Zou 2019)."""
    words = text.split()
    kept = [word for word in words if dice.random() >= DROPPED]
    return " ".join(kept or words)


def _with_copies(data: Dataset, seed: int) -> Dataset:
    dice = np.random.default_rng(seed)
    copies = data.map(lambda row: {"text": drop_words(row["text"], dice)})
    return concatenate_datasets([data, copies])


def _cross_validated(data: Dataset, seed: int, learning_rate: float, folds: int) -> int:
    """Return the number of epochs whose accuracy over all folds is best."""
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    right = dict.fromkeys(EPOCHS_TRIED, 0.0)
    for train, held in splitter.split(data["text"][:], data["label"][:]):
        for epochs in EPOCHS_TRIED:
            fitted = over_fit(
                data.select(train), seed, epochs=epochs, learning_rate=learning_rate
            )
            right[epochs] += accuracy(fitted.model, data.select(held))
    return max(right, key=right.get)


def score(model, part: str = "test") -> float:
    """Return the accuracy of a model on a part of the sentences."""
    return accuracy(model, sentences()[part])


def accuracy(model, data: Dataset) -> float:
    """Return the share of texts that a model classifies right."""
    said = encoders.logits(model, tokenizer(), data["text"]).argmax(1)
    return float((said.numpy() == np.array(data["label"])).mean())
