"""A small classifier learns what can be learned, the same way for the same seed."""

import pytest
import torch
from datasets import Dataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    TrainerCallback,
)

from helpers.models import encoders, tokenizers
from helpers.training import fine_tuning

GOOD, BAD = ["fine", "lovely", "great"], ["dull", "awful", "poor"]
TEXTS = [
    f"a {word} film about {topic}"
    for word in GOOD + BAD
    for topic in ("cats", "the long war", "two old friends who meet again", "love")
]
LABELS = [int(any(word in text for word in GOOD)) for text in TEXTS]


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizers.wordpiece(TEXTS * 5, 200)


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
    settings = {"epochs": 12, "learning_rate": 3e-3, "batch": 4, "seed": seed} | options
    return fine_tuning.classifier(model, tokenizer, data, **settings)


@pytest.mark.usefixtures("one_thread")
def test_it_learns_and_predicts_in_the_order_of_the_texts(tokenizer, data):
    model = fitted(tokenizer, data, epochs=40).model
    said = encoders.logits(model, tokenizer, TEXTS).argmax(1)
    assert (said == torch.tensor(LABELS)).float().mean() > 0.9
    assert encoders.logits(model, tokenizer, TEXTS[::-1]).argmax(1).equal(said.flip(0))


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
    learning_rates = []
    step = torch.optim.AdamW.step

    def watched(self, *args, **options):
        learning_rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    fitted(tokenizer, data, epochs=10, learning_rate=1e-3)
    top = learning_rates.index(max(learning_rates))
    assert len(learning_rates) == 60
    assert max(learning_rates) == pytest.approx(1e-3, rel=0.02)
    assert top == pytest.approx(6, abs=1)
    assert learning_rates[:top] == sorted(learning_rates[:top])
    assert learning_rates[top:] == sorted(learning_rates[top:], reverse=True)
    assert learning_rates[-1] < 3e-5


@pytest.mark.usefixtures("one_thread")
def test_the_best_epoch_comes_back_and_training_stops(tokenizer, data):
    wrong = data.map(lambda row: {"label": 1 - row["label"]})  # learning makes it worse
    trainer = fitted(tokenizer, data, epochs=30, validation=wrong, patience=2)
    losses = [e["eval_loss"] for e in trainer.state.log_history if "eval_loss" in e]
    assert len(losses) < 30
    assert losses.index(min(losses)) == len(losses) - 3
    scores = encoders.logits(trainer.model, tokenizer, TEXTS)
    loss = torch.nn.functional.cross_entropy(scores, torch.tensor(wrong["label"][:]))
    assert loss.item() == pytest.approx(min(losses), abs=1e-4)


@pytest.mark.usefixtures("one_thread")
def test_a_killed_training_resumes_to_the_same_weights(tokenizer, data, tmp_path):
    whole = fitted(tokenizer, data, epochs=4, folder=tmp_path / "whole").model

    class Killed(TrainerCallback):
        def on_step_end(self, args, state, control, **others):
            if state.global_step == 15:  # of 24: in the third epoch
                raise KeyboardInterrupt

    options = {"epochs": 4, "folder": tmp_path / "killed"}
    with pytest.raises(KeyboardInterrupt):
        fitted(tokenizer, data, callbacks=[Killed()], **options)
    resumed = fitted(tokenizer, data, **options)
    assert resumed.state.global_step == 24
    one, other = whole.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.usefixtures("one_thread")
def test_half_precision_is_for_training_only(tokenizer, data):
    model = fitted(tokenizer, data, epochs=1, bf16=True).model
    copy = BertForSequenceClassification(model.config)
    copy.load_state_dict(model.state_dict())
    said, again = (encoders.logits(m, tokenizer, TEXTS) for m in (model, copy))
    assert said.dtype == torch.float32
    assert torch.equal(said, again)


@pytest.mark.usefixtures("one_thread")
def test_settings_of_the_library_can_be_changed(tokenizer, data):
    trainer = fitted(tokenizer, data, epochs=1, weight_decay=0.3, warmup_steps=0)
    assert trainer.args.weight_decay == 0.3
    assert trainer.args.warmup_steps == 0


def test_texts_are_cut_at_the_length(tokenizer, data):
    encoded = fine_tuning.encode(data, tokenizer, 5)
    assert {len(ids) for ids in encoded["input_ids"]} == {5}
    assert encoded["label"] == data["label"]
    assert "text" not in encoded.column_names
