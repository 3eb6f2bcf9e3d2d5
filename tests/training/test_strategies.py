"""Each way of fine-tuning trains what its name says, on what it was given."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers.paths import ROOT
from helpers.training import freezing, strategies

VERBOSITY = "TRANSFORMERS_VERBOSITY"  # which the tests turn down


@pytest.mark.parametrize("way", strategies.STRATEGIES)
def test_every_strategy_trains_what_its_name_says(way, fits):
    strategies.fine_tune(way, strategies.subset(20, 0), 0, 0.1)
    (fit,) = fits
    part = way if way in freezing.TRAINABLE else "all"
    assert fit["learning"] == freezing.train_only(fit["model"], part).trainable
    assert [type(c) for c in fit.get("callbacks", [])] == (
        [freezing.Gradual] if way == "gradual" else []
    )
    learning_rates = {group["lr"] for group in fit.get("groups", [])}
    assert len(learning_rates) == (8 if way == "layer-wise learning rates" else 0)


def test_dropout_replaces_the_models_own(fits):
    strategies.fine_tune("all", strategies.subset(20, 0), 0, 1e-4, dropout=0.3)
    layer = fits[0]["model"].bert.encoder.layer[0]
    assert layer.output.dropout.p == 0.3


def test_early_stopping_watches_sentences_that_it_does_not_train_on(fits):
    data = strategies.subset(200, 0)
    strategies.fine_tune("all", data, 0, 1e-4, epochs=10, patience=2)
    (fit,) = fits
    watched = set(fit["validation"]["text"])
    assert len(watched) == 40
    assert watched.isdisjoint(fit["texts"])
    assert watched | set(fit["texts"]) == set(data["text"])


def test_cross_validation_takes_the_epochs_that_are_right_most_often(fits, monkeypatch):
    held = []

    def logits(model, tokenizer, texts):
        held.append(texts[:])
        return torch.zeros(len(texts), 2)

    def accuracy(predictions, labels):
        return SimpleNamespace(value=0.9 if fits[-1]["epochs"] == 5 else 0.8)

    monkeypatch.setattr(strategies.encoders, "logits", logits)
    monkeypatch.setattr(strategies.metrics, "accuracy", accuracy)
    data = strategies.subset(30, 0)
    strategies.fine_tune("all", data, 0, 1e-4, epochs=None, folds=3)
    assert fits[-1]["epochs"] == 5
    assert fits[-1]["texts"] == data["text"][:]
    for fit, unseen in zip(fits[:-1], held, strict=True):
        assert set(fit["texts"]).isdisjoint(unseen)
        assert len(fit["texts"]) + len(unseen) == 30
    assert sorted(sum(held[:: len(strategies.EPOCHS_TRIED)], [])) == sorted(
        data["text"]
    )


def test_that_fraction_of_the_words_is_dropped_and_never_all():
    text = " ".join(map(str, range(10_000)))
    kept = strategies.drop_words(text, 0.15, np.random.default_rng(0)).split()
    assert len(kept) == pytest.approx(8500, abs=150)
    assert kept == sorted(kept, key=int)
    always = SimpleNamespace(random=lambda: 0)
    assert strategies.drop_words("alone", 0.15, always) == "alone"


def test_new_heads_are_equal_for_equal_seeds():
    one, same, other = (
        strategies.new_classifier(s).classifier.weight for s in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_new_head_is_not_reported_each_time():
    command = """
from helpers import course
from helpers.training import strategies
course.set_up_libraries()
strategies.new_classifier(0)
"""
    loud = {name: v for name, v in os.environ.items() if name != VERBOSITY}
    done = subprocess.run(
        [sys.executable, "-c", command],
        cwd=ROOT,
        env=loud,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "REPORT" not in done.stdout + done.stderr
