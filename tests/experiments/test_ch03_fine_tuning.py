"""The experiments of chapter 3 do what their settings say; run on a toy."""

import numpy as np
import pytest
import torch
from datasets import Dataset

from helpers import metrics, paths
from helpers.experiments import ch03_fine_tuning as runs
from helpers.experiments import records, runner
from helpers.experiments.runner import Answers
from helpers.models import encoders
from helpers.training import strategies

SETTINGS = {"strategy": "all", "train_size": 20, "seed": 1, "learning_rate": 1e-3}
SETTINGS |= {"epochs": 2, "batch_size": 4, "max_length": 64, "precision": "float32"}


def test_the_published_record_holds_each_experiment_with_just_its_settings():
    record = records.Record(paths.RESULTS / "03_experiments.csv")
    declared = {records.key(settings) for _, settings in runs.experiments(record)}
    chosen = record.rows["experiment"].isin(["intermediate text", "ensemble"])
    means = record.rows[chosen & (record.rows["split"] == "validation")]
    # of these choices the old record has only the mean over seeds
    seeds = {
        records.key(row | {"seed": seed})
        for row in means.drop(columns="seed").to_dict("records")
        for seed in runs.SEEDS
    }
    assert len(means) == 5
    assert seeds <= declared
    assert declared - seeds == set(records.keys(record.rows.drop(means.index)))
    assert record.rows["error"].isna().all()


def test_every_experiment_runs_on_a_toy(toy, monkeypatch, tmp_path):
    monkeypatch.setattr(runs, "LABELS", 12)
    monkeypatch.setattr(runs, "FEW", 15)
    monkeypatch.setattr(runs, "ALL", 20)
    monkeypatch.setattr(runs, "WITH_REVIEWS", runs.WITH_REVIEWS | {"train_size": 20})
    monkeypatch.setattr(runs, "SEEDS", range(1))
    monkeypatch.setattr(runs, "SUBSETS", range(1))
    few = {"all": (1e-3,), "gradual": (1e-3,)}
    monkeypatch.setattr(runs, "LEARNING_RATES", few)
    monkeypatch.setattr(runs, "OVER_FITTING", runs.OVER_FITTING | {"epochs": 2})
    monkeypatch.setattr(strategies, "EPOCHS_TRIED", (1,))
    rows = records.read(runner.run("03", tmp_path))
    assert rows["error"].isna().all()
    assert rows["experiment"].nunique() == 9
    sizes = {name: len(split) for name, split in toy.items()}
    for row in rows[rows["metric"] == "accuracy"].to_dict("records"):
        assert row["n"] == (sizes | {"train": row["train_size"]})[row["split"]]
    table = records.Record(tmp_path / "03_experiments.csv").predictions()
    assert all(labels.tolist() == toy["test"]["label"][:] for labels in table["label"])
    tested = rows[(rows["split"] == "test") & (rows["metric"] == "accuracy")]
    assert len(tested) == len(table)
    right = [(row["label"] == row["prediction"]).mean() for _, row in table.iterrows()]
    assert right == pytest.approx(tested["value"].tolist())


def test_answers_are_those_of_the_trained_model_on_each_split(toy, steps):
    found = runs.fine_tuned(**SETTINGS | {"train_size": 12})
    model, train = steps[-1]["model"], strategies.subset(12, 1)
    for split, data in {**toy, "train": train}.items():
        logits = encoders.logits(model, strategies.tokenizer(), data["text"])
        assert np.array_equal(found[split].logits, logits)
        assert found[split].labels.tolist() == data["label"][:]


def test_training_reads_the_subset_of_its_size_and_seed(toy, steps):
    runs.fine_tuned(**SETTINGS | {"train_size": 12, "seed": 3})
    tokenizer = strategies.tokenizer()
    read = {
        tokenizer.decode(ids, skip_special_tokens=True)
        for step in steps
        for ids in step["ids"]
    }
    wanted = tokenizer(strategies.subset(12, 3)["text"][:])["input_ids"]
    assert read == set(tokenizer.batch_decode(wanted, skip_special_tokens=True))
    assert len(steps) == 2 * 3


def test_the_learning_rate_warms_up_and_decays_and_nothing_is_decayed(toy, steps):
    runs.fine_tuned(**SETTINGS | {"epochs": 4})
    learning_rates = [step["learning_rates"][0] for step in steps]
    assert learning_rates == pytest.approx(
        [0, 5e-4, *(1e-3 * (20 - i) / 18 for i in range(2, 20))]
    )
    assert {decay for step in steps for decay in step["weight_decays"]} == {0}


