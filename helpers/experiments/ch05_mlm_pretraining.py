"""Experiments of chapter 5: what reading film reviews without labels is worth later.

`begin_…` are shares of masked pieces guessed right, early in a pre-training. All others
are accuracies on sentences of Rotten Tomatoes: `choose_…` on validation sentences, the
rest on test sentences, with settings that the former chose.
"""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from transformers import (
    AutoTokenizer,
    BertForMaskedLM,
    BertForSequenceClassification,
)

from helpers import hardware, paths
from helpers.data import corpora
from helpers.models import (
    baselines,
    encoders,
    language_models,
    prompt_classifier,
    tokenizers,
)
from helpers.pretraining import recipes
from helpers.training import fine_tuning

SEEDS = range(3)
FROZEN_SEEDS = range(10)  # nothing is trained but a head, so more draws cost little
SMALL_EPOCHS = {100: 12, 300: 8, 1000: 5}  # by number of labels: fewer labels are read
MINILM_EPOCHS = {100: 8, 1000: 3}  # more often
SMALL_LEARNING_RATES, MINILM_LEARNING_RATES = (1e-4, 2e-4, 4e-4), (5e-5, 2e-4)
SMALL = ("pretrained", "scratch")  # course-bert, and its twin that has read nothing
STRATEGIES = ("hole", "head")  # by the head for holes, or by a newborn one on [CLS]
MINILM = ("plain", "adapted")  # as it is, and after reading on in film reviews
ADAPTING_LEARNING_RATES = (3e-5, 1e-4)
BEGINNINGS = [(128, 0.15), (128, 0.3), (32, 0.15), (32, 0.3)]  # length, share asked
BEGINNING, SCHEDULED = 700, 7000  # steps taken, of so many for which rates are planned
HEAD_LEARNING_RATE, HEAD_STEPS = 1e-3, 100
STEPS, ROWS, LENGTH = 400, 16, 128


def experiments() -> dict:
    """Return the experiments by name, in order; each takes the scores so far."""
    beginnings = {
        f"begin_{length}_{asked}": partial(_beginning, length, asked)
        for length, asked in BEGINNINGS
    }
    return _small() | _adaptation() | beginnings


def _small() -> dict:
    found = {}
    for size in SMALL_EPOCHS:
        for kind in SMALL:
            for way in STRATEGIES:
                found |= _tuned(kind, way, size, SMALL_LEARNING_RATES)
        for seed in SEEDS:
            found[f"tfidf_{size}_{seed}"] = partial(_tfidf, size, seed)
    return found


def _adaptation() -> dict:
    found = {
        f"choose_adapting_{learning_rate:g}": partial(_choose_adapting, learning_rate)
        for learning_rate in ADAPTING_LEARNING_RATES
    }
    for size in MINILM_EPOCHS:
        for kind in MINILM:
            for seed in FROZEN_SEEDS:
                name = f"{kind}_frozen_{size}_{seed}"
                found[name] = partial(_frozen, kind, size, seed)
            found |= _tuned(kind, "head", size, MINILM_LEARNING_RATES)
    return found


def _tuned(kind: str, way: str, size: int, learning_rates) -> dict:
    """Return the runs that choose a learning rate, and then those that use it."""
    choosing = {
        f"choose_{kind}_{way}_{size}_{learning_rate:g}": partial(
            _choose, kind, way, size, learning_rate
        )
        for learning_rate in learning_rates
    }
    chosen = {
        f"{kind}_{way}_{size}_{seed}": partial(_chosen, kind, way, size, seed)
        for seed in SEEDS
    }
    return choosing | chosen


def subset(size: int, seed: int):
    """Return the labelled sentences of one draw; every candidate gets the same."""
    return corpora.subset(_sentences()["train"], size, seed)


def fine_tuned(
    kind: str, way: str, size: int, seed: int, scores: dict, learning_rate: float = 0
) -> float:
    """Fine-tune a model on one draw; return its accuracy on the test sentences.

    `kind` is one of `SMALL` and `MINILM`. `way` is `hole`, by the head that the model
    has, or `head`, by a newborn one on [CLS]. The learning rate is that which `scores`
    say was best on the validation sentences; with a `rate` of your own the accuracy is
    that on the validation sentences.
    """
    folder = _folder(kind, scores)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    data, unseen = (
        subset(size, seed),
        _sentences()["validation" if learning_rate else "test"],
    )
    if way == "hole":
        data, unseen = map(prompt_classifier.add_prompt, (data, unseen))
    epochs = (SMALL_EPOCHS if kind in SMALL else MINILM_EPOCHS)[size]
    trainer = fine_tuning.classifier(
        _model(kind, way, folder, tokenizer, seed),
        tokenizer,
        data,
        epochs=epochs,
        learning_rate=learning_rate or best_learning_rate(scores, kind, way, size),
        seed=seed,
    )
    said = encoders.logits(trainer.model, tokenizer, unseen["text"]).argmax(1)
    return float((said.numpy() == np.array(unseen["label"])).mean())


