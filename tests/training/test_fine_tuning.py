"""A small classifier learns what can be learned, the same way for the same seed."""

import pytest
import torch
from datasets import Dataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    TrainerCallback,
)

from helpers import metrics
from helpers.models import encoders, tokenizers
from helpers.training import fine_tuning, freezing

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


def new(tokenizer):
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
    )
    return BertForSequenceClassification(config)


def fitted(tokenizer, data, seed=0, start=0, **options):
    torch.manual_seed(start)
    model = new(tokenizer)
    settings = {"epochs": 12, "learning_rate": 3e-3, "batch_size": 4}
    settings |= {"seed": seed} | options
    freezing.train_only(model, settings.pop("trainable", "all"))
    if decay := settings.pop("decay", None):
        settings["groups"] = freezing.layerwise(model, 1e-3, decay)
    return fine_tuning.classifier(model, tokenizer, data, **settings)


@pytest.mark.usefixtures("one_thread")
def test_it_learns_and_predicts_in_the_order_of_the_texts(tokenizer, data):
    model = fitted(tokenizer, data, epochs=40).model
    predictions = encoders.logits(model, tokenizer, TEXTS).argmax(1)
    assert (predictions == torch.tensor(LABELS)).float().mean() > 0.9
    assert (
        encoders.logits(model, tokenizer, TEXTS[::-1])
        .argmax(1)
        .equal(predictions.flip(0))
    )


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
def test_the_learning_rate_goes_up_and_then_down_to_nothing(
    tokenizer, data, monkeypatch
):
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


def kill(tokenizer, data, folder, **options):
    class Killed(TrainerCallback):
        def on_step_end(self, args, state, control, **others):
            if state.global_step == 7:  # of 12: in the second epoch
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(tokenizer, data, callbacks=[Killed()], folder=folder, **options)


OTHERS = {
    "other labels": {},
    "fewer texts": {},
    "learning rate": {"learning_rate": 1e-3},
    "more epochs": {"epochs": 3},
    "another start": {"start": 1},
    "shorter texts": {"max_length": 5},
    "validation": {"validation": TEXTS[:5]},
    "head only": {"trainable": "head"},
    "layer by layer": {"decay": 0.5},
    "gradual": {"callbacks": [freezing.Gradual()]},
}


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("case", OTHERS)
def test_another_run_does_not_go_on_in_a_folder(tokenizer, data, tmp_path, case):
    kill(tokenizer, data, tmp_path / "run", epochs=2)
    options = {"epochs": 2} | OTHERS[case]
    if "validation" in options:
        options["validation"] = data.select(range(5))
    rows = data.select(range(20)) if case == "fewer texts" else data
    if case == "other labels":
        rows = data.map(lambda row: {"label": 1 - row["label"]})
    with pytest.raises(fine_tuning.ResumeError, match="holds another run .*another f"):
        fitted(tokenizer, rows, folder=tmp_path / "run", **options)
    again = fitted(tokenizer, data, folder=tmp_path / "run", epochs=2)
    assert again.state.global_step == 12, "the run itself goes on"


@pytest.mark.usefixtures("one_thread")
def test_another_library_does_not_go_on_in_a_folder(
    tokenizer, data, tmp_path, monkeypatch
):
    kill(tokenizer, data, tmp_path, epochs=2)
    monkeypatch.setattr(fine_tuning.transformers, "__version__", "0.1")
    with pytest.raises(fine_tuning.ResumeError, match="holds another run"):
        fitted(tokenizer, data, folder=tmp_path, epochs=2)


@pytest.mark.usefixtures("one_thread")
def test_a_finished_run_is_not_used_again_in_silence(tokenizer, data, tmp_path):
    fitted(tokenizer, data, folder=tmp_path, epochs=1)
    with pytest.raises(fine_tuning.ResumeError, match="holds a finished run: name"):
        fitted(tokenizer, data, folder=tmp_path, epochs=1)


@pytest.mark.usefixtures("one_thread")
def test_a_refused_setting_takes_no_folder(tokenizer, data, tmp_path):
    for wrong in ({"eval_strategy": "never"}, {"learning_speed": 1}):
        with pytest.raises((ValueError, TypeError)):
            fitted(tokenizer, data, folder=tmp_path, epochs=1, **wrong)
    fitted(tokenizer, data, folder=tmp_path, epochs=1)


def test_a_folder_of_something_else_is_left_alone(tokenizer, data, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(fine_tuning.ResumeError, match="another run or other files"):
        fitted(tokenizer, data, folder=tmp_path, epochs=1)
    assert [file.name for file in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize("content", ["", "{", "[1]", "3"])
def test_a_damaged_note_is_another_run(tokenizer, data, tmp_path, content):
    (tmp_path / fine_tuning.RUN).write_text(content)
    with pytest.raises(fine_tuning.ResumeError, match="or delete it to train anew"):
        fitted(tokenizer, data, folder=tmp_path, epochs=1)


@pytest.mark.usefixtures("one_thread")
def test_metrics_of_ones_own_are_reported(tokenizer, data):
    options = {"validation": data, "compute_metrics": metrics.classification}
    trainer = fitted(tokenizer, data, epochs=1, **options)
    (entry,) = [e for e in trainer.state.log_history if "eval_accuracy" in e]
    predictions = encoders.logits(trainer.model, tokenizer, TEXTS).argmax(1)
    right = float((predictions == torch.tensor(LABELS)).float().mean())
    assert entry["eval_accuracy"] == pytest.approx(right)
    assert 0 <= entry["eval_macro_f1"] <= 1


def test_training_tells_when_many_texts_are_cut(tokenizer, data):
    with pytest.warns(tokenizers.TruncationWarning, match="% of 24 texts are longer"):
        fine_tuning.encode(data, new(tokenizer), tokenizer, 5)


@pytest.mark.usefixtures("one_thread")
def test_half_precision_is_for_training_only(tokenizer, data):
    model = fitted(tokenizer, data, epochs=1, bf16=True).model
    copy = BertForSequenceClassification(model.config)
    copy.load_state_dict(model.state_dict())
    predictions, again = (encoders.logits(m, tokenizer, TEXTS) for m in (model, copy))
    assert predictions.dtype == torch.float32
    assert torch.equal(predictions, again)


@pytest.mark.usefixtures("one_thread")
def test_settings_of_the_library_can_be_changed(tokenizer, data):
    trainer = fitted(tokenizer, data, epochs=1, weight_decay=0.3, warmup_steps=0)
    assert trainer.args.weight_decay == 0.3
    assert trainer.args.warmup_steps == 0


def test_no_text_may_be_longer_than_the_model_reads(tokenizer, data):
    with pytest.raises(ValueError, match="513, the model reads 512 tok"):
        fitted(tokenizer, data, max_length=513)


def test_texts_are_cut_at_the_length(tokenizer, data):
    encoded = fine_tuning.encode(data, new(tokenizer), tokenizer, 5)
    assert {len(ids) for ids in encoded["input_ids"]} == {5}
    assert encoded["label"] == data["label"]
    assert "text" not in encoded.column_names