def test_batches_hold_texts_of_similar_length(toy, steps):
    own = SETTINGS | {"epochs": 1, "batch_size": 2}
    runs.fine_tuned(**own)
    runs.fine_tuned(**own, train_sampling_strategy="random")
    positions = [np.prod(step["shape"]) for step in steps]
    assert len(positions) == 20
    assert sum(positions[:10]) < sum(positions[10:])


def test_the_articles_pad_everything_and_do_not_warm_up(toy, steps):
    own = {"learning_rate": 5e-5, "batch_size": 8, "max_length": 24}
    runs.fine_tuned(**SETTINGS | own, recipe="articles")
    assert [step["shape"] for step in steps] == [(8, 24), (8, 24), (4, 24)] * 2
    learning_rates = [step["learning_rates"][0] for step in steps]
    assert learning_rates == pytest.approx([5e-5 * (6 - i) / 6 for i in range(6)])
    assert {decay for step in steps for decay in step["weight_decays"]} == {0}


def blocks(names: set[str]) -> set[str]:
    """The blocks that parameters belong to."""
    parts = [name.removeprefix("bert.").split(".") for name in names]
    return {p[2] if p[0] == "encoder" else p[0] for p in parts}


HEAD = {"pooler", "classifier"}


def test_gradual_unfreezing_ends_after_half_of_the_steps(toy, steps):
    runs.fine_tuned(**SETTINGS | {"strategy": "gradual"})
    top = [HEAD] * 2 + [HEAD | {"1"}] * 2 + [HEAD | {"0", "1"}] * 6
    assert [blocks(step["trained"]) for step in steps] == top


def test_layers_learn_the_slower_the_lower_they_are(toy, steps):
    runs.fine_tuned(**SETTINGS | {"strategy": "layer-wise learning rates"})
    highest = max(steps, key=lambda step: step["learning_rates"])
    assert highest["learning_rates"] == pytest.approx([1e-3, 9e-4, 8.1e-4, 7.29e-4])
    assert {decay for step in steps for decay in step["weight_decays"]} == {0}


@pytest.mark.parametrize("name", runs.REGULARISATION)
def test_regularisation_does_what_its_settings_say(name, toy, steps, monkeypatch):
    monkeypatch.setattr(strategies, "EPOCHS_TRIED", (1, 2))
    options = {"dropout": 0.1, "weight_decay": 0, "dropped_words": 0} | (
        runs.REGULARISATION[name]
    )
    given = SETTINGS | {"strategy": "all but embeddings"} | runs.REGULARISATION[name]
    runs.fine_tuned(**given, regularisation=name)
    last = steps[-1]
    assert last["model"].config.hidden_dropout_prob == options["dropout"]
    assert last["weight_decays"] <= {options["weight_decay"], 0}
    assert options["weight_decay"] in last["weight_decays"]
    seen = {tuple(ids[ids > 0].tolist()) for step in steps for ids in step["ids"]}
    if name == "early stopping":
        assert {len(step["ids"]) for step in steps} == {4}
        assert len(seen) == 16
    if name == "augmentation":
        assert len(seen) > 30
        assert sum(len(step["ids"]) for step in steps) == 40


def fake(monkeypatch):
    """Let MiniLM and TF-IDF answer without training; return the calls."""
    calls, labels = [], np.array(strategies.sentences()["test"]["label"])

    def fine_tuned(**settings):
        calls.append(settings)
        right = np.ones(len(labels))
        right[: 2 * settings["seed"] + 2] = 0  # the first are wrong, by a little
        sure = np.where(right, 1.0, -0.2) * np.where(labels == 1, 1, -1)
        return {"test": Answers(np.stack([-sure, sure], 1), labels)}

    def tfidf(**settings):
        calls.append(settings)
        return {"test": Answers(np.eye(2)[labels], labels)}

    monkeypatch.setattr(runs, "remembered", lambda function: function)
    monkeypatch.setattr(runs, "fine_tuned", fine_tuned)
    monkeypatch.setattr(runs, "tfidf", tfidf)
    return calls, labels


