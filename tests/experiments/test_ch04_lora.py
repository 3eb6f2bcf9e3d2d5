"""The sweep of chapter 4 on a toy: what is trained, read, predicted and retrieved."""

import copy
import json
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from helpers import paths
from helpers.data import corpora
from helpers.experiments import ch04_lora as runs
from helpers.experiments import records, runner
from helpers.models import encoders, methods, retrieval
from helpers.training import strategies

BY_LIBRARY_ONLY = {runs.FULL, runs.LAST, runs.SCRATCH}


@pytest.fixture
def toy_splits(toy, monkeypatch):
    """Let the reviews be toy sentences, too, in all three splits."""
    monkeypatch.setattr(runs, "splits", lambda data: dict(toy))
    monkeypatch.setattr(corpora, "imdb", lambda: dict(toy))
    return toy


def test_the_published_record_holds_nothing_that_is_not_declared():
    record = records.Record(paths.RESULTS / "04_experiments.csv")
    declared = {records.key(settings) for _, settings in runs.experiments(record)}
    rows = record.rows.query("experiment != 'precision'")
    assert set(records.keys(rows)) <= declared
    assert record.rows["error"].isna().all()


def test_every_experiment_runs_on_a_toy(toy_splits, monkeypatch, tmp_path):
    monkeypatch.setattr(runs, "EPOCHS", {5: 1, 12: 1})
    monkeypatch.setattr(runs, "SEEDS", {5: range(2), 12: range(1)})
    few = {name: (1e-3,) for name in runs.LEARNING_RATES}
    monkeypatch.setattr(runs, "LEARNING_RATES", few)
    monkeypatch.setattr(runs, "C_TRIED", dict.fromkeys(runs.C_TRIED, (1,)))
    monkeypatch.setattr(runs, "LABELS", 12)
    monkeypatch.setattr(retrieval, "WORDS", 1)
    monkeypatch.setattr(runs, "timed", lambda work: (work(), 2.0))
    retrieval.halves.cache_clear()
    rows = records.read(runner.run("04", tmp_path))
    retrieval.halves.cache_clear()
    assert rows["error"].isna().all(), rows["error"].dropna().unique()
    assert set(rows["experiment"]) == {
        "precision",
        "learning curves",
        "learning rate",
        "rank",
        "alpha",
        "layers",
        "family",
        "cost",
    }
    family = rows.query("experiment == 'family' and split == 'test'")
    assert {*few, runs.TFIDF, runs.FROZEN} == set(family["strategy"])
    assert (rows.loc[rows["metric"] == "recall at 1", "value"] <= 1).all()
    curves = rows.query("experiment == 'learning curves' and split == 'test'")
    assert (curves.groupby(["strategy", "data"])["train_size"].nunique() <= 2).all()
    table = records.Record(tmp_path / "04_experiments.csv").predictions()
    tested = rows.query("split == 'test'")
    right = [(row["label"] == row["prediction"]).mean() for _, row in table.iterrows()]
    assert right == pytest.approx(tested["value"].tolist())


@pytest.mark.parametrize(
    ("size", "accuracies", "compared", "tested"),
    [
        (1000, {}, [10], 10),  # tuned before, so not compared again
        (100, {10: 0.7, 1: 0.6}, [1, 10, 100], 10),
        (100, {10: 0.7, 1: 0.8, 0.1: 0.8}, [1, 10, 100, 0.1], 1),
        (
            10_000,
            {10: 0.7, 100: 0.8, 1000: 0.9, 10_000: 0.7},
            [1, 10, 100, 1000, 10_000],
            1000,
        ),
        (10_000, {10**n: n for n in range(6)}, [1, 10, 100, 1000, 10**4, 10**5], 10**5),
    ],
)
def test_both_neighbours_are_tried_while_one_wins(size, accuracies, compared, tested):
    measured = {1000: [10]}

    class Known:
        def best(self, name, settings):
            values = measured[settings["train_size"]]
            return max(values, key=lambda value: accuracies.get(value, 0))

    tests = []
    curve = runs.linear, {"strategy": "any", "train_size": 1000}, "C", runs.DECADES
    for _, one in runs.at(Known(), [curve], size):
        if one.get("split") == "validation":
            values = measured.setdefault(size, [])
            values += [one["C"]] if one["C"] not in values else []
        else:
            tests.append((one["C"], one["seed"]))
    assert tests == [(tested, seed) for seed in runs.SEEDS[size]]
    assert measured[size] == compared


def test_a_training_subset_has_its_size_and_depends_on_the_seed(toy_splits):
    (one, held_out), (same, _), (other, _) = (
        runs.read("any", 12, seed) for seed in (0, 0, 1)
    )
    assert list(held_out) == ["validation", "test"]
    assert len(one) == 12
    assert one["text"][:] == same["text"][:] != other["text"][:]


def test_the_end_of_a_text_starts_with_a_word_and_is_short_enough(toy):
    tokenizer = strategies.tokenizer()
    text = "A dull plot number 17, numberfilm! " * 5
    for tokens in range(1, 30):
        end = runs.end_of(text, tokens)
        assert text.endswith(end)
        assert len(tokenizer(end, add_special_tokens=False)["input_ids"]) <= tokens
        before = text[: len(text) - len(end)]
        assert not (before[-1:].isalnum() and end[:1].isalnum())
    assert runs.end_of("a film", 10) == "a film"


@pytest.mark.parametrize("strategy", runs.LEARNING_RATES)
def test_before_training_only_virtual_tokens_change_the_logits(strategy, toy):
    texts = toy["test"]["text"][:]
    plain = runs.logits(strategies.new_classifier(0), texts)
    adapted = runs.logits(runs.adapted(strategy, 0), texts)
    changed = strategy in ("prefix tuning", "prompt tuning", runs.SCRATCH)
    assert torch.allclose(plain, adapted, atol=1e-6) != changed


