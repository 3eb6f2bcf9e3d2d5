"""Held-out figures: of the test split, on the same tokens for every model."""

from collections import Counter

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict

from helpers import metrics
from helpers.models import language_models, tokenizers
from helpers.pretraining import pretrain

SMALL = language_models.Shape(1, 16, 2, context=32)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def texts(documents):
    splits = {"train": (0, 180), "validation": (180, 210), "test": (210, 240)}
    return DatasetDict(
        {n: Dataset.from_dict({"text": documents[a:b]}) for n, (a, b) in splits.items()}
    )


def world(objective, texts):
    """Return a new model in training mode, its tokenizer, and packed sequences."""
    train = {"mlm": tokenizers.wordpiece, "clm": tokenizers.byte_pairs}[objective]
    tokenizer = train(texts["train"]["text"], 300)
    data = {n: tokenizers.pack(p["text"], tokenizer, 32) for n, p in texts.items()}
    torch.manual_seed(0)
    return language_models.build(objective, tokenizer, SMALL).train(), tokenizer, data


@pytest.fixture(scope="module")
def clm(texts):
    return world("clm", texts)


@pytest.fixture(scope="module")
def mlm(texts):
    return world("mlm", texts)


def test_next_tokens_are_those_of_the_test_split_but_the_first_two(clm, texts):
    model, tokenizer, data = clm
    figures = pretrain.figures("clm", model, tokenizer, texts, data)
    assert not model.training
    test = tokenizers.stream(texts["test"]["text"], tokenizer)
    assert {figure.n for figure in figures.values()} == {len(test) - 2}
    expected = language_models.next_token_losses(model, test)[1:].mean().exp().item()
    assert figures["perplexity"].value == pytest.approx(expected, rel=1e-5)


def test_single_tokens_are_counted_in_the_training_split(clm, texts):
    model, tokenizer, data = clm
    figures = pretrain.figures("clm", model, tokenizer, texts, data)
    seen = Counter(data["train"].flatten().tolist())
    total = data["train"].numel() + len(tokenizer)
    test = tokenizers.stream(texts["test"]["text"], tokenizer)[2:].tolist()
    losses = [-np.log((seen[token] + 1) / total) for token in test]
    found = figures["unigram_perplexity"]
    assert found.value == pytest.approx(np.exp(np.mean(losses)))


def test_trigrams_beat_unigrams_which_beat_a_new_model(clm, texts):
    figures = pretrain.figures("clm", *clm[:2], texts, clm[2])
    three, one, none = (
        figures[name]
        for name in ("trigram_perplexity", "unigram_perplexity", "perplexity")
    )
    assert three.high < one.low
    assert one.high < none.low


def test_the_interval_is_over_reviews(clm, texts):
    model, tokenizer, data = clm
    figures = pretrain.figures("clm", model, tokenizer, texts, data)
    losses = language_models.next_token_losses(
        model, tokenizers.stream(texts["test"]["text"], tokenizer)
    )[1:]
    ends = [len(tokenizers.stream([t], tokenizer)) for t in texts["test"]["text"]]
    review = np.repeat(np.arange(len(ends)), ends)[2:]
    expected = metrics.perplexity(losses.numpy(), review)
    assert figures["perplexity"] == pytest.approx(expected, rel=1e-6)


def test_no_more_than_the_first_tokens_are_read(clm, mlm, texts, monkeypatch):
    monkeypatch.setattr(pretrain, "TESTED", 640)
    for figure in pretrain.figures("clm", *clm[:2], texts, clm[2]).values():
        assert figure.n == 638
    model, tokenizer, data = mlm
    _, labels = language_models.mask(
        data["test"][:20], tokenizer, language_models.MASK_SEED
    )
    for figure in pretrain.figures("mlm", model, tokenizer, texts, data).values():
        assert figure.n == (labels != -100).sum()


def test_masked_tokens_are_scored_on_masks_that_never_change(mlm, texts):
    model, tokenizer, data = mlm
    first = pretrain.figures("mlm", model, tokenizer, texts, data)
    torch.manual_seed(99)
    assert pretrain.figures("mlm", model, tokenizer, texts, data) == first
    losses, hits = language_models.masked_scores(model, tokenizer, data["test"])
    assert first["masked_accuracy"].value == pytest.approx(hits.float().mean().item())
    assert first["masked_perplexity"].value == pytest.approx(losses.mean().exp().item())
    assert first["masked_accuracy"].n == len(losses)


def test_the_baseline_always_predicts_the_most_frequent_token(mlm, texts):
    model, tokenizer, data = mlm
    figures = pretrain.figures("mlm", model, tokenizer, texts, data)
    special = set(tokenizer.all_special_ids)
    seen = Counter(i for i in data["train"].flatten().tolist() if i not in special)
    _, labels = language_models.mask(data["test"], tokenizer, language_models.MASK_SEED)
    wanted = labels[labels != -100]
    fraction = (wanted == seen.most_common(1)[0][0]).float().mean().item()
    assert 0 < fraction < 0.2
    assert figures["unigram_accuracy"].value == pytest.approx(fraction)


def test_a_model_that_knows_all_is_always_right(mlm, texts, monkeypatch):
    def oracle(model, ids, labels):
        wanted = labels[labels != -100]
        return 50.0 * torch.nn.functional.one_hot(wanted, 300), wanted

    monkeypatch.setattr(language_models, "masked_logits", oracle)
    model, tokenizer, data = mlm
    figures = pretrain.figures("mlm", model, tokenizer, texts, data)
    assert figures["masked_accuracy"][:3] == (1, 1, 1)
    assert figures["masked_perplexity"].value == pytest.approx(1)
