"""The classical rivals are chosen on validation and fitted on what was given."""

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from helpers.models import baselines
from helpers.training import strategies


def test_the_classical_baseline_is_chosen_on_validation_and_fitted_on_the_draw():
    parts, data = strategies.sentences(), strategies.subset(1000, 1)
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
    best = max(found)
    scores = baselines.linear("word counts", data, parts)
    assert scores == pytest.approx((best, found[best]), abs=1e-6)


def test_word_counts_give_probabilities_by_weighted_texts():
    train, asked = strategies.subset(200, 0), strategies.subset(100, 1)
    weights = [1, 5] * 100
    counts = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = LogisticRegression(C=10, max_iter=1000)
    model.fit(counts.fit_transform(train["text"]), train["label"][:], weights)
    expected = model.predict_proba(counts.transform(asked["text"]))
    first, second = baselines.counted(train, weights, 10, asked, train)
    assert first == pytest.approx(expected, abs=1e-6)
    assert second.shape == (200, 2)
    (alike,) = baselines.counted(train, [1] * 200, 10, asked)
    assert abs(alike - first).max() > 0.01
