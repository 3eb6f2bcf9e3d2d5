"""The experiments of chapter 5 do what their settings say; run on a toy."""

import numpy as np
import pytest
import torch
from transformers import BertModel

from helpers import paths
from helpers.experiments import ch05_mlm_pretraining as runs
from helpers.experiments import records, runner
from helpers.models import encoders, language_models, prompt_classifier, tokenizers
from helpers.pretraining import recipes
from helpers.training import strategies

SETTINGS = {"model": "course-bert", "train_size": 12, "seed": 1, "learning_rate": 1e-3}
SETTINGS |= {"epochs": 2, "batch_size": 4, "max_length": 64, "precision": "float32"}
ADAPTATION = {"adaptation_learning_rate": 1e-3, "adaptation_steps": 4}
ADAPTATION |= {"adaptation_head_steps": 2, "adaptation_precision": "float32"}


def test_the_published_record_holds_each_experiment_with_just_its_settings():
    record = records.Record(paths.RESULTS / "05_experiments.csv")
    declared = {records.key(settings) for _, settings in runs.experiments(record)}
    assert declared == set(records.keys(record.rows))
    assert record.rows["error"].isna().all()


@pytest.fixture
def sequences(monkeypatch, toy, documents):
    """Let the unlabelled reviews be 16 sequences of 128 tokens, by split."""
    tokenizer = strategies.tokenizer()
    packed = tokenizers.pack(documents[:60], tokenizer, 128)[:16]
    packed = {"train": packed, "validation": packed[:4]}
    monkeypatch.setattr(runs, "packed", lambda folder, split: packed[split])
    monkeypatch.setattr(runs, "BATCH_SIZE", 2)
    return packed


def test_every_experiment_runs_on_a_toy(toy, sequences, monkeypatch, tmp_path):
    epochs = {"course-bert": {12: 1}, "minilm": {12: 1}}
    monkeypatch.setattr(runs, "EPOCHS", epochs)
    monkeypatch.setattr(runs, "ADAPTING_LABELS", 12)
    monkeypatch.setattr(runs, "SEEDS", range(1))
    monkeypatch.setattr(runs, "FROZEN_SEEDS", range(1))
    monkeypatch.setattr(runs, "EARLY", {"steps": 1, "scheduled_steps": 4})
    steps = {"adaptation_head_steps": 1, "adaptation_steps": 1}
    monkeypatch.setattr(runs, "ADAPTATION", steps)
    monkeypatch.setattr(recipes.Recipe, "tokens", 256)
    rows = records.read(runner.run("05", tmp_path))
    assert rows["error"].isna().all()
    assert rows["experiment"].nunique() == 5
    table = records.Record(tmp_path / "05_experiments.csv").predictions()
    assert all(labels.tolist() == toy["test"]["label"][:] for labels in table["label"])
    tested = rows[(rows["split"] == "test") & (rows["metric"] == "accuracy")]
    right = [(row["label"] == row["prediction"]).mean() for _, row in table.iterrows()]
    assert right == pytest.approx(tested["value"].tolist())


@pytest.mark.parametrize("strategy", ["prompt", "new head"])
def test_the_from_scratch_baseline_differs_in_its_weights_alone(strategy, toy):
    build = (strategy, 4, strategies.tokenizer())
    read, unread = (
        runs.build("course-bert", name, *build)
        for name in (runs.PRE_TRAINED, runs.SCRATCH)
    )
    assert read.config.to_dict() == unread.config.to_dict()
    assert read.config.hidden_dropout_prob == 0.1
    ours, theirs = read.state_dict(), unread.state_dict()
    assert {k: v.shape for k, v in ours.items()} == {
        k: v.shape for k, v in theirs.items()
    }
    weight = "bert.encoder.layer.0.output.dense.weight"
    published = BertModel.from_pretrained(encoders.locate("course-bert"))
    assert torch.equal(
        ours[weight], published.state_dict()[weight.removeprefix("bert.")]
    )
    assert not torch.equal(ours[weight], theirs[weight])


