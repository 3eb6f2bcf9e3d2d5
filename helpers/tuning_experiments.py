"""Experiments of chapter 3: how much to unfreeze, what helps against over-fitting.

All fine-tune MiniLM on sentences of Rotten Tomatoes. `choose_…` are accuracies on the
validation sentences; all others are on the test sentences, with settings that the
former chose.
"""

import logging
import tempfile
import time
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from torch.nn import functional
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from helpers import corpora, encoders, recipes, training, unfreezing
from helpers.course import ROOT

SEEDS, DRAWS = range(3), range(5)
LABELS, EPOCHS = 1000, 3
WAYS = (*unfreezing.PARTS[1:], "gradual", "layer-wise rates")
RATES = {
    "head": (1e-3, 3e-3, 1e-2),
    "last two layers": (1e-4, 3e-4, 1e-3),
    "all but embeddings": (5e-5, 1e-4, 2e-4),
    "all": (5e-5, 1e-4, 2e-4),
    "gradual": (1e-4, 2e-4, 4e-4),
    "layer-wise rates": (1e-4, 2e-4, 4e-4),
    "everything": (5e-5, 1e-4),
    "transfer": (2e-5, 5e-5),
}
FEW, LONG, RATE = 200, 10, 1e-4  # labels, epochs and rate that over-fit
REMEDIES = {
    "none": {},
    "dropout 0.3": {"dropout": 0.3},
    "weight decay 0.1": {"weight_decay": 0.1},
    "early stopping": {"patience": 2},
    "3 epochs": {"epochs": 3},
    "rate 2e-5": {"rate": 2e-5},
    "augmentation": {"augment": True},
    "epochs by cross-validation": {"folds": 3},
}
EPOCHS_TRIED = (1, 3, 5, 10)
DROPPED = 0.15  # share of the words that augmentation leaves out
CACHED = ROOT / "data" / "cache" / "sweeps"
# that a head is newborn need not be reported each time
logging.getLogger("transformers.modeling_utils").addFilter(
    lambda record: "LOAD REPORT" not in record.msg
)


def experiments() -> dict:
    """Return the experiments by name, in order; each takes the scores so far."""
    return _recipes() | _ways() | _remedies() | _everything()


def _recipes() -> dict:
    """The recipe of the articles and the course's: accuracy and seconds."""
    return {
        f"{name}_{seed}": partial(_timed, recipe, seed)
        for seed in SEEDS
        for name, recipe in {"articles": articles, "course": course_recipe}.items()
    }


def _ways() -> dict:
    found = {
        f"{name}_{seed}": partial(_linear, name, seed)
        for name in LINEAR
        for seed in SEEDS
    }
    found |= {f"nothing_{seed}": partial(_untrained, seed) for seed in SEEDS}
    for way in WAYS:
        for rate in RATES[way]:
            name = f"choose_{way}_{rate:g}"
            found[name] = partial(_choose, way, rate)
        found |= {f"{way}_{seed}": partial(_chosen, way, seed) for seed in SEEDS}
    return found


def _remedies() -> dict:
    return {
        f"{name}_{draw}": partial(_remedied, name, draw)
        for name in REMEDIES
        for draw in DRAWS
    }


def _everything() -> dict:
    found = {}
    for kind in ("everything", "transfer"):
        for rate in RATES[kind]:
            found[f"choose_{kind}_{rate:g}"] = partial(_choose_everything, kind, rate)
        found |= {f"{kind}_{s}": partial(_chosen_everything, kind, s) for s in SEEDS}
    return found


