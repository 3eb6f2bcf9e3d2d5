"""Retrieval: what counts as a hit, and which words are compared."""

import torch

from helpers.data import corpora
from helpers.models import retrieval


def test_retrieval_counts_the_pairs_whose_halves_are_nearest(monkeypatch):
    halves = ["a", "b", "c", "d"], ["a", "b", "c", "x"]
    monkeypatch.setattr(retrieval, "halves", lambda: halves)
    place = {text: number for number, text in enumerate("abcdx")}
    embed = lambda texts: torch.eye(5)[[place[text] for text in texts]]  # noqa: E731
    assert retrieval.recall(embed)["recall at 1"].value == 0.75


def test_the_halves_of_a_review_share_no_word_place(monkeypatch):
    words = " ".join(str(n) for n in range(100))
    monkeypatch.setattr(corpora, "imdb", lambda: {"validation": {"text": [words, "a"]}})
    retrieval.halves.cache_clear()
    first, second = retrieval.halves()
    retrieval.halves.cache_clear()
    assert len(first) == len(second) == 1
    first, second = first[0].split(), second[0].split()
    assert first == [str(n) for n in (*range(20), *range(40, 60))]
    assert second == [str(n) for n in (*range(20, 40), *range(60, 80))]