def test_an_ensemble_answers_by_its_mean_probability(toy, monkeypatch):
    calls, labels = fake(monkeypatch)
    own = {"seed": 1, "learning_rate": 5e-5, "intermediate": "last passages"}
    found = runs.ensemble("MiniLM and TF-IDF", **own, C=10)["test"]
    alone, counts = calls
    assert alone == own | {"strategy": "all"}
    assert counts == runs.WITH_REVIEWS | {"seed": 1, "C": 10}
    assert (found.logits.argmax(1) == labels).all()  # TF-IDF is surer
    assert found.logits.sum(1) == pytest.approx(1)
    calls.clear()
    runs.ensemble("three MiniLMs", seed=1, learning_rate=5e-5)
    assert [one["intermediate"] for one in calls] == list(runs.INTERMEDIATE)


def test_the_gain_of_an_ensemble_is_paired_by_sentence(toy, monkeypatch):
    fake(monkeypatch)
    own = {"learning_rate": 5e-5, "intermediate": "last passages", "C": 10}
    found = runs.ensemble_gain("MiniLM", "MiniLM and TF-IDF", **own)["test"]
    wrong = [1] * 2 + [2 / 3] * 2 + [1 / 3] * 2 + [0] * 8
    assert found["accuracy gain"] == pytest.approx(metrics.paired(wrong, [0] * 14))


def test_sentences_and_passages_weigh_alike_in_tfidf(toy, monkeypatch):
    given = []

    class Classifier:
        def fit(self, texts, labels, logisticregression__sample_weight):
            given.append((texts, labels, logisticregression__sample_weight))

        def predict_proba(self, texts):
            return np.full((len(texts), 2), 0.5)

    monkeypatch.setattr(runs.baselines, "tfidf", lambda C: Classifier())
    runs.tfidf("", 20, 0, C=1, intermediate="last passages")
    runs.tfidf("", 20, 0, C=1)
    (texts, labels, weights), (alone, _, none) = given
    assert (texts[8:], labels[8:]) == (toy["train"]["text"], toy["train"]["label"])
    assert alone == toy["train"]["text"][:]
    assert sum(weights[:8]) == pytest.approx(sum(weights[8:]))
    assert none is None


def test_intermediate_fine_tuning_meets_no_sentence_we_evaluate_on(toy, monkeypatch):
    sentence = " ".join(f"word{i}" for i in range(20))
    one = Dataset.from_dict({"text": [sentence]})
    held_out = {"validation": one, "test": one}
    texts = [f"Before. {sentence} After.", "film " * 60 + "end"]
    imdb = {"train": Dataset.from_dict({"text": texts, "label": [0, 1]})}
    monkeypatch.setattr(strategies, "sentences", lambda: held_out)
    monkeypatch.setattr(runs.corpora, "imdb", lambda: imdb)
    assert runs.reviews()["text"][:] == texts[1:]


@pytest.mark.parametrize("intermediate", runs.INTERMEDIATE)
def test_intermediate_fine_tuning_reads_what_its_name_says(
    intermediate, toy, steps, monkeypatch
):
    words = " ".join(f"{word} plot" for word in runs.np.tile(["dull", "film"], 100))
    data = Dataset.from_dict({"text": [f"{words} great"], "label": [1]})
    monkeypatch.setattr(runs, "reviews", lambda: data)
    weights = runs.intermediate_weights(intermediate, "float32")
    ids = [row for step in steps for row in step["ids"]]
    tokenizer = strategies.tokenizer()
    ends = [tokenizer.decode(row, skip_special_tokens=True)[-5:] for row in ids]
    assert "great" in ends
    assert len(ids) == (4 if intermediate == "last passages" else 1)
    if len(ids) == 1:
        assert len(ids[0]) == int(intermediate.split()[1])
    same = steps[-1]["model"].state_dict()
    assert all(torch.equal(weights[name], same[name]) for name in same)
    again = strategies.new_classifier(5, weights=weights).state_dict()
    assert all(torch.equal(weights[name], again[name]) for name in again)


def test_passages_are_cut_from_the_end_and_keep_the_label():
    words = [str(i) for i in range(45 * 5)]
    short, long = " ".join(words[:10]), " ".join(words)
    middle = " ".join(words[: 45 + 10])
    cut = runs.passages(
        Dataset.from_dict({"text": [short, long, middle], "label": [0, 1, 0]})
    )
    assert cut["label"][:] == [0, 1, 1, 1, 1, 0]
    assert cut["text"][0] == short
    assert [text.split()[0] for text in cut["text"][1:5]] == ["180", "135", "90", "45"]
    assert cut["text"][5] == " ".join(words[10 : 45 + 10])