def newborn(
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
        trainer = Trainer(newborn(seed), settings, train_dataset=padded)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return trainer


def course_recipe(data: Dataset, seed: int) -> Trainer:
    """Fine-tune all weights, in batches of 16 texts of similar length.

    Matrices are multiplied in bfloat16 where that is measured to be much faster.
    """
    return fine_tune("all", data, seed, 1e-4, bf16=half())


def fine_tune(
    way: str,
    data: Dataset,
    seed: int,
    rate: float,
    source: str | None = None,
    **options,
) -> Trainer:
    """Fine-tune MiniLM in one of `WAYS`; `source` as in `newborn`.

    All other options go to `training.classifier`.
    """
    model = newborn(seed, source=source)
    groups, callbacks = None, ()
    if way in unfreezing.PARTS:
        unfreezing.train_only(model, way)
    elif way == "gradual":
        callbacks = [unfreezing.Gradual()]
    else:
        groups = unfreezing.layerwise(model, rate)
    return training.classifier(
        model,
        tokenizer(),
        data,
        seed=seed,
        rate=rate,
        epochs=EPOCHS,
        groups=groups,
        callbacks=callbacks,
        **options,
    )


def score(model, part: str = "test") -> float:
    """Return the accuracy of a model on a part of the sentences."""
    return _accuracy(model, sentences()[part])


def draw(size: int, seed: int) -> Dataset:
    """Return the labelled sentences of one draw; every candidate gets the same."""
    return corpora.draw(sentences()["train"], size, seed)


def best(scores: dict, kind: str) -> float:
    """Return the learning rate that was best on the validation sentences."""
    prefix = f"choose_{kind}_"
    tried = [name for name in scores if name.startswith(prefix)]
    return float(max(tried, key=scores.get).removeprefix(prefix))


def drop_words(text: str, dice: np.random.Generator) -> str:
    """Return a text without a random 15 % of its words (Wei and Zou 2019)."""
    words = text.split()
    kept = [word for word in words if dice.random() >= DROPPED]
    return " ".join(kept or words)


@cache
def half() -> bool:
    """Return whether this processor multiplies bfloat16 much faster; measured once."""
    return recipes.precision() == "bfloat16"


@cache
def tokenizer():
    """Return MiniLM's tokenizer."""
    return AutoTokenizer.from_pretrained(encoders.source("minilm"))


@cache
def sentences():
    """Return the sentences of Rotten Tomatoes in three parts."""
    return corpora.rotten_tomatoes()


def _timed(recipe, seed, scores) -> dict[str, float]:
    data, begin = draw(LABELS, seed), time.perf_counter()
    trainer = recipe(data, seed)
    seconds = time.perf_counter() - begin
    return {"accuracy": score(trainer.model), "seconds": seconds}


def _linear(name, seed, scores) -> float:
    """Score a linear cut through word counts or frozen vectors, as in chapter 2."""
    data, parts = draw(LABELS, seed), sentences()
    vectors, strengths = LINEAR[name]
    known, watched, asked = vectors(data, parts["validation"], parts["test"])

    def fitted(strength):
        return LogisticRegression(C=strength, max_iter=1000).fit(known, data["label"])

    watch = partial(_right, features=watched, data=parts["validation"])
    return _right(max(map(fitted, strengths), key=watch), asked, parts["test"])


def _right(model, features, data) -> float:
    return float(model.score(features, data["label"]))


def _word_counts(data, *others):
    counts = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    counts.fit(data["text"])
    return [counts.transform(part["text"]) for part in (data, *others)]


def _frozen_means(data, *others):
    frozen = encoders.load_text("minilm")
    means = [encoders.embed_texts(*frozen, part["text"][:]) for part in (data, *others)]
    scaler = StandardScaler().fit(means[0])
    return [scaler.transform(part) for part in means]


# name -> the vectors of texts, and the strengths C that validation chooses from
LINEAR = {
    "word counts": (_word_counts, (1, 10, 100)),
    "frozen mean": (_frozen_means, (0.001, 0.01, 0.1)),
}


def _untrained(seed, scores) -> float:
    return score(newborn(seed))


def _choose(way, rate, scores) -> float:
    return score(fine_tune(way, draw(LABELS, 0), 0, rate).model, "validation")


def _chosen(way, seed, scores) -> float:
    trained = fine_tune(way, draw(LABELS, seed), seed, best(scores, way))
    return score(trained.model)


def _remedied(name, number, scores) -> dict[str, float]:
    """Fit 200 labelled sentences with one remedy; score known and unseen ones."""
    options = {"epochs": LONG, "rate": RATE} | REMEDIES[name]
    model = over_fit(draw(FEW, number), number, **options).model
    said = encoders.logits(model, tokenizer(), sentences()["test"]["text"])
    truth = torch.tensor(sentences()["test"]["label"][:])
    return {
        "accuracy": float((said.argmax(1) == truth).double().mean()),
        "loss": float(functional.cross_entropy(said, truth)),
        "train": _accuracy(model, draw(FEW, number)),
    }


def over_fit(
    data: Dataset,
    seed: int,
    *,
    epochs: int,
    rate: float,
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
        epochs = _cross_validated(data, seed, rate, folds)
    if "patience" in options:
        parts = data.train_test_split(0.2, seed=seed, stratify_by_column="label")
        data, options["validation"] = parts["train"], parts["test"]
    if augment:
        data, epochs = _with_copies(data, seed), epochs / 2
    model = newborn(seed, dropout=dropout)
    unfreezing.train_only(model, "all but embeddings")
    return training.classifier(
        model, tokenizer(), data, epochs=epochs, rate=rate, seed=seed, **options
    )


def _with_copies(data: Dataset, seed: int) -> Dataset:
    dice = np.random.default_rng(seed)
    copies = data.map(lambda row: {"text": drop_words(row["text"], dice)})
    return concatenate_datasets([data, copies])


def _cross_validated(data: Dataset, seed: int, rate: float, folds: int) -> int:
    """Return the number of epochs whose accuracy over all folds is best."""
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    right = dict.fromkeys(EPOCHS_TRIED, 0.0)
    for train, held in splitter.split(data["text"][:], data["label"][:]):
        for epochs in EPOCHS_TRIED:
            fitted = over_fit(data.select(train), seed, epochs=epochs, rate=rate)
            right[epochs] += _accuracy(fitted.model, data.select(held))
    return max(right, key=right.get)


def _choose_everything(kind, rate, scores) -> float:
    return score(_on_everything(kind, 0, rate).model, "validation")


def _chosen_everything(kind, seed, scores) -> float:
    return score(_on_everything(kind, seed, best(scores, kind)).model)


def _on_everything(kind: str, seed: int, rate: float) -> Trainer:
    """Fine-tune on all training sentences; `transfer` begins from film reviews."""
    source = str(reviewer()) if kind == "transfer" else None
    return fine_tune("all", sentences()["train"], seed, rate, source, bf16=half())


def reviewer() -> Path:
    """Return the folder of MiniLM fine-tuned on the ends of IMDB's reviews, once.

    The ends, since a review closes with its verdict: word counts of the last 50 words
    were right on 73 % of our validation sentences, of the first 50 on 71 %. Reviews
    that share a run of words with a sentence we evaluate on are left out.
    """
    folder = CACHED / "minilm_imdb"
    if not folder.is_dir():
        reviews = corpora.imdb()["train"]
        asked = [*sentences()["validation"]["text"], *sentences()["test"]["text"]]
        copied = corpora.copies(reviews["text"], asked)
        train = reviews.select(np.flatnonzero(~np.array(copied)))
        last = AutoTokenizer.from_pretrained(
            encoders.source("minilm"), truncation_side="left"
        )
        trainer = training.classifier(
            newborn(0), last, train, epochs=1, rate=1e-4, bf16=half()
        )
        unfinished = folder.with_name("minilm_imdb.partial")
        trainer.model.save_pretrained(unfinished)
        unfinished.rename(folder)
    return folder


def _accuracy(model, data: Dataset) -> float:
    said = encoders.logits(model, tokenizer(), data["text"]).argmax(1)
    return float((said.numpy() == np.array(data["label"])).mean())
