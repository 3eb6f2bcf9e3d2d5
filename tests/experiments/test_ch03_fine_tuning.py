"""Candidates of chapter 3 get equal sentences, and settings chosen on others."""

from functools import partial

import pytest
import torch
from datasets import Dataset

from helpers import hardware, metrics
from helpers.experiments import ch03_fine_tuning as runs
from helpers.models import encoders
from helpers.training import strategies

CHOOSE_FIRST = (
    ("shown", "choose_transfer_"),
    ("counts", "counts_"),
    ("transfer", "choose_beside_"),
    ("beside", "choose_team_"),
    ("team", "team_"),
)


def test_every_score_comes_after_those_that_chose_its_settings():
    names = list(runs.experiments())
    assert len(names) == len(set(names))
    asked = dict.fromkeys(strategies.STRATEGIES, 5) | {"everything": 3, "transfer": 3}
    for kind, number in asked.items():
        runs_of = {f"{kind}_{i}" for i in range(number + 1)}
        chosen = [i for i, n in enumerate(names) if n in runs_of]
        tried = [i for i, n in enumerate(names) if n.startswith(f"choose_{kind}_")]
        assert len(chosen) == number
        assert len(tried) == len(runs.LEARNING_RATES[kind]) > 1
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
            assert fits[-1]["unseen"] == strategies.sentences()["validation"]["text"][:]
            scores[name] = 0.9 if name.endswith("_0.003") else 0.5
    assert runs.best(scores, "head") == "0.003"
    scores["choose_headlong_1"] = 1.0
    for seed in range(3):
        run[f"head_{seed}"](scores)
        assert fits[-1]["learning_rate"] == 0.003
        assert fits[-1]["unseen"] == strategies.sentences()["test"]["text"][:]
        assert fits[-1]["texts"] == strategies.subset(1000, seed)["text"][:]


def test_remedies_differ_from_none_in_one_thing_each(fits):
    data, plain = strategies.subset(200, 1), {"epochs": 10, "learning_rate": 1e-4}
    given = {}
    for name in ("none", "weight decay 0.1", "3 epochs", "rate 2e-5", "augmentation"):
        strategies.over_fit(data, 1, **plain | runs.REMEDIES[name])
        given[name] = fits[-1]
    none = given.pop("none")
    assert none["texts"] == data["text"][:]
    assert given["weight decay 0.1"]["weight_decay"] == 0.1
    assert given["3 epochs"]["epochs"] == 3
    assert given["rate 2e-5"]["learning_rate"] == 2e-5
    shown, usual = given["augmentation"], len(none["texts"]) * none["epochs"]
    assert len(shown["texts"]) * shown["epochs"] == usual
    assert shown["texts"][:200] == none["texts"]
    assert shown["texts"][200:] != none["texts"]


CHOSEN = {f"choose_shown_{shown}": 0.8 for shown in runs.intermediate.SHOWN} | {
    "choose_shown_last 4 parts": 0.9,
    "choose_everything_5e-05": 0.8,
    "choose_everything_0.0001": 0.9,
    "choose_transfer_5e-05": 0.8,
    "choose_transfer_2e-05": 0.9,
    "choose_counts_10": 0.8,
    "choose_counts_1": 0.9,
    "choose_beside_1": 0.8,
    "choose_beside_10": 0.9,
    "choose_team_three MiniLMs": 0.8,
    "choose_team_MiniLM and word counts": 0.9,
}


@pytest.fixture(autouse=True)
def _forgotten():
    """Forget what other tests had models answer."""
    for remembered in (runs._answers, runs._counted):
        remembered.cache_clear()


SHOWN, PARTS = tuple(runs.intermediate.SHOWN), "last 4 parts"
# experiment -> the MiniLMs it asks (seed, rate, what the reviewer was shown), and the
# strength of the word counts it asks, with what `CHOSEN` has chosen
ASKS = {
    "choose_everything_5e-05": ({(0, 5e-05, None)}, None),
    "choose_everything_0.0001": ({(0, 1e-4, None)}, None),
    "choose_counts_1": (set(), 1),
    "choose_counts_10": (set(), 10),
    "choose_counts_100": (set(), 100),
    "counts_0": (set(), 1),
    "choose_beside_1": ({(0, 2e-5, PARTS)}, 1),
    "choose_beside_10": ({(0, 2e-5, PARTS)}, 10),
    "choose_beside_100": ({(0, 2e-5, PARTS)}, 100),
    "choose_team_three MiniLMs": (
        {(s, 2e-5, n) for s in range(3) for n in SHOWN},
        None,
    ),
    "choose_team_MiniLM and word counts": ({(s, 2e-5, PARTS) for s in range(3)}, 10),
}
ASKS |= {f"choose_shown_{n}": ({(s, 5e-5, n) for s in range(3)}, None) for n in SHOWN}
ASKS |= {f"choose_transfer_{r:g}": ({(0, r, PARTS)}, None) for r in (2e-5, 5e-5, 1e-4)}
for s in range(3):
    ASKS[f"everything_{s}"] = {(s, 1e-4, None)}, None
    ASKS[f"transfer_{s}"] = {(s, 2e-5, PARTS)}, None
    ASKS[f"team_{s}"] = {(s, 2e-5, PARTS)}, 10


