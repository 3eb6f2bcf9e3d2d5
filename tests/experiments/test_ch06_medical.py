"""The sweep of chapter 6 on a toy: what is tuned, tested, subsampled and kept."""

from collections import Counter

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Image, Value
from PIL import Image as Pillow
from sklearn.metrics import roc_auc_score
from transformers import Dinov2Config, Dinov2Model

from helpers import metrics, paths
from helpers.data import medmnist
from helpers.experiments import ch06_medical as runs
from helpers.experiments import ch06_segmentation, diagnoses, records, runner
from helpers.models import encoders
from helpers.training import image_strategies, outlining

SECONDS = {"LoRA": 0.084, runs.FULL: 0.097, runs.LAST: 0.042}  # of an image in training
SECONDS |= {runs.SCRATCH: 0.103, runs.CNN: 0.01}  # on one thread of two, in bfloat16
SECONDS |= {outlining.LINEAR: 0.02, outlining.FROZEN: 0.03, outlining.LORA: 0.055}
SECONDS |= {outlining.FULL: 0.072, outlining.ALONE: 0.014}  # on one thread, alone
PREDICTION = 0.027
IMAGES = 546  # of BreastMNIST
HOURS = 5  # of two threads


class Known:
    """A record in which the value to begin with has won wherever it was tried."""

    precision = "bfloat16"

    def best(self, name, settings):
        if settings["experiment"] == "segmentation":
            return ch06_segmentation.STARTS[settings["strategy"]]
        return runs.plan(settings)[-1]


@pytest.fixture(scope="module")
def declared() -> list[dict]:
    """The settings of all rows, where the first values win."""
    return [settings for _, settings in runs.experiments(Known())]


def shown(rows: list[dict], **wanted) -> list[dict]:
    return [row for row in rows if wanted.items() <= row.items()]


def test_the_published_record_holds_nothing_that_is_not_declared():
    record = records.Record(paths.RESULTS / "06_experiments.csv")
    known = {records.key(settings) for _, settings in runs.experiments(record)}
    rows = record.rows.query("experiment != 'precision'")
    assert set(records.keys(rows)) <= known
    assert record.rows["error"].isna().all()


def test_no_row_is_declared_twice(declared):
    assert max(Counter(map(records.key, declared)).values()) == 1


@pytest.mark.parametrize("data", [runs.BREAST, runs.LESIONS])
def test_each_strategy_has_neighbours_three_seeds_and_three_metrics(declared, data):
    experiment = {runs.BREAST: "benchmark", runs.LESIONS: "strategies"}[data]
    rows = shown(declared, experiment=experiment, data=data)
    strategies = {*runs.CLASSICAL, *runs.STARTS}
    assert {row["strategy"] for row in rows} == strategies | {runs.MAJORITY}
    for strategy in strategies:
        own = shown(rows, strategy=strategy)
        tried = shown(own, split="validation")
        assert len(tried) == 3
        assert {row["metric"] for row in tried} == {"AUC"}
        seeds = 1 if strategy in runs.CLASSICAL else 3
        tested = Counter(row["metric"] for row in shown(own, split="test"))
        assert tested == dict.fromkeys(diagnoses.METRICS, seeds)


def test_curves_have_all_sizes_and_as_many_steps_as_are_worth_it(declared):
    rows = shown(declared, experiment="learning curves", metric="AUC", split="test")
    for strategy in runs.CURVES:
        own = shown(rows, strategy=strategy)
        whole = 1 if strategy in runs.CLASSICAL else 3
        sizes = Counter(row["subjects"] for row in own)
        assert sizes == {12: 3, 48: 3, 192: whole}
        if strategy in runs.EPOCHS:
            epochs = {row["subjects"]: row["epochs"] for row in own}
            steps = [size * epochs[size] for size in sorted(epochs)]
            assert steps == sorted(steps)


def test_augmentations_and_difficulties_are_complete(declared):
    rows = shown(declared, experiment="augmentation", metric="AUC")
    found = Counter(row["augmentation"] for row in rows)
    assert found == dict.fromkeys(image_strategies.AUGMENTATIONS, 3)
    assert {(row["subjects"], row["epochs"]) for row in rows} == {(48, 12)}
    rows = shown(declared, experiment="difficulty", metric="AUC", split="test")
    found = {(row["strategy"], row["difficulty"]) for row in rows}
    assert len(rows) == len(found) == 4 * 4


def test_from_scratch_is_trained_longer_too(declared):
    rows = shown(declared, experiment="longer", metric="AUC")
    assert [(row["strategy"], row["epochs"]) for row in rows] == [(runs.SCRATCH, 24)]


