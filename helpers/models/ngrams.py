"""Counting language models, the baseline that a neural one has to beat."""

import numpy as np
import pandas as pd


class Trigram:
    """Predict a token from the two before it by counting (Jelinek and Mercer 1980).

    The relative frequencies of the token after two, one and no preceding tokens and the
    uniform distribution are mixed, with weights that depend on how often the two tokens
    were seen and are fitted on held-in tokens by expectation maximisation. After tokens
    that were never seen, the frequencies after fewer of them stand in.
    """

    def __init__(self, tokens, held_in, vocabulary: int):
        """Count `tokens` and fit the weights on `held_in`: two int arrays [n]."""
        self.vocabulary = vocabulary
        tokens = np.asarray(tokens, dtype=np.int64)
        self.singles = np.bincount(tokens, minlength=vocabulary)
        self.followed = np.bincount(tokens[:-1], minlength=vocabulary)
        pairs, triples = self._codes(tokens)
        self.pairs = pd.Series(pairs).value_counts()
        self.contexts = pd.Series(pairs[:-1]).value_counts()
        self.triples = pd.Series(triples).value_counts()
        mixed, seen = self._components(held_in)
        everywhere = _fit(mixed, np.full(4, 0.25))
        self.weights = np.tile(everywhere[:, None], int(np.log2(len(tokens))) + 2)
        for group in np.unique(seen):
            self.weights[:, group] = _fit(mixed[:, seen == group], everywhere)

    def losses(self, tokens) -> np.ndarray:
        """Return -ln p of each token but the first two: float64 [n - 2], in nats."""
        mixed, seen = self._components(tokens)
        return -np.log((mixed * self.weights[:, seen]).sum(0))

    def _components(self, tokens):
        """Return the four probabilities [4, n - 2] and the group of each context."""
        tokens = np.asarray(tokens, dtype=np.int64)
        pairs, triples = self._codes(tokens)
        context = _look_up(self.contexts, pairs[:-1])
        uniform = np.full(len(triples), 1 / self.vocabulary)
        one = self.singles[tokens[2:]] / self.singles.sum()
        followed = self.followed[tokens[1:-1]]
        two = _fraction(_look_up(self.pairs, pairs[1:]), followed, one)
        three = _fraction(_look_up(self.triples, triples), context, two)
        return np.stack([uniform, one, two, three]), np.log2(context + 1).astype(int)

    def _codes(self, tokens):
        """Return one number for each pair of tokens and one for each triple."""
        pairs = tokens[:-1] * self.vocabulary + tokens[1:]
        return pairs, pairs[:-1] * self.vocabulary + tokens[2:]


def _fit(mixed, weights):
    """Return the weights of a mixture under which its data are most likely."""
    for _ in range(50):  # the fifth digit stands still by then
        likelihood = mixed * weights[:, None]
        weights = (likelihood / likelihood.sum(0)).mean(1)
    return weights


def _fraction(count, total, instead):
    """Return count / total, or what stands in where there is nothing to divide by."""
    return np.where(total > 0, count / np.maximum(total, 1), instead)


def _look_up(counts: pd.Series, keys) -> np.ndarray:
    return counts.reindex(keys, fill_value=0).to_numpy()