@pytest.mark.parametrize("strategy", sorted({*runs.LEARNING_RATES} - BY_LIBRARY_ONLY))
def test_a_method_trains_itself_and_the_head_and_nothing_else(strategy, toy):
    model = runs.adapted(strategy, 0)
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    own = ("lora_", "vera_", "ia3_", "prompt_", "classifier", "down", "up", "bias")
    assert any("classifier" in name for name in trained)
    assert all(any(word in name for word in own) for name in trained)
    if strategy == "BitFit":
        biases = {n for n, _ in model.named_parameters() if n.endswith("bias")}
        assert trained == biases | {"classifier.weight"}


def test_lora_has_the_rank_scale_and_layers_that_were_wanted(toy):
    options = {"r": 3, "lora_alpha": 12, "layers": "all linear"}
    model = runs.adapted("LoRA", 0, **options)
    adapted = [m for m in model.modules() if hasattr(m, "lora_A") and m.lora_A]
    layers = strategies.new_classifier(0).config.num_hidden_layers
    assert len(adapted) == 6 * layers
    assert {m.scaling["default"] for m in adapted} == {4}
    assert {m.lora_A["default"].out_features for m in adapted} == {3}


def test_sets_of_layers_are_compared_at_equal_parameters():
    shape = {"num_hidden_layers": 2, "vocab_size": 9}  # as wide as MiniLM
    shape |= {"hidden_size": 384, "intermediate_size": 1536}
    sizes = []
    for changed in runs.CHOICES["layers"]:
        plain = BertForSequenceClassification(BertConfig(**shape))
        model = methods.apply("LoRA", plain, **runs.LORA | changed)
        sizes.append(encoders.count(model).trainable)
    assert sizes == [sizes[0]] * 3


def test_the_notebook_writes_the_methods_by_hand_that_the_sweep_uses():
    notebook = json.loads(
        (paths.NOTEBOOKS / "04b_peft_family.ipynb").read_text("utf-8")
    )
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    names = {"nn": torch.nn, "torch": torch, "drawings": Mock(), "chapter": Mock()}
    names["chapter"].device = "cpu"
    for begin in ("def bitfit(", "class Bottleneck(", "def add_bottlenecks("):
        [source] = [each for each in sources if each.startswith(begin)]
        exec(source, names)
    batch = {"input_ids": torch.tensor([[2, 5, 3]])}
    by_hand = {"BitFit": "bitfit", "bottleneck adapter": "add_bottlenecks"}
    for method, name in by_hand.items():
        shape = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
        config = BertConfig(vocab_size=50, num_hidden_layers=2, **shape)
        plain = BertForSequenceClassification(config).eval()
        ours = names[name](copy.deepcopy(plain))
        theirs = methods.apply(method, plain)
        for parameter in theirs.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter, std=0.05)
        ours.load_state_dict(theirs.state_dict())
        one, other = (
            {n for n, p in model.named_parameters() if p.requires_grad}
            for model in (ours, theirs)
        )
        assert one == other
        torch.testing.assert_close(ours(**batch).logits, theirs(**batch).logits)


def test_a_bottleneck_adds_a_small_network_to_the_output_of_its_layer():
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(4, 6), torch.randn(5, 4)
    adapter = methods.Bottleneck(layer, 2)
    assert torch.equal(adapter(x), layer(x))
    torch.nn.init.normal_(adapter.up.weight)
    hidden = torch.relu(layer(x) @ adapter.down.weight.T + adapter.down.bias)
    expected = layer(x) + hidden @ adapter.up.weight.T
    torch.testing.assert_close(adapter(x), expected)


def test_vectors_leave_out_padding_and_virtual_tokens(toy):
    texts = ["a film", "a dull film and a warm plot"]
    plain, tokenizer = strategies.new_classifier(0), strategies.tokenizer()

    def vectors(model, texts):
        return retrieval.vectors(model, tokenizer, texts, 64)

    both = vectors(plain, texts)
    for text, row in zip(texts, both, strict=True):
        torch.testing.assert_close(vectors(plain, [text])[0], row)
    with_prompt = runs.adapted("prompt tuning", 0)
    assert vectors(with_prompt, texts).shape == both.shape


def test_cost_is_no_row_when_other_programs_ran(toy, monkeypatch):
    monkeypatch.setattr(runs, "timed", lambda work: (work(), None))
    with pytest.raises(RuntimeError, match="run the sweep again alone"):
        runs.cost("LoRA", 2, 8, "float32")


def test_a_misspelt_strategy_is_no_majority(toy_splits):
    with pytest.raises(KeyError):
        runs.linear("TF-IDF", "any", 8, 0)


def test_the_majority_class_is_that_of_the_training_subset(toy_splits):
    settings = {"data": "any", "train_size": 20, "seed": 0}
    found = runs.linear(runs.MAJORITY, **settings)["test"]
    assert set(found.logits.argmax(1)) == {0}  # two of three are negative
    assert np.array_equal(found.labels, toy_splits["test"]["label"])


def test_frozen_features_are_fitted_on_the_subset_alone(toy_splits, monkeypatch):
    seen, embed = [], runs.vectors

    def vectors(texts):
        seen.append(texts)
        return embed(texts)

    monkeypatch.setattr(runs, "vectors", vectors)
    monkeypatch.setattr(runs, "remembered", lambda function: function)
    runs.linear(runs.FROZEN, "any", 8, 0, C=1)
    subset, _ = runs.read("any", 8, 0)
    assert seen[0] == subset["text"][:]
