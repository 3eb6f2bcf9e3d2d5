"""Candidates of chapter 3 get equal sentences, and settings chosen on others."""

from datasets import Dataset

from helpers import tuning
from helpers import tuning_experiments as runs


def test_every_score_comes_after_those_that_chose_its_settings():
    names = list(runs.experiments())
    assert len(names) == len(set(names))
    for kind in (*tuning.WAYS, "everything", "transfer"):
        chosen = [i for i, n in enumerate(names) if n in {f"{kind}_{s}" for s in "012"}]
        tried = [i for i, n in enumerate(names) if n.startswith(f"choose_{kind}_")]
        assert len(chosen) == 3
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
    assert runs.best(scores, "head") == 0.003
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


def test_the_ends_of_a_review_are_its_first_and_last_fifty_words(monkeypatch):
    reviews = Dataset.from_dict({"text": [" ".join(map(str, range(200)))]})
    monkeypatch.setattr(tuning, "reviews", lambda: reviews)
    monkeypatch.setattr(
        runs.baselines, "linear", lambda name, train, parts: train["text"][:]
    )
    run = runs.experiments()
    for end, first in {"first": 0, "last": 150}.items():
        words = run[f"choose_end_{end}"]({}).split()
        assert words == [str(i) for i in range(first, first + 50)]
