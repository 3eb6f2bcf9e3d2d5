"""The trigram baseline: proper probabilities, fitted well, and hard to beat by luck."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.models.ngrams import Trigram

VOCABULARY = 5
few = st.lists(st.integers(0, VOCABULARY - 1), min_size=3, max_size=30)
token = st.integers(0, VOCABULARY - 1)


def next_tokens(trigram, one, two) -> np.ndarray:
    """The probability of each token after two."""
    text = [(one, two, after) for after in range(trigram.vocabulary)]
    return np.exp([-trigram.losses(three)[0] for three in text])


def chain(n: int, seed: int, noise: float = 0.1) -> np.ndarray:
    """Tokens that follow from the sum of the two before, but for some noise."""
    rng = np.random.default_rng(seed)
    tokens = list(rng.integers(0, 7, size=2))
    for odd, free in zip(rng.random(n), rng.integers(0, 7, size=n), strict=True):
        tokens.append(free if odd < noise else (tokens[-1] + tokens[-2]) % 7)
    return np.array(tokens)


@settings(deadline=None)
@given(few, few, token, token)
def test_probabilities_sum_to_one_after_any_two_tokens(tokens, held_in, one, two):
    probabilities = next_tokens(Trigram(tokens, held_in, VOCABULARY), one, two)
    assert (probabilities > 0).all()
    assert probabilities.sum() == pytest.approx(1)


@settings(deadline=None)
@given(few, few)
def test_weights_are_shares_that_suit_the_held_in_text(tokens, held_in):
    trigram = Trigram(tokens, held_in, VOCABULARY)
    assert (trigram.weights >= 0).all()
    assert trigram.weights.sum(0) == pytest.approx(1)
    fitted = trigram.losses(held_in).sum()
    trigram.weights[:] = 0.25
    assert fitted <= trigram.losses(held_in).sum() + 1e-9


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (0, [1 / 4, 1 / 4, 1 / 4, 1 / 4]),
        (1, [3 / 8, 3 / 8, 1 / 8, 1 / 8]),
        (2, [2 / 3, 0, 1 / 3, 0]),
        (3, [1 / 2, 0, 1 / 2, 0]),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_each_part_is_what_you_count_by_hand(part, expected):
    tokens = [0, 1, 0, 1, 2, 3, 1, 0]  # 1 comes before 0, 2, 0 but 0 1 before 0, 2
    trigram = Trigram(tokens, tokens, 4)
    trigram.weights[:] = np.eye(4)[:, [part]]
    assert next_tokens(trigram, 0, 1) == pytest.approx(expected)


def test_what_was_never_seen_has_a_finite_loss():
    trigram = Trigram([0, 1, 2] * 50, [0, 1, 2] * 20, 10)
    losses = trigram.losses([7, 8, 9, 0, 1, 9, 2, 0, 8, 8])
    assert np.isfinite(losses).all()
    assert losses[-1] > trigram.losses([0, 1, 2])[0]


def test_no_token_has_a_loss_but_those_with_two_before():
    trigram = Trigram(chain(500, 0), chain(100, 1), 7)
    assert trigram.losses(chain(40, 2)).shape == (40,)


def test_on_text_with_structure_it_comes_near_the_entropy_and_beats_single_tokens():
    train, held_in, test = chain(20_000, 0), chain(2_000, 1), chain(5_000, 2)
    trigram = Trigram(train, held_in, 7)
    right, wrong = 0.9 + 0.1 / 7, 0.1 / 7
    entropy = -(right * np.log(right) + 6 * wrong * np.log(wrong))
    assert trigram.losses(test).mean() == pytest.approx(entropy, abs=0.05)
    single = np.bincount(train, minlength=7) / len(train)
    assert trigram.losses(test).mean() < -np.log(single[test[2:]]).mean() - 1


def test_a_context_seen_often_is_trusted_more():
    """After a text that can be foretold comes one in which each pair is a first."""
    rare, other = (np.random.default_rng(i).integers(7, 60, size=900) for i in (0, 1))
    train = np.concatenate([chain(20_000, 0), rare])
    trigram = Trigram(train, np.concatenate([chain(2_000, 1), other]), 60)
    often, once = int(np.log2(20_000 / 49)), 1
    assert trigram.weights[3, often] > 0.8 > 0.2 > trigram.weights[3, once]