@pytest.mark.parametrize("strategy", ["prompt", "new head"])
def test_answers_are_those_of_the_trained_model_on_each_split(strategy, toy, steps):
    own = {"initialisation": runs.PRE_TRAINED, "strategy": strategy}
    found = runs.fine_tuned(**SETTINGS, **own)
    model, train = steps[-1]["model"], strategies.subset(12, 1)
    prompt = prompt_classifier.PROMPT if strategy == "prompt" else ""
    tokenizer = strategies.tokenizer()
    for split, data in {**toy, "train": train}.items():
        texts = [prompt + text for text in data["text"]]
        assert np.array_equal(
            found[split].logits, encoders.logits(model, tokenizer, texts)
        )
        assert found[split].labels.tolist() == data["label"][:]
    read = {
        tokenizer.decode(ids, skip_special_tokens=False)
        for s in steps
        for ids in s["ids"]
    }
    assert all(("[MASK]" in text) == bool(prompt) for text in read)
    assert len(steps) == 2 * 3
    assert max(step["learning_rates"][0] for step in steps) == pytest.approx(1e-3)


@pytest.fixture
def updates(monkeypatch):
    """Note of each step of AdamW its learning rate and how many tensors it updates."""
    seen = []

    class Watched(torch.optim.AdamW):
        def step(self, closure=None):
            (group,) = self.param_groups
            seen.append((group["lr"], len(group["params"])))
            return super().step(closure)

    monkeypatch.setattr(torch.optim, "AdamW", Watched)
    return seen


def test_the_mlm_head_is_trained_first_and_learning_rates_decay(sequences, updates):
    before = BertModel.from_pretrained(encoders.locate("minilm")).state_dict()
    after = runs.remembered(runs.adapted_weights)(**ADAPTATION)
    head, both = updates[:2], updates[2:]
    assert [lr for lr, _ in head] == pytest.approx([1e-3, 5e-4])
    assert [lr for lr, _ in both] == pytest.approx([1e-3, 7.5e-4, 5e-4, 2.5e-4])
    assert len({n for _, n in head}) == len({n for _, n in both}) == 1
    assert head[0][1] < both[0][1]
    weight = "encoder.layer.0.output.dense.weight"
    assert not torch.equal(before[weight], after[weight])


def test_adaptation_is_computed_once(sequences, updates):
    first = runs.remembered(runs.adapted_weights)(**ADAPTATION)
    number = len(updates)
    again = runs.remembered(runs.adapted_weights)(**ADAPTATION)
    assert len(updates) == number
    assert all(torch.equal(first[name], again[name]) for name in first)
    runs.remembered(runs.adapted_weights)(**ADAPTATION | {"adaptation_steps": 3})
    assert len(updates) > number


def test_what_is_probed_has_the_adapted_weights(sequences, monkeypatch):
    seen = []
    embed = encoders.embed_texts

    def watched(model, *others, **options):
        seen.append(model.state_dict())
        return embed(model, *others, **options)

    monkeypatch.setattr(encoders, "embed_texts", watched)
    own = {"strategy": "frozen", "train_size": 12, "seed": 0, "C": 1}
    runs.probed("minilm", runs.ADAPTED, **own, **ADAPTATION)
    weight = "encoder.layer.0.output.dense.weight"
    adapted = runs.remembered(runs.adapted_weights)(**ADAPTATION)[weight]
    assert torch.equal(seen[-1][weight], adapted)
    runs.probed("minilm", runs.PRE_TRAINED, **own)
    assert not torch.equal(seen[-1][weight], adapted)


@pytest.mark.parametrize(("length", "probability"), [(128, 0.15), (32, 0.3)])
def test_early_pretraining_reads_and_masks_as_set(
    length, probability, sequences, monkeypatch
):
    seen, loss = [], language_models.loss

    def watched(objective, model, tokenizer, batch, seed, mlm_probability):
        seen.append((tuple(batch.shape), mlm_probability))
        return loss(objective, model, tokenizer, batch, seed, mlm_probability)

    monkeypatch.setattr(language_models, "loss", watched)
    monkeypatch.setattr(recipes.Recipe, "tokens", 256)
    found = runs.early_pretraining(2, 20, length, probability, 0, "float32")
    assert seen == [((2048 // length, length), probability)] * 2
    selected, masked = found["validation"].values()
    assert 0 < masked.n < selected.n
    assert 0.6 < masked.n / selected.n < 0.95
