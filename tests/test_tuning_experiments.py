"""Candidates of chapter 3 get equal sentences, and settings chosen on others."""

import pytest
import torch

from helpers import encoders, tuning
from helpers import tuning_experiments as runs


def test_every_score_comes_after_those_that_chose_its_settings():
    names = list(runs.experiments())
    assert len(names) == len(set(names))
    asked = dict.fromkeys(tuning.WAYS, 5) | {"everything": 3, "transfer": 3}
    for kind, number in asked.items():
        runs_of = {f"{kind}_{i}" for i in range(number + 1)}
        chosen = [i for i, n in enumerate(names) if n in runs_of]
        tried = [i for i, n in enumerate(names) if n.startswith(f"choose_{kind}_")]
        assert len(chosen) == number
        assert len(tried) == len(runs.RATES[kind]) > 1
        assert max(tried) < min(chosen)


def test_rates_are_chosen_on_validation_and_the_best_is_tested(fits):
    run = runs.experiments()
    scores = {}
    for name in run:
        if name.startswith("choose_head_"):
            run[name](scores)
            assert fits[-1]["unseen"] == tuning.sentences()["validation"]["text"][:]
            scores[name] = 0.9 if name.endswith("_0.003") else 0.5
    assert runs.best(scores, "head") == "0.003"
    scores["choose_headlong_1"] = 1.0
    for seed in range(3):
        run[f"head_{seed}"](scores)
        assert fits[-1]["rate"] == 0.003
        assert fits[-1]["unseen"] == tuning.sentences()["test"]["text"][:]
        assert fits[-1]["texts"] == tuning.draw(1000, seed)["text"][:]


def test_remedies_differ_from_none_in_one_thing_each(fits):
    data, plain = tuning.draw(200, 1), {"epochs": 10, "rate": 1e-4}
    given = {}
    for name in ("none", "weight decay 0.1", "3 epochs", "rate 2e-5", "augmentation"):
        tuning.over_fit(data, 1, **plain | runs.REMEDIES[name])
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


def test_the_best_of_what_a_reviewer_was_shown_is_transferred(fits, monkeypatch):
    asked = []

    def train(shown):
        asked.append(shown)
        return encoders.source("minilm")

    monkeypatch.setattr(runs.reviewer, "train", train)
    scores = {f"choose_shown_{shown}": 0.8 for shown in runs.reviewer.SHOWN}
    scores |= {"choose_shown_last 4 parts": 0.9, "choose_transfer_2e-05": 0.9}
    run = runs.experiments()
    run["transfer_1"](scores)
    assert asked == ["last 4 parts"]
    assert fits[-1]["rate"] == 2e-5
    assert fits[-1]["unseen"] == tuning.sentences()["test"]["text"][:]


@pytest.mark.parametrize("name", runs.TOGETHER)
def test_models_asked_together_answer_by_their_mean_probability(
    name, fits, monkeypatch
):
    known, asked = runs.TOGETHER[name]
    parts, shown = tuning.sentences(), []
    truth = torch.tensor(parts[asked]["label"][:])
    sure = torch.nn.functional.one_hot(truth, 2).double()

    def logits(model, tokenizer, texts):
        assert texts[:] == parts[asked]["text"][:]
        return 9 * sure if len(fits) == 1 else -0.1 * sure

    def train(name):
        shown.append(name)
        return encoders.source("minilm")

    monkeypatch.setattr(runs.reviewer, "train", train)
    monkeypatch.setattr(runs.encoders, "logits", logits)
    assert runs.experiments()[f"{name}_2"]({"choose_transfer_2e-05": 0.9}) == 1
    assert shown == list(runs.reviewer.SHOWN)
    assert [(fit["seed"], fit["rate"]) for fit in fits] == [(2, 2e-5)] * 3
    assert fits[2]["texts"] == [text for part in known for text in parts[part]["text"]]
    assert asked not in known