@pytest.mark.parametrize("name", ASKS)
def test_what_chooses_is_asked_validation_and_what_is_chosen_the_test(
    name, monkeypatch
):
    part = "validation" if name.startswith("choose_") else "test"
    models, strengths = set(), set()

    def answers(seed, learning_rate, shown=None):
        models.add((seed, learning_rate, shown))
        return _right_only_on(part)

    def counted(strength):
        strengths.add(strength)
        return _right_only_on(part)

    monkeypatch.setattr(runs, "_answers", answers)
    monkeypatch.setattr(runs, "_counted", counted)
    assert runs.experiments()[name](CHOSEN) == 1
    asked, strength = ASKS[name]
    assert models == asked
    assert strengths == ({strength} if strength else set())


def test_every_experiment_with_all_sentences_is_checked():
    assert runs._everything().keys() == ASKS.keys() | {"gain_of_team"}


def test_the_gain_of_the_team_has_an_interval_over_sentences(monkeypatch):
    def answers(seed, learning_rate, shown=None):
        said = _sure("test", 0.6)
        said[: 100 * (seed + 1)] = 1 - said[: 100 * (seed + 1)]
        return {part: _sure(part, 1) for part in runs.ASKED} | {"test": said}

    def counted(strength):
        return {part: _sure(part, 0.9) for part in runs.ASKED}

    monkeypatch.setattr(runs, "_answers", answers)
    monkeypatch.setattr(runs, "_counted", counted)
    gain = runs.experiments()["gain_of_team"](CHOSEN)
    number = len(strategies.sentences()["test"])
    each = [1] * 100 + [2 / 3] * 100 + [1 / 3] * 100 + [0] * (number - 300)
    expected = metrics.paired(each, [0] * number)
    assert gain == pytest.approx(
        {"value": expected.value, "low": expected.low, "high": expected.high}
    )


def _right_only_on(right):
    """Return answers that are right in one part and wrong in the other."""
    return {part: _sure(part, 1.0 if part == right else 0.0) for part in runs.ASKED}


def _sure(part, right):
    """Return probabilities that give so much to the right class, (sentences, 2)."""
    truth = torch.tensor(strategies.sentences()[part]["label"][:])
    truth = torch.nn.functional.one_hot(truth, 2).double()
    return truth * right + (1 - truth) * (1 - right)


@pytest.mark.parametrize("team", runs.TEAMS)
def test_a_team_answers_by_its_mean_probability(team, monkeypatch):
    said = iter([0.95, 0.4, 0.4])  # most of three are wrong, their mean is right
    answers = partial(_said_everywhere, said)
    monkeypatch.setattr(runs, "_answers", answers)
    monkeypatch.setattr(runs, "_counted", answers)
    scores = CHOSEN | {f"choose_team_{name}": name == team for name in runs.TEAMS}
    assert runs.experiments()["team_1"](scores) == 1


def _said_everywhere(said, *asked):
    right = next(said)
    return {part: _sure(part, right) for part in runs.ASKED}


@pytest.mark.parametrize("shown", [None, PARTS])
def test_a_model_of_all_sentences_answers_by_probabilities(shown, fits, monkeypatch):
    reviewers = []

    def train(shown):
        reviewers.append(shown)
        return encoders.locate("minilm")

    monkeypatch.setattr(runs.intermediate, "train", train)
    said = runs._answers(1, 2e-5, shown)
    assert reviewers == ([shown] if shown else [])
    assert fits[-1]["texts"] == strategies.sentences()["train"]["text"][:]
    assert (fits[-1]["seed"], fits[-1]["learning_rate"]) == (1, 2e-5)
    assert fits[-1]["bf16"] == hardware.bf16_is_faster()
    for part in runs.ASKED:
        assert said[part].shape == (len(strategies.sentences()[part]), 2)
        assert said[part][:, 0].allclose(torch.tensor(1.0).sigmoid())
    assert runs._answers(1, 2e-5, shown) is said
    assert len(fits) == 1


def test_sentences_and_parts_of_reviews_weigh_alike_in_word_counts(monkeypatch):
    text = " ".join(["fine"] * 50)
    reviews = Dataset.from_dict({"text": [text] * 5, "label": [0, 1, 0, 1, 0]})
    fitted = []

    class Model:
        def __init__(self, C):
            fitted.append(C)

        def fit(self, texts, labels, logisticregression__sample_weight):
            fitted.extend([texts, labels, logisticregression__sample_weight])
            return self

        def predict_proba(self, texts):
            return [[0.5, 0.5]] * len(texts)

    monkeypatch.setattr(runs.intermediate, "reviews", lambda: reviews)
    monkeypatch.setattr(runs.baselines, "tfidf", Model)
    said = runs._counted(10)
    C, texts, labels, weights = fitted
    known = strategies.sentences()["train"]
    parts = len(texts) - len(known)
    assert C == 10
    assert parts == 5
    assert texts[parts:] == known["text"][:]
    assert labels[parts:] == known["label"][:]
    assert sum(weights[:parts]) == pytest.approx(sum(weights[parts:]))
    assert {part: len(rows) for part, rows in said.items()} == {
        part: len(strategies.sentences()[part]) for part in runs.ASKED
    }
