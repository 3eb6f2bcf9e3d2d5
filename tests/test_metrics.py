"""Scores and intervals: checked by hand, against libraries, and for their coverage."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, roc_auc_score

from helpers import metrics


def test_wilson_of_80_in_100_is_what_you_get_by_hand():
    """z = 1.959964: centre .788902, half-width .077731 (Wilson 1927)."""
    score = metrics.proportion(80, 100)
    assert (score.value, score.n) == (0.8, 100)
    assert score.low == pytest.approx(0.788902 - 0.077731, abs=2e-6)
    assert score.high == pytest.approx(0.788902 + 0.077731, abs=2e-6)


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (1, 1), (687, 1000)])
def test_wilson_is_its_formula(hits, n):
    z, p = stats.norm.ppf(0.975), hits / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    score = metrics.proportion(hits, n)
    assert (score.low, score.high) == pytest.approx((centre - half, centre + half))
    assert 0 <= score.low <= score.value <= score.high <= 1


def test_wilson_covers_the_true_value_95_times_in_100_on_average():
    """Exactly, over all outcomes, for 99 true shares and 100 cases."""
    n = 100
    scores = [metrics.proportion(hits, n) for hits in range(n + 1)]
    low, high = (np.array([getattr(s, end) for s in scores]) for end in ("low", "high"))
    covered = [
        stats.binom.pmf(range(n + 1), n, p)[(low <= p) & (p <= high)].sum()
        for p in np.linspace(0.01, 0.99, 99)
    ]
    assert 0.945 < np.mean(covered) < 0.96
    assert min(covered) > 0.9


def test_students_interval_covers_the_true_value_95_times_in_100():
    rng = np.random.default_rng(0)
    runs = rng.normal(0.7, 0.02, size=(1000, 5))
    scores = [metrics.mean(row) for row in runs]
    covered = np.mean([score.low <= 0.7 <= score.high for score in scores])
    assert 0.93 < covered < 0.97


def test_splits_of_one_data_set_widen_the_interval_of_a_mean():
    alone, shared = metrics.mean([1, 2, 3]), metrics.mean([1, 2, 3], 2 / 3)
    widths = [score.high - score.low for score in (alone, shared)]
    assert widths[1] / widths[0] == pytest.approx(3**0.5)  # sqrt(1 + 3 * 2 / 3)
    assert shared.value == alone.value


def test_the_mean_of_three_runs_is_what_you_get_by_hand():
    """t(.975, 2) = 4.302653, standard error 1 / sqrt(3)."""
    score = metrics.mean([1, 2, 3])
    assert (score.value, score.n) == (2, 3)
    assert score.high - 2 == pytest.approx(4.302653 / 3**0.5, abs=1e-6)
    assert 2 - score.low == pytest.approx(score.high - 2)


@pytest.mark.parametrize("values", [[], [0.7]])
def test_a_single_run_has_no_interval(values):
    with pytest.raises(ValueError, match="needs two runs"):
        metrics.mean(values)


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (11, 10), (-1, 10)])
def test_impossible_counts_are_refused(hits, n):
    with pytest.raises(ValueError):
        metrics.proportion(hits, n)


@pytest.mark.parametrize("kind", [list, np.array, "torch"])
def test_accuracy_equals_sklearns(kind):
    rng = np.random.default_rng(0)
    predictions, references = rng.integers(0, 3, size=(2, 500))
    expected = accuracy_score(references, predictions)
    if kind == "torch":
        import torch

        kind = torch.tensor
    score = metrics.accuracy(kind(predictions), kind(references))
    assert score == metrics.proportion(round(500 * expected), 500)
    assert all(type(value) is float for value in score[:3])
    assert type(score.n) is int


@pytest.mark.parametrize(
    ("predictions", "references"),
    [([1, 0], [1]), ([], []), ([[1], [0]], [1, 0]), ([1, 0], [[1, 0]])],
)
def test_unequal_or_empty_sequences_are_refused(predictions, references):
    with pytest.raises(ValueError, match="one prediction for each reference"):
        metrics.accuracy(predictions, references)


def test_the_metric_needs_no_network_and_equals_sklearns(no_network):
    rng = np.random.default_rng(1)
    predictions, references = rng.integers(0, 2, size=(2, 300))
    result = metrics.Classification().compute(
        predictions=predictions, references=references
    )
    score = metrics.accuracy(predictions, references)
    assert result["accuracy"] == accuracy_score(references, predictions)
    assert (result["low"], result["high"], result["n"]) == score[1:]


def test_the_metric_can_be_fed_in_batches():
    metric = metrics.Classification()
    for predictions, references in (([1, 1], [1, 0]), ([0, 0, 1], [0, 0, 1])):
        metric.add_batch(predictions=predictions, references=references)
    assert metric.compute()["accuracy"] == 0.8  # not the mean of .5 and 1


def test_a_score_prints_its_interval_and_records_it():
    score = metrics.proportion(80, 100)
    assert str(score) == "0.800 [0.711, 0.867]"
    assert score.about == {"interval": (score.low, score.high), "n": 100}


def test_a_paired_difference_uses_the_pairing():
    right = np.array([1] * 60 + [0] * 40)
    other = right.copy()
    other[:5] = 0  # wrong in five cases in which the first was right, else the same
    score = metrics.paired(right, other)
    assert score.value == pytest.approx(0.05)
    spread = np.std(right - other, ddof=1) / 10
    assert score.high - score.value == pytest.approx(1.959964 * spread)
    unpaired = metrics.accuracy(right, np.ones(100))
    assert score.high - score.low < unpaired.high - unpaired.low
    assert metrics.paired(right, right) == (0, 0, 0, 100)
    assert metrics.paired(other, right).value == -score.value


def test_mcnemar_counts_only_the_cases_that_differ():
    right = [1] * 8 + [0] * 2 + [1] * 50 + [0] * 7
    other = [0] * 8 + [1] * 2 + [1] * 50 + [0] * 7
    by_hand = 2 * sum(math.comb(10, k) for k in range(3)) / 2**10
    assert metrics.mcnemar(right, other) == pytest.approx(by_hand)
    assert metrics.mcnemar(right[:10], other[:10]) == pytest.approx(by_hand)
    assert metrics.mcnemar(right, right) == 1


def test_mcnemar_cries_wolf_at_most_once_in_twenty():
    rng = np.random.default_rng(0)
    p = [metrics.mcnemar(*(rng.random((2, 300)) < 0.7)) for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) < 0.07
    worse = [
        metrics.mcnemar(rng.random(300) < 0.8, rng.random(300) < 0.6) for _ in range(50)
    ]
    assert np.mean(np.array(worse) < 0.05) > 0.9


def test_groups_of_one_have_the_ordinary_standard_error():
    values = np.random.default_rng(0).normal(size=50)
    score = metrics.clustered(values, range(50))
    assert (score.value, score.n) == (values.mean(), 50)
    half = 1.959964 * stats.sem(values) * np.sqrt(49 / 50)  # divided by n, not n - 1
    assert score.high - score.value == pytest.approx(half, rel=1e-6)
    assert score.value - score.low == pytest.approx(half, rel=1e-6)


def test_equal_values_in_a_group_count_as_one():
    values = np.random.default_rng(0).normal(size=40)
    once = metrics.clustered(values, range(40))
    often = metrics.clustered(np.repeat(values, 9), np.repeat(range(40), 9))
    assert often[:3] == pytest.approx(once[:3])
    assert often.n == 360
    apart = metrics.clustered(np.repeat(values, 9), range(360))
    assert often.high - often.low == pytest.approx(3 * (apart.high - apart.low))


def test_groups_may_be_named_and_ordered_at_will():
    rng = np.random.default_rng(0)
    values, groups = rng.normal(size=60), rng.integers(0, 9, size=60)
    score = metrics.clustered(values, groups)
    order = rng.permutation(60)
    assert metrics.clustered(values[order], 7 * groups[order] + 5) == pytest.approx(
        score
    )


def test_the_interval_over_groups_covers_the_true_value_95_times_in_100():
    rng = np.random.default_rng(0)
    covered, naive = 0, 0
    for _ in range(1000):
        groups = np.repeat(range(60), rng.integers(1, 30, size=60))
        values = rng.normal(size=60)[groups] + rng.normal(size=groups.size)
        score = metrics.clustered(values, groups)
        covered += score.low <= 0 <= score.high
        apart = metrics.clustered(values, range(groups.size))
        naive += apart.low <= 0 <= apart.high
    assert 920 < covered < 970
    assert naive < 700


@pytest.mark.parametrize("groups", [[0, 0, 0], [4, 4, 4]])
@pytest.mark.parametrize("score", [metrics.clustered, metrics.perplexity])
def test_a_single_group_has_no_interval(score, groups):
    with pytest.raises(ValueError, match="needs two groups"):
        score([0.1, 0.2, 0.3], groups)


def test_perplexity_is_the_number_of_equally_likely_choices():
    score = metrics.perplexity(np.full(30, np.log(12)), np.repeat(range(3), 10))
    assert score[:3] == pytest.approx((12, 12, 12))


def test_perplexity_has_the_ends_of_the_mean_loss():
    losses, groups = np.random.default_rng(0).exponential(3, size=90), [*range(9)] * 10
    score, mean = metrics.perplexity(losses, groups), metrics.clustered(losses, groups)
    assert np.log(score[:3]) == pytest.approx(mean[:3])
    assert score.low < score.value < score.high
    assert score.n == 90
    assert all(type(value) is float for value in score[:3])


def test_macro_f1_weighs_classes_alike_and_needs_no_network(no_network):
    """Class 0: precision 2/3, recall 1; class 1: 1 and 1/2; class 2: 0."""
    found = metrics.Classification().compute(
        predictions=[0, 0, 0, 1], references=[0, 0, 1, 1]
    )
    assert found["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    found = metrics.Classification().compute(predictions=[0, 0], references=[0, 2])
    assert found["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_a_trainer_reports_accuracy_and_macro_f1(no_network):
    logits = np.array([[2.0, 1], [2, 1], [3, 0], [0, 1]])
    evaluated = SimpleNamespace(predictions=logits, label_ids=np.array([0, 0, 1, 1]))
    found = metrics.classification(evaluated)
    assert found["accuracy"] == 0.75
    assert found["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert found["low"] < 0.75 < found["high"]


def cases(n=60, positive=20, shift=1.0, seed=0):
    """Labels, and scores that are higher by `shift` for positive cases."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) < positive
    return labels, rng.normal(size=n) + shift * labels