def test_the_sweep_is_affordable_and_begins_with_what_matters(declared):
    names = [*records.NAMES, "metric"]
    done, at, total = set(), {}, 0.0
    for row in declared:
        run = records.key({k: v for k, v in row.items() if k not in names})
        if row["strategy"] in SECONDS and run not in done:
            images = 4 * row["subjects"] if "subjects" in row else IMAGES
            held_out = 12 * 96 if "subjects" in row else 234
            total += SECONDS[row["strategy"]] * images * row["epochs"]
            total += PREDICTION * held_out
        done.add(run)
        at[row["experiment"], row.get("data"), row["strategy"]] = total / 3600 / 2
    assert at["benchmark", runs.BREAST, "LoRA"] < 1
    assert at["strategies", runs.LESIONS, "LoRA"] < 1.5
    assert 3 < total / 3600 / 2 < HOURS


def toy_split(start: int, subjects: int, slices: int = 2) -> Dataset:
    """Subjects of which every second one is malignant, and brighter."""
    rng = np.random.default_rng(start)
    rows = []
    for subject in range(start, start + subjects):
        for _ in range(slices):
            grey = rng.integers(0, 160, (28, 28)) + 90 * (subject % 2)
            rows.append(
                {
                    "image": Pillow.fromarray(grey.astype(np.uint8)),
                    "label": subject % 2,
                    "subject": subject,
                }
            )
    label = ClassLabel(names=["not malignant", "malignant"])
    features = {"image": Image(), "label": label, "subject": Value("int64")}
    return Dataset.from_list(rows, Features(features))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A randomly initialised DINOv2 of two layers."""
    place = tmp_path_factory.mktemp("dinov2")
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = Dinov2Config(**shape, mlp_ratio=1, image_size=98, patch_size=14)
    Dinov2Model(config).save_pretrained(place)
    return str(place)


@pytest.fixture
def no_outlines(monkeypatch):
    """Leave out what test_ch06_segmentation.py tests; it would train in earnest."""
    monkeypatch.setattr(ch06_segmentation, "experiments", lambda record: ())


@pytest.fixture
def toy_images(toy, monkeypatch, folder):
    """Let the model and all images be toys; ALL are 12 subjects."""
    found = {
        "train": toy_split(0, 12),
        "validation": toy_split(100, 8),
        "test": toy_split(200, 10),
    }
    breast = {}
    for name, rows in found.items():  # there, 0 is malignant
        labels = [1 - label for label in rows["label"]]
        columns = {"image": rows["image"][:], "label": labels}
        breast[name] = Dataset.from_dict(columns)
    by_name = {runs.BREAST: breast, runs.LESIONS: found}
    monkeypatch.setattr(encoders, "locate", lambda name: folder)
    monkeypatch.setattr(runs, "splits", lambda data, difficulty=None: by_name[data])
    monkeypatch.setattr(runs, "ALL", 12)
    return by_name


def test_every_experiment_runs_on_a_toy(toy_images, no_outlines, monkeypatch, tmp_path):
    few = {name: runs.CLASSICAL[name] for name in (runs.HOG, runs.FROZEN)}
    monkeypatch.setattr(runs, "CLASSICAL", few)
    monkeypatch.setattr(runs, "METRICS", diagnoses.METRICS[:2])
    monkeypatch.setattr(runs, "CURVES", (runs.FROZEN, "LoRA"))
    monkeypatch.setattr(runs, "HARDER", (runs.HOG, "LoRA"))
    monkeypatch.setattr(runs, "SMALLER", {4: 2})
    monkeypatch.setattr(runs, "AUGMENTED", 4)
    monkeypatch.setattr(runs, "DIFFICULTIES", (0.9,))
    monkeypatch.setattr(runs, "STEADY", (1e-3, 1e-2))
    monkeypatch.setattr(runs, "LONGER", 2)
    monkeypatch.setattr(runs, "TURNED", runs.TURNED | {"epochs": 1})
    monkeypatch.setattr(runs, "EPOCHS", dict.fromkeys(runs.EPOCHS, 1))
    monkeypatch.setattr(runs, "SEEDS", range(1))
    monkeypatch.setattr(runs, "LEARNING_RATES", (1e-3,))
    monkeypatch.setattr(runs, "STARTS", dict.fromkeys(runs.STARTS, 1e-3))
    monkeypatch.setattr(runs, "DECADES", (0.01, 1))
    monkeypatch.setattr(runs, "timed", lambda work: (work(), 2.0))
    monkeypatch.setattr(metrics, "RESAMPLES", 20)
    rows = records.read(runner.run("06", tmp_path))
    assert rows["error"].isna().all(), rows["error"].dropna().unique()
    assert set(rows["experiment"]) == {
        "precision",
        "benchmark",
        "strategies",
        "learning curves",
        "augmentation",
        "difficulty",
        "seeds",
        "augmented benchmark",
        "longer",
    }
    record = records.Record(tmp_path / "06_experiments.csv")
    wanted = [records.key(settings) for _, settings in runs.experiments(record)]
    assert set(wanted) < set(records.keys(rows))
    kept = record.predictions()
    tested = rows.query("split == 'test' and metric == 'AUC'")
    assert len(kept) == len(tested)
    found = [roc_auc_score(r["label"], r["score"]) for _, r in kept.iterrows()]
    assert found == pytest.approx(tested["value"].tolist())
    breast = kept["data"] == runs.BREAST
    assert kept.loc[breast, "subject"].isna().all()
    assert [*kept.loc[~breast, "subject"].iloc[0]] == [*np.repeat(range(200, 210), 2)]


def test_fewer_subjects_come_whole_with_both_classes_and_depend_on_the_seed(
    toy_images,
):
    one, same, other = (
        runs.read(runs.LESIONS, 0.5, 6, seed)[0].to_pandas()[["subject", "label"]]
        for seed in (0, 0, 1)
    )
    assert one.equals(same)
    assert set(one["subject"]) != set(other["subject"])
    for each in (one, other):
        assert (each["subject"].value_counts() == 2).all()
        assert each.groupby("label")["subject"].nunique().tolist() == [3, 3]
    rows, held_out, positive = runs.read(runs.LESIONS, 0.5, 12, 0)
    assert rows["subject"][:] == toy_images[runs.LESIONS]["train"]["subject"][:]
    assert list(held_out) == ["validation", "test"]
    assert positive == 1


@pytest.mark.parametrize("data", [runs.BREAST, runs.LESIONS])
@pytest.mark.parametrize("strategy", [runs.PIXELS, runs.HOG, "small CNN"])
def test_scores_are_high_where_the_disease_is(data, strategy, toy_images):
    """Malignant is brighter, whatever its label is."""
    if strategy == "small CNN":
        options = {"learning_rate": 1e-2, "epochs": 8, "batch_size": 4}
        options |= {"precision": "float32", "augmentation": "none"}
        found = runs.fine_tuned(strategy, data, 0, **options)["test"]
    else:
        found = runs.classical(strategy, data, 0, C=1.0)["test"]
    disease = np.arange(20) // 2 % 2 == 1
    assert (found.labels == disease).all()
    if strategy != runs.HOG:  # edges do not tell how bright a picture is
        assert found.score("AUC").value > 0.9
        assert found.score("accuracy").value > 0.7


def test_the_majority_is_no_diagnosis(toy_images):
    found = runs.classical(runs.MAJORITY, runs.LESIONS, 0, 0.5, 12)["test"]
    assert found.score("AUC")[:3] == (0.5, 0.5, 0.5)
    assert found.score("accuracy").value == 0.5
    assert found.score(diagnoses.SENSITIVITY).value == 0


def test_a_misspelt_strategy_is_no_majority(toy_images):
    with pytest.raises(KeyError):
        runs.classical("HOG", runs.LESIONS, 0, C=1.0)


def test_a_set_that_is_not_there_is_a_failure_and_the_others_go_on(
    toy, no_outlines, monkeypatch, tmp_path
):
    def gone(data, difficulty=None):
        raise medmnist.MedmnistError("no intact file of breastmnist")

    monkeypatch.setattr(runs, "splits", gone)
    monkeypatch.setattr(runs, "FIRST", ())
    monkeypatch.setattr(runs, "LATER", ())
    monkeypatch.setattr(runs, "AGAIN", ())
    monkeypatch.setattr(runs, "DECADES", (0.01, 1))
    rows = records.read(runner.run("06", tmp_path)).iloc[1:]
    assert set(rows["error"]) == {"no intact file of breastmnist"}
    assert set(rows["experiment"]) == {"benchmark", "strategies"}
    tested = rows.query("split == 'test'")["strategy"]
    assert set(tested) == {runs.MAJORITY}  # nothing was chosen for the others


def test_the_threshold_is_chosen_on_validation():
    labels = np.array([0] * 10 + [1] * 4)
    scores = {"validation": np.arange(14.0), "test": np.arange(14.0) - 2}
    rows = Dataset.from_dict({"image": [*range(14)], "label": labels})
    found = diagnoses.diagnoses(
        lambda images: scores["validation" if images[0] == 0 else "test"],
        {"validation": rows, "test": rows.map(lambda row: {"image": row["image"] + 1})},
        positive=1,
    )
    assert {each.threshold for each in found.values()} == {8}
    sensitivity = found["test"].score(diagnoses.SENSITIVITY)
    assert sensitivity == metrics.proportion(3, 4)  # 8, 9, 10 and 11 against 8


def test_intervals_are_over_subjects_where_they_are_known():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(20) % 2 == 1, 4)
    scores = np.repeat(rng.normal(size=20), 4) + labels - 0.5
    subjects = np.repeat(range(20), 4)
    known = diagnoses.Diagnoses(scores, labels, subjects, 0.0)
    unknown = known._replace(subjects=None)
    for metric in diagnoses.METRICS:
        one, other = known.score(metric), unknown.score(metric)
        assert one.value == pytest.approx(other.value)
        assert one.high - one.low > 1.4 * (other.high - other.low)
    assert list(known.predicted("AUC")) == ["score", "label", "subject"]
    assert list(unknown.predicted("AUC")) == ["score", "label"]
    assert known.predicted("accuracy") == {}
    with pytest.raises(FloatingPointError):
        known._replace(scores=scores * np.nan).score("AUC")
