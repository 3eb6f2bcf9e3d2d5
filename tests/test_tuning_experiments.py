"""Candidates of chapter 3 get equal sentences, and settings chosen on others."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from helpers import tuning_experiments as tuning
from helpers import unfreezing


@pytest.fixture
def fits(monkeypatch):
    """Let training do nothing but note what it was given."""
    seen = []

    def classifier(model, tokenizer, data, **options):
        learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
        texts = data["text"][:]
        seen.append({"model": model, "texts": texts, "learning": learning} | options)
        return SimpleNamespace(model=model)

    def logits(model, tokenizer, texts):
        seen[-1]["unseen"] = texts[:]
        return torch.tensor([[1.0, 0.0]]).expand(len(texts), 2)

    monkeypatch.setattr(tuning.training, "classifier", classifier)
    monkeypatch.setattr(tuning.encoders, "logits", logits)
    return seen


def test_every_score_comes_after_those_that_chose_its_settings():
    names = list(tuning.experiments())
    assert len(names) == len(set(names))
    for kind in (*tuning.WAYS, "everything", "transfer"):
        chosen = [i for i, n in enumerate(names) if n in {f"{kind}_{s}" for s in "012"}]
        tried = [i for i, n in enumerate(names) if n.startswith(f"choose_{kind}_")]
        assert len(chosen) == 3
        assert len(tried) == len(tuning.RATES[kind]) > 1
        assert max(tried) < min(chosen)


def test_rates_are_chosen_on_validation_and_the_best_is_tested(fits):
    run = tuning.experiments()
    scores = {}
    for name in run:
        if name.startswith("choose_head_"):
            run[name](scores)
            assert fits[-1]["unseen"] == tuning.sentences()["validation"]["text"][:]
            scores[name] = 0.9 if name.endswith("_0.003") else 0.5
    assert tuning.best(scores, "head") == 0.003
    scores["choose_headlong_1"] = 1.0
    for seed in range(3):
        run[f"head_{seed}"](scores)
        assert fits[-1]["rate"] == 0.003
        assert fits[-1]["unseen"] == tuning.sentences()["test"]["text"][:]
        assert fits[-1]["texts"] == tuning.draw(1000, seed)["text"][:]


@pytest.mark.parametrize("way", tuning.WAYS)
def test_every_way_trains_what_its_name_says(way, fits):
    tuning.fine_tune(way, tuning.draw(20, 0), 0, 0.1)
    (fit,) = fits
    part = way if way in unfreezing.PARTS else "all"
    assert fit["learning"] == unfreezing.train_only(fit["model"], part).trainable
    assert [type(c) for c in fit["callbacks"]] == (
        [unfreezing.Gradual] if way == "gradual" else []
    )
    rates = {group["lr"] for group in fit["groups"] or []}
    assert len(rates) == (8 if way == "layer-wise rates" else 0)


def test_remedies_differ_from_none_in_one_thing_each(fits):
    data, plain = tuning.draw(200, 1), {"epochs": 10, "rate": 1e-4}
    given = {}
    for name in ("none", "weight decay 0.1", "3 epochs", "rate 2e-5", "augmentation"):
        tuning.over_fit(data, 1, **plain | tuning.REMEDIES[name])
        given[name] = fits[-1]
    none = given.pop("none")
    assert none["texts"] == data["text"][:]
    assert given["weight decay 0.1"]["weight_decay"] == 0.1
    assert given["3 epochs"]["epochs"] == 3
    assert given["rate 2e-5"]["rate"] == 2e-5
    shown, usual = given["augmentation"], len(none["texts"]) * none["epochs"]
    assert len(shown["texts"]) * shown["epochs"] == usual
    assert shown["texts"][:200] == none["texts"]
    assert shown["texts"][200:] != none["texts"]


def test_dropout_replaces_the_models_own(fits):
    tuning.over_fit(tuning.draw(20, 0), 0, epochs=1, rate=1e-4, dropout=0.3)
    layer = fits[0]["model"].bert.encoder.layer[0]
    assert layer.output.dropout.p == 0.3


def test_early_stopping_watches_sentences_that_it_does_not_train_on(fits):
    data = tuning.draw(200, 0)
    tuning.over_fit(data, 0, epochs=10, rate=1e-4, patience=2)
    (fit,) = fits
    watched = set(fit["validation"]["text"])
    assert len(watched) == 40
    assert watched.isdisjoint(fit["texts"])
    assert watched | set(fit["texts"]) == set(data["text"])


def test_cross_validation_takes_the_epochs_that_are_right_most_often(fits, monkeypatch):
    held = []

    def accuracy(model, data):
        held.append(data["text"][:])
        return 0.9 if fits[-1]["epochs"] == 5 else 0.8

    monkeypatch.setattr(tuning, "_accuracy", accuracy)
    data = tuning.draw(30, 0)
    tuning.over_fit(data, 0, epochs=10, rate=1e-4, folds=3)
    assert fits[-1]["epochs"] == 5
    assert fits[-1]["texts"] == data["text"][:]
    for fit, unseen in zip(fits[:-1], held, strict=True):
        assert set(fit["texts"]).isdisjoint(unseen)
        assert len(fit["texts"]) + len(unseen) == 30
    assert sorted(sum(held[:: len(tuning.EPOCHS_TRIED)], [])) == sorted(data["text"])


def test_words_are_dropped_at_the_rate_and_never_all(monkeypatch):
    text = " ".join(map(str, range(10_000)))
    kept = tuning.drop_words(text, np.random.default_rng(0)).split()
    assert len(kept) == pytest.approx(8500, abs=150)
    assert kept == sorted(kept, key=int)
    assert tuning.drop_words("alone", SimpleNamespace(random=lambda: 0)) == "alone"


def test_newborn_heads_are_equal_for_equal_seeds_and_say_nothing(caplog, capfd):
    one, same, other = (tuning.newborn(s).classifier.weight for s in (0, 0, 1))
    assert caplog.text + "".join(capfd.readouterr()) == ""
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_reviewer_reads_no_sentence_that_is_asked_later(
    fits, monkeypatch, tmp_path
):
    asked = max(tuning.sentences()["test"]["text"], key=len)
    texts = [f"Before. {asked} After.", "A film that nobody else wrote about."]
    reviews = Dataset.from_dict({"text": texts, "label": [0, 1]})
    monkeypatch.setattr(tuning.corpora, "imdb", lambda: {"train": reviews})
    monkeypatch.setattr(tuning, "CACHED", tmp_path)
    folder = tuning.reviewer()
    assert fits[0]["texts"] == texts[1:]
    assert tuning.reviewer() == folder
    assert len(fits) == 1
    assert tuning.newborn(1, source=str(folder)).config.num_labels == 2


def test_the_classical_baseline_is_chosen_on_validation_and_fitted_on_the_draw():
    parts, data = tuning.sentences(), tuning.draw(1000, 1)
    counts = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    known = counts.fit_transform(data["text"])
    found = {}
    for strength in (1, 10, 100):
        model = LogisticRegression(C=strength, max_iter=1000).fit(known, data["label"])
        validation, test = (
            model.score(counts.transform(parts[part]["text"]), parts[part]["label"])
            for part in ("validation", "test")
        )
        found.setdefault(validation, test)  # of equals, the first
    score = tuning.experiments()["word counts_1"]({})
    assert score == pytest.approx(found[max(found)], abs=1e-6)