def test_the_auc_counts_pairs_and_ties_as_half():
    labels, scores = [1, 1, 0, 0, 0], [3, 1, 1, 0, 2]
    score = metrics.auc(labels, scores)
    assert score.value == (3 + 1 + 0.5) / 6
    assert score.n == 5
    assert all(type(value) is float for value in score[:3])


def test_the_auc_is_sklearns_and_its_interval_about_delongs():
    """DeLong et al. 1988: the variances of each case's part of the pairs."""
    labels, scores = cases(300, 100)
    score = metrics.auc(labels, scores)
    assert score.value == pytest.approx(roc_auc_score(labels, scores))
    wins = scores[labels][:, None] > scores[~labels]
    error = np.sqrt(wins.mean(1).var(ddof=1) / 100 + wins.mean(0).var(ddof=1) / 200)
    assert score.high - score.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert score == metrics.auc(labels, scores)  # a fixed seed


def test_four_equal_slices_of_a_subject_are_one_case():
    labels, scores = cases()
    once = metrics.auc(labels, scores)
    often = [np.repeat(each, 4) for each in (labels, scores, range(60))]
    four = metrics.auc(*often)
    assert four[:3] == pytest.approx(once[:3])
    assert four.n == 240
    naive = metrics.auc(*often[:2])
    assert naive.high - naive.low < 0.6 * (four.high - four.low)


