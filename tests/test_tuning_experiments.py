"""Candidates of chapter 3 get equal sentences, and settings chosen on others."""

import pytest
import torch
from datasets import Dataset

from helpers import encoders, tuning
from helpers import tuning_experiments as runs

CHOOSE_FIRST = (
    ("shown", "choose_transfer_"),
    ("transfer", "choose_counted_"),
    ("counted", "choose_together_"),
    ("together", "together_"),
)


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
    for kind, later in CHOOSE_FIRST:
        tried = [i for i, n in enumerate(names) if n.startswith(f"choose_{kind}_")]
        waiting = [i for i, n in enumerate(names) if n.startswith(later)]
        assert len(tried) > 1
        assert waiting
        assert max(tried) < min(waiting)


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


CHOSEN = {f"choose_shown_{shown}": 0.8 for shown in runs.reviewer.SHOWN} | {
    "choose_shown_last 4 parts": 0.9,
    "choose_transfer_2e-05": 0.9,
    "choose_counted_1": 0.8,
    "choose_counted_10": 0.9,
}


@pytest.fixture(autouse=True)
def _forgotten():
    """Forget what other tests had models answer."""
    for remembered in (runs._answers, runs._counted):
        remembered.cache_clear()


@pytest.fixture
def reviewers(monkeypatch):
    """Note the reviewers that are asked for."""
    asked = []

    def train(shown):
        asked.append(shown)
        return encoders.source("minilm")

    monkeypatch.setattr(runs.reviewer, "train", train)
    return asked


def test_the_best_of_what_a_reviewer_was_shown_is_transferred(reviewers, fits):
    run = runs.experiments()
    run["transfer_1"](CHOSEN)
    assert reviewers == ["last 4 parts"]
    assert fits[-1]["rate"] == 2e-5
    assert fits[-1]["unseen"] == tuning.sentences()["test"]["text"][:]


@pytest.mark.parametrize("sure", ["first", "last"])
@pytest.mark.parametrize("team", runs.TEAMS)
def test_a_team_answers_by_its_mean_probability(
    team, sure, reviewers, fits, monkeypatch
):
    parts = tuning.sentences()

    def truth(part):
        labels = torch.tensor(parts[part]["label"][:])
        return torch.nn.functional.one_hot(labels, 2).double()

    def logits(model, tokenizer, texts):
        (part,) = (p for p in runs.ASKED if parts[p]["text"][:] == texts[:])
        asked = {1: "first", 3: "last"}.get(len(fits))
        return (9 if asked == sure else -0.1) * truth(part)

    def counted(strength):
        assert strength == 10
        right = 1 if sure == "last" else 0.4
        return {p: truth(p) * right + (1 - truth(p)) * (1 - right) for p in runs.ASKED}

    monkeypatch.setattr(runs.encoders, "logits", logits)
    monkeypatch.setattr(runs, "_counted", counted)
    scores = CHOSEN | {f"choose_together_{team}": 0.9}
    run = runs.experiments()
    assert run["together_2"](scores) == 1
    assert {(fit["seed"], fit["rate"]) for fit in fits} == {(2, 2e-5)}
    assert all(fit["texts"] == parts["train"]["text"][:] for fit in fits)
    three = team == runs.TEAMS[0]
    assert reviewers == (list(runs.reviewer.SHOWN) if three else ["last 4 parts"])


def test_teams_are_compared_on_validation_by_all_seeds(monkeypatch):
    asked = []

    def answers(seed, rate, shown=None):
        asked.append(seed)
        right = torch.tensor(tuning.sentences()["validation"]["label"][:])
        right = right if seed else 1 - right
        return {
            "validation": torch.nn.functional.one_hot(right, 2).double(),
            "test": torch.zeros(1, 2),
        }

    monkeypatch.setattr(runs, "_answers", answers)
    score = runs.experiments()[f"choose_together_{runs.TEAMS[0]}"](CHOSEN)
    assert score == pytest.approx(2 / 3)
    assert set(asked) == set(runs.SEEDS)


def test_word_counts_are_asked_alone_on_validation(monkeypatch):
    right = torch.tensor(tuning.sentences()["validation"]["label"][:])
    right[:100] = 1 - right[:100]
    said = {"validation": torch.nn.functional.one_hot(right, 2)}
    monkeypatch.setattr(runs, "_counted", lambda strength: strength == 10 and said)
    score = runs.experiments()["choose_alone_word counts"](CHOSEN)
    assert score == pytest.approx(1 - 100 / len(right))


def test_sentences_and_parts_of_reviews_weigh_alike_in_word_counts(monkeypatch):
    text = " ".join(["fine"] * 50)
    reviews = Dataset.from_dict({"text": [text] * 5, "label": [0, 1, 0, 1, 0]})
    asked = []

    def counted(train, weights, strength, *others):
        asked.append((train, weights, strength))
        return [[[0.5, 0.5]] * len(part) for part in others]

    monkeypatch.setattr(runs.reviewer, "reviews", lambda: reviews)
    monkeypatch.setattr(runs.baselines, "counted", counted)
    said = runs._counted(10)
    ((train, weights, strength),) = asked
    known = tuning.sentences()["train"]
    parts = len(train) - len(known)
    assert strength == 10
    assert parts == 5
    assert train["text"][parts:] == known["text"][:]
    assert train["label"][parts:] == known["label"][:]
    assert sum(weights[:parts]) == pytest.approx(sum(weights[parts:]))
    assert {part: len(rows) for part, rows in said.items()} == {
        part: len(tuning.sentences()[part]) for part in runs.ASKED
    }