def _model(kind, way, folder, tokenizer, seed):
    """Return a classifier: the weights of a folder or, for scratch, random ones."""
    torch.manual_seed(seed)
    form = (
        prompt_classifier.PromptClassifier
        if way == "hole"
        else BertForSequenceClassification
    )
    model = form.from_pretrained(folder, dtype=torch.float32, hidden_dropout_prob=0.1)
    if kind == "scratch":
        model = form(model.config)  # the same architecture
    return model.prepare(tokenizer) if way == "hole" else model


def best_learning_rate(scores: dict, kind: str, way: str, size: int) -> float:
    """Return the learning rate that was best on the validation sentences."""
    return _best(scores, f"choose_{kind}_{way}_{size}_")


def _best(scores, prefix: str) -> float:
    tried = [name for name in scores if name.startswith(prefix)]
    return float(max(tried, key=scores.get).removeprefix(prefix))


def _choose(kind, way, size, learning_rate, scores) -> float:
    return fine_tuned(kind, way, size, 0, scores, learning_rate)


def _chosen(kind, way, size, seed, scores) -> float:
    return fine_tuned(kind, way, size, seed, scores)


def _tfidf(size, seed, scores) -> float:
    data, unseen = subset(size, seed), _sentences()["test"]
    model = baselines.tfidf(C=10).fit(data["text"][:], data["label"][:])
    return model.score(unseen["text"][:], unseen["label"][:])


def _frozen(kind, size, seed, scores, part="test") -> float:
    return _probe(_folder(kind, scores), size, seed, part)


def _choose_adapting(learning_rate, scores) -> float:
    return _probe(str(adapted(learning_rate)), 1000, 0, "validation")


def _probe(folder: str, size: int, seed: int, part: str) -> float:
    """Train a logistic regression on frozen features; return its accuracy."""
    encoder = encoders.load_text(folder)
    data, unseen = subset(size, seed), _sentences()[part]
    head = LogisticRegression(C=1, max_iter=2000)
    head.fit(encoders.embed_texts(*encoder, data["text"]), data["label"][:])
    return head.score(
        encoders.embed_texts(*encoder, unseen["text"]), unseen["label"][:]
    )


def _folder(kind: str, scores: dict) -> str:
    """Return where the weights of a kind are."""
    if kind in SMALL:
        return encoders.locate("course-bert")
    if kind == "plain":
        return encoders.locate("minilm")
    return str(adapted(_best(scores, "choose_adapting_")))


def adapted(learning_rate: float) -> Path:
    """Return the folder of MiniLM after it has read on in film reviews.

    Domain-adaptive pre-training (Gururangan et al. 2020): the encoder's masked-language
    head is lost, so a new one learns alone first, then both together.
    """
    folder = paths.CACHED_EXPERIMENTS / f"adapted_{learning_rate:g}"
    if folder.is_dir():
        return folder
    source = encoders.locate("minilm")
    tokenizer = AutoTokenizer.from_pretrained(source)
    torch.manual_seed(0)
    model = BertForMaskedLM.from_pretrained(
        source, dtype=torch.float32, attn_implementation="eager"
    ).train()
    rows = _rows(source)["train"]
    rows = rows[torch.randperm(len(rows))].split(ROWS)
    model.bert.requires_grad_(False)
    _read_on(model, tokenizer, rows[:HEAD_STEPS], HEAD_LEARNING_RATE)
    model.requires_grad_(True)
    _read_on(model, tokenizer, rows[HEAD_STEPS : HEAD_STEPS + STEPS], learning_rate)
    unfinished = folder.with_name(f"{folder.name}.partial")
    model.bert.save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    return unfinished.rename(folder)


def _read_on(model, tokenizer, batches, learning_rate: float) -> None:
    """Train what is not frozen, a step per batch; the rate falls in a straight line."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, fused=True)
    half = hardware.bf16_is_faster()
    for number, rows in enumerate(batches):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = language_models.loss("mlm", model, tokenizer, rows, seed=number)
        loss.backward()
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - number / len(batches))
        optimizer.step()
        optimizer.zero_grad()


def _beginning(length: int, asked: float, scores) -> float:
    """Return the masked accuracy after the first steps of a recipe, in short rows.

    Every recipe is scored on the same rows, cut to 32 pieces, that nobody read.
    """
    folder = encoders.locate("course-bert")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    recipe = replace(
        recipes.Recipe("mlm", SCHEDULED, vocabulary="", corpus=""),
        mlm_probability=asked,
        short_length=length,
        precision=hardware.precision(),
    )
    rows = _rows(folder)
    model, optimizers = recipes.initialise(recipe, tokenizer)
    for number in range(BEGINNING):
        recipes.step(recipe, model, optimizers, tokenizer, rows["train"], number)
    exam = rows["validation"].view(-1, recipes.Recipe.short_length)
    return (
        language_models.masked_scores(model.eval(), tokenizer, exam)[1].float().mean()
    )


@cache
def _rows(folder: str) -> dict[str, torch.Tensor]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = corpora.unlabelled()
    return {
        part: tokenizers.pack(texts[part]["text"], tokenizer, LENGTH)
        for part in ("train", "validation")
    }


@cache
def _sentences():
    return corpora.rotten_tomatoes()