def test_subjects_may_be_named_and_ordered_at_will_and_have_both_classes():
    labels, scores = cases()
    groups = np.arange(60) % 25
    score = metrics.auc(labels, scores, groups)
    assert score.low < score.value < score.high
    names = np.array([f"subject {group:02}" for group in groups])
    assert metrics.auc(labels, scores, names) == score


def test_the_difference_of_two_aucs_is_paired():
    labels, scores = cases(shift=1.5)
    noise = np.random.default_rng(1).normal(size=60)
    other = scores + 0.1 * noise
    gain = metrics.auc(labels, scores, other=other)
    one, two = metrics.auc(labels, scores), metrics.auc(labels, other)
    assert gain.value == pytest.approx(one.value - two.value)
    assert gain.high - gain.low < 0.5 * (one.high - one.low)
    assert metrics.auc(labels, scores, other=scores)[:3] == (0, 0, 0)


@pytest.mark.parametrize("labels", [[1, 1], [0, 0]])
def test_one_class_has_no_auc(labels):
    with pytest.raises(ValueError, match="both classes"):
        metrics.auc(labels, [0.1, 0.2])


def test_the_auc_interval_over_subjects_covers_the_true_value():
    rng, covered = np.random.default_rng(0), 0
    groups, labels = np.repeat(range(60), 3), np.repeat(np.arange(60) < 30, 3)
    for _ in range(200):
        shared = rng.normal(size=60)[groups] + rng.normal(size=180) / 2
        score = metrics.auc(labels, shared + labels * 1.25**0.5, groups)
        covered += score.low <= stats.norm.cdf(1 / 2**0.5) <= score.high
    assert 180 < covered < 200


