"""Held-out figures: of the test split, on the same tokens for every model."""

from collections import Counter

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict

from helpers import metrics
from helpers.models import language_models, tokenizers
from helpers.pretraining import evaluation

SMALL = language_models.Shape(num_layers=1, hidden_size=16, num_heads=2, context=32)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def texts(documents):
    parts = {"train": (0, 180), "validation": (180, 210), "test": (210, 240)}
    return DatasetDict(
        {n: Dataset.from_dict({"text": documents[a:b]}) for n, (a, b) in parts.items()}
    )


def world(kind, texts):
    """Return a newborn model in training mode, its tokenizer, and packed rows."""
    train = {"mlm": tokenizers.wordpiece, "clm": tokenizers.byte_pairs}[kind]
    tokenizer = train(texts["train"]["text"], 300)
    data = {n: tokenizers.pack(p["text"], tokenizer, 32) for n, p in texts.items()}
    torch.manual_seed(0)
    return language_models.build(kind, tokenizer, SMALL).train(), tokenizer, data


@pytest.fixture(scope="module")
def clm(texts):
    return world("clm", texts)


@pytest.fixture(scope="module")
def mlm(texts):
    return world("mlm", texts)


def test_next_pieces_are_those_of_the_test_split_but_the_first_two(clm, texts):
    model, tokenizer, data = clm
    figures = evaluation.figures("clm", model, tokenizer, texts, data)
    assert not model.training
    test = tokenizers.stream(texts["test"]["text"], tokenizer)
    assert {figure.n for figure in figures.values()} == {len(test) - 2}
    expected = language_models.next_token_losses(model, test)[1:].mean().exp().item()
    assert figures["perplexity"].value == pytest.approx(expected, rel=1e-5)


def test_single_pieces_are_counted_in_the_training_split(clm, texts):
    model, tokenizer, data = clm
    figures = evaluation.figures("clm", model, tokenizer, texts, data)
    seen = Counter(data["train"].flatten().tolist())
    total = data["train"].numel() + len(tokenizer)
    test = tokenizers.stream(texts["test"]["text"], tokenizer)[2:].tolist()
    losses = [-np.log((seen[piece] + 1) / total) for piece in test]
    found = figures["unigram_perplexity"]
    assert found.value == pytest.approx(np.exp(np.mean(losses)))


def test_counting_three_beats_counting_one_which_beats_a_newborn_model(clm, texts):
    figures = evaluation.figures("clm", *clm[:2], texts, clm[2])
    three, one, none = (
        figures[name]
        for name in ("trigram_perplexity", "unigram_perplexity", "perplexity")
    )
    assert three.high < one.low
    assert one.high < none.low


def test_the_interval_is_over_reviews(clm, texts):
    model, tokenizer, data = clm
    figures = evaluation.figures("clm", model, tokenizer, texts, data)
    losses = language_models.next_token_losses(
        model, tokenizers.stream(texts["test"]["text"], tokenizer)
    )[1:]
    ends = [len(tokenizers.stream([t], tokenizer)) for t in texts["test"]["text"]]
    review = np.repeat(np.arange(len(ends)), ends)[2:]
    expected = metrics.perplexity(losses.numpy(), review)
    assert figures["perplexity"] == pytest.approx(expected, rel=1e-6)


def test_no_more_than_the_first_tokens_are_read(clm, mlm, texts, monkeypatch):
    monkeypatch.setattr(evaluation, "TOKENS", 640)
    for figure in evaluation.figures("clm", *clm[:2], texts, clm[2]).values():
        assert figure.n == 638
    model, tokenizer, data = mlm
    _, labels = language_models.mask(
        data["test"][:20], tokenizer, language_models.MASK_SEED
    )
    for figure in evaluation.figures("mlm", model, tokenizer, texts, data).values():
        assert figure.n == (labels != -100).sum()


def test_masked_pieces_are_scored_on_masks_that_never_change(mlm, texts):
    model, tokenizer, data = mlm
    first = evaluation.figures("mlm", model, tokenizer, texts, data)
    torch.manual_seed(99)
    assert evaluation.figures("mlm", model, tokenizer, texts, data) == first
    losses, hits = language_models.masked_scores(model, tokenizer, data["test"])
    assert first["masked_accuracy"].value == pytest.approx(hits.float().mean().item())
    assert first["masked_perplexity"].value == pytest.approx(losses.mean().exp().item())
    assert first["masked_accuracy"].n == len(losses)


def test_the_baseline_always_guesses_the_most_frequent_piece(mlm, texts):
    model, tokenizer, data = mlm
    figures = evaluation.figures("mlm", model, tokenizer, texts, data)
    special = set(tokenizer.all_special_ids)
    seen = Counter(i for i in data["train"].flatten().tolist() if i not in special)
    _, labels = language_models.mask(data["test"], tokenizer, language_models.MASK_SEED)
    wanted = labels[labels != -100]
    share = (wanted == seen.most_common(1)[0][0]).float().mean().item()
    assert 0 < share < 0.2
    assert figures["unigram_accuracy"].value == pytest.approx(share)


def test_a_model_that_knows_all_is_always_right(mlm, texts, monkeypatch):
    def oracle(model, ids, labels):
        wanted = labels[labels != -100]
        return 50.0 * torch.nn.functional.one_hot(wanted, 300), wanted

    monkeypatch.setattr(language_models, "masked_logits", oracle)
    model, tokenizer, data = mlm
    figures = evaluation.figures("mlm", model, tokenizer, texts, data)
    assert figures["masked_accuracy"][:3] == (1, 1, 1)
    assert figures["masked_perplexity"].value == pytest.approx(1)
