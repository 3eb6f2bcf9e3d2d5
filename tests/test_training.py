"""A small classifier learns what can be learned, the same way for the same seed."""

import pytest
import torch
from datasets import Dataset
from transformers import BertConfig, BertForSequenceClassification

from helpers import pieces, training

GOOD, BAD = ["fine", "lovely", "great"], ["dull", "awful", "poor"]
TEXTS = [
    f"a {word} film about {topic}"
    for word in GOOD + BAD
    for topic in ("cats", "the long war", "two old friends who meet again", "love")
]
LABELS = [int(any(word in text for word in GOOD)) for text in TEXTS]


@pytest.fixture(scope="module")
def tokenizer():
    return pieces.wordpiece(TEXTS * 5, 200)


@pytest.fixture
def data():
    return Dataset.from_dict({"text": TEXTS, "label": LABELS})


def fitted(tokenizer, data, seed=0, **options):
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
    )
    torch.manual_seed(0)
    model = BertForSequenceClassification(config)
    settings = {"epochs": 12, "rate": 3e-3, "batch": 4, "seed": seed} | options
    return training.classifier(model, tokenizer, data, **settings)


@pytest.mark.usefixtures("one_thread")
def test_it_learns_and_predicts_in_the_order_of_the_texts(tokenizer, data):
    trainer = fitted(tokenizer, data, epochs=40)
    said = training.predictions(trainer, data, tokenizer)
    assert (said == LABELS).mean() > 0.9
    backwards = data.select(range(len(data))[::-1])
    assert (training.predictions(trainer, backwards, tokenizer) == said[::-1]).all()


@pytest.mark.usefixtures("one_thread")
def test_equal_seeds_make_equal_weights_and_others_do_not(tokenizer, data):
    one, same, other = (
        fitted(tokenizer, data, seed, epochs=1).model.classifier.weight
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.usefixtures("one_thread")
def test_nothing_is_written_and_nothing_is_printed(
    tokenizer, data, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    fitted(tokenizer, data, epochs=1)
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("one_thread")
def test_the_rate_goes_up_and_then_down_to_nothing(tokenizer, data, monkeypatch):
    rates = []
    step = torch.optim.AdamW.step

    def watched(self, *args, **options):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    fitted(tokenizer, data, epochs=10, rate=1e-3)
    top = rates.index(max(rates))
    assert len(rates) == 60
    assert max(rates) == pytest.approx(1e-3, rel=0.02)
    assert top == pytest.approx(6, abs=1)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < 3e-5


def test_texts_are_cut_at_the_length(tokenizer, data):
    encoded = training.encode(data, tokenizer, 5)
    assert {len(ids) for ids in encoded["input_ids"]} == {5}
    assert encoded["label"] == data["label"]
    assert "text" not in encoded.column_names