def test_the_threshold_is_the_lowest_that_keeps_the_specificity():
    labels, scores = [0] * 10 + [1], [*range(10), 3]
    assert metrics.threshold_at(labels, scores) == 8  # one of ten is above it
    assert metrics.threshold_at(labels, scores, 0.75) == 7
    assert metrics.threshold_at(labels, scores, 1) == 9
    with pytest.raises(ValueError, match="negative cases"):
        metrics.threshold_at([1], [0.3])


def test_sensitivity_counts_positive_cases_above_the_threshold():
    labels, scores = [1, 1, 1, 1, 0], [0.5, 0.6, 0.7, 0.8, 0.9]
    assert metrics.sensitivity_at(labels, scores, 0.5) == metrics.proportion(3, 4)
    with pytest.raises(ValueError):
        metrics.sensitivity_at([0, 0], [1, 2], 0.5, groups=[0, 1])


def test_the_interval_of_sensitivity_is_over_subjects():
    labels, scores = cases(200, 100)
    once = metrics.sensitivity_at(labels, scores, 0.8, range(200))
    often = [np.repeat(each, 4) for each in (labels, scores)]
    four = metrics.sensitivity_at(*often, 0.8, np.repeat(range(200), 4))
    assert four[:3] == pytest.approx(once[:3])
    assert four.n == 400
    wilson = metrics.sensitivity_at(labels, scores, 0.8)
    assert once.high - once.low == pytest.approx(wilson.high - wilson.low, rel=0.1)


@pytest.mark.parametrize(("threshold", "hits"), [(-9, 5), (9, 0)])
def test_all_found_is_no_certainty(threshold, hits):
    labels, groups = np.ones(20), np.repeat(range(5), 4)
    found = metrics.sensitivity_at(labels, np.zeros(20), threshold, groups)
    assert found == metrics.proportion(hits, 5)._replace(n=20)


def test_groups_may_have_any_names():
    values = [0, 1, 1, 0, 1, 1]
    numbered = metrics.clustered(values, [0, 0, 1, 1, 2, 2])
    assert metrics.clustered(values, [9, 9, 7, 7, 40, 40]) == numbered
    assert metrics.clustered(values, list("aabbcc")) == numbered
