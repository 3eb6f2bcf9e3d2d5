"""Experiments of chapter 5: what pre-training on film reviews saves in labels."""

from functools import cache, partial

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertForMaskedLM
from transformers import BertModel

from helpers import corpora, encoders, language, pieces, training

SEEDS = range(3)
EPOCHS = {100: 20, 300: 10, 1000: 6}  # about as many steps for each
RATES = (1e-4, 3e-4, 1e-3)
KINDS = ("pretrained", "scratch")
MODEL = "course-bert"
ADAPTED_STEPS, ADAPTED_ROWS, ADAPTED_RATE = 600, 16, 1e-4


def experiments() -> dict:
    """Return the experiments by name; each takes the scores so far."""
    found = {}
    for kind in KINDS:
        for size in EPOCHS:
            for rate in RATES:
                found[f"choose_{kind}_{size}_{rate:g}"] = partial(_choose, kind, size, rate)
            for seed in SEEDS:
                found[f"{kind}_{size}_{seed}"] = partial(_chosen, kind, size, seed)
    for size in EPOCHS:
        for seed in SEEDS:
            found[f"tfidf_{size}_{seed}"] = partial(_tfidf, size, seed)
    return found


def draw(size: int, seed: int):
    """Return the labelled sentences of one draw; every candidate gets the same."""
    pool = _reviews()["train"]
    return pool.select(np.random.default_rng(seed).choice(len(pool), size, replace=False))


def fine_tuned(kind: str, size: int, seed: int, rate: float, part: str) -> float:
    """Fine-tune one classifier on one draw; return its accuracy on a split."""
    folder = encoders.source(MODEL)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, hidden_dropout_prob=0.1
    )
    if kind == "scratch":
        model = type(model)(model.config)
    data = draw(size, seed)
    trainer = training.classifier(
        model, tokenizer, data, epochs=EPOCHS[size], rate=rate, seed=seed
    )
    unseen = _reviews()[part]
    said = training.predictions(trainer, unseen, tokenizer)
    return float((said == np.array(unseen["label"])).mean())


def best_rate(scores: dict, kind: str, size: int) -> float:
    """Return the rate that was best on the validation split."""
    return max(RATES, key=lambda rate: scores[f"choose_{kind}_{size}_{rate:g}"])


def _choose(kind, size, rate, scores) -> float:
    return fine_tuned(kind, size, 0, rate, "validation")


def _chosen(kind, size, seed, scores) -> float:
    return fine_tuned(kind, size, seed, best_rate(scores, kind, size), "test")


def _tfidf(size, seed, scores) -> float:
    counts = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    data, unseen = draw(size, seed), _reviews()["test"]
    model = make_pipeline(counts, LogisticRegression(C=10, max_iter=1000))
    model.fit(data["text"][:], data["label"][:])
    return model.score(unseen["text"][:], unseen["label"][:])


@cache
def _reviews():
    return corpora.rotten_tomatoes()


# Domain-adaptive pre-training (Gururangan et al. 2020): MiniLM reads on, in film reviews.


@cache
def adapted():
    """Return MiniLM's encoder after `ADAPTED_STEPS` steps of masked language modelling."""
    folder = encoders.source("minilm")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    model = BertForMaskedLM.from_pretrained(folder, dtype=torch.float32).train()
    rows = pieces.pack(corpora.unlabelled()["train"]["text"], tokenizer, 128)
    optimizer = torch.optim.AdamW(model.parameters(), lr=ADAPTED_RATE, fused=True)
    order = torch.randperm(len(rows))
    for number in range(ADAPTED_STEPS):
        chosen = rows[order[number * ADAPTED_ROWS : (number + 1) * ADAPTED_ROWS]]
        optimizer.param_groups[0]["lr"] = ADAPTED_RATE * (1 - number / ADAPTED_STEPS)
        language.loss("mlm", model, tokenizer, chosen, seed=number).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.bert.eval()
