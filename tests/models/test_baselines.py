"""The classical baselines are chosen on validation and fitted on what was given."""

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from helpers.models import baselines
from helpers.training import strategies


def test_the_baseline_is_chosen_on_validation_and_fitted_on_the_subset():
    splits, data = strategies.sentences(), strategies.subset(1000, 1)
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    known = vectors.fit_transform(data["text"])
    held_out = vectors.transform(splits["validation"]["text"])
    found = {}
    for C in (1, 10, 100):
        model = LogisticRegression(C=C, max_iter=1000).fit(known, data["label"])
        accuracy = model.score(held_out, splits["validation"]["label"])
        found.setdefault(accuracy, model)  # of equals, the first
    expected = found[max(found)].predict_proba(
        vectors.transform(splits["test"]["text"])
    )
    name = "TF-IDF + logistic regression"
    chosen = baselines.linear(name, data, splits["validation"])
    answers = chosen.predict_proba(splits["test"]["text"][:])
    assert answers == pytest.approx(expected, abs=1e-6)


def test_tfidf_is_a_pipeline_that_takes_weights():
    train, others = strategies.subset(200, 0), strategies.subset(100, 1)["text"][:]
    weights = [1, 5] * 100
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = LogisticRegression(C=3, max_iter=1000)
    model.fit(vectors.fit_transform(train["text"]), train["label"][:], weights)
    expected = model.predict_proba(vectors.transform(others))
    data = train["text"][:], train["label"][:]
    weighted = baselines.tfidf(3).fit(*data, logisticregression__sample_weight=weights)
    assert weighted.predict_proba(others) == pytest.approx(expected, abs=1e-6)
    alike = baselines.tfidf(3).fit(*data).predict_proba(others)
    assert abs(alike - expected).max() > 0.01
