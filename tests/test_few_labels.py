"""Candidates get the same sentences, settings chosen on others, and twins are twins."""

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from helpers import corpora, encoders, few_labels


@pytest.fixture(scope="module")
def sentences():
    return corpora.rotten_tomatoes()


def test_every_score_comes_after_those_that_chose_its_settings():
    names = list(few_labels.experiments())
    assert len(names) == len(set(names))
    for kind in (*few_labels.SMALL, *few_labels.MINILM):
        for size in few_labels.MINILM_EPOCHS:
            tuned = f"{kind}_{size}_" if kind in few_labels.SMALL else f"{kind}_tuned_"
            first = next(i for i, name in enumerate(names) if name.startswith(tuned))
            chosen = [i for i, n in enumerate(names) if n.startswith(f"choose_{kind}")]
            assert min(chosen) < first
    adapting = [i for i, name in enumerate(names) if "adapting" in name]
    assert max(adapting) < names.index("adapted_frozen_100_0")


def test_the_best_rate_is_that_of_the_best_validation_score():
    scores = {
        "choose_scratch_100_0.0001": 0.5,
        "choose_scratch_100_0.0003": 0.7,
        "choose_scratch_1000_0.001": 0.9,
        "choose_pretrained_100_0.001": 0.8,
        "scratch_100_0": 0.99,
    }
    assert few_labels.best_rate(scores, "scratch", 100) == 3e-4
    assert few_labels.best_rate(scores, "pretrained", 100) == 1e-3


def test_a_draw_depends_on_its_seed_and_comes_from_training(sentences):
    one, same = (few_labels.draw(100, 1)["text"][:] for _ in range(2))
    other = few_labels.draw(100, 2)["text"][:]
    assert one == same
    assert one != other
    assert len(set(one)) == 100
    assert set(one) <= set(sentences["train"]["text"][:])


@pytest.fixture
def recorded(monkeypatch, sentences):
    """Let training do nothing but note what it was given."""
    seen = []

    def classifier(model, tokenizer, data, **options):
        seen.append((model, options | {"texts": data["text"][:]}))

    def predictions(trainer, data, tokenizer):
        seen[-1][1]["unseen"] = data["text"][:]
        return torch.zeros(len(data)).numpy()

    monkeypatch.setattr(few_labels.training, "classifier", classifier)
    monkeypatch.setattr(few_labels.training, "predictions", predictions)
    return seen


def test_the_twin_differs_in_its_weights_alone(recorded, sentences):
    scores = {f"choose_{kind}_100_0.0003": 0.6 for kind in few_labels.SMALL}
    shares = [few_labels.fine_tuned(k, 100, 4, scores) for k in few_labels.SMALL]
    (read, given), (unread, same) = recorded
    assert given == same
    assert given["rate"] == 3e-4
    assert given["texts"] == few_labels.draw(100, 4)["text"][:]
    assert given["unseen"] == sentences["test"]["text"][:]
    assert read.config.to_dict() == unread.config.to_dict()
    ours, theirs = read.state_dict(), unread.state_dict()
    assert {k: v.shape for k, v in ours.items()} == {
        k: v.shape for k, v in theirs.items()
    }
    weight = "bert.encoder.layer.0.output.dense.weight"
    published = AutoModel.from_pretrained(
        encoders.source("course-bert"), dtype=torch.float32
    ).state_dict()
    assert torch.equal(ours[weight], published[weight.removeprefix("bert.")])
    assert not torch.equal(ours[weight], theirs[weight])
    negative = [label == 0 for label in sentences["test"]["label"]]
    assert shares == [pytest.approx(sum(negative) / len(negative))] * 2


def test_settings_are_chosen_on_other_sentences_than_those_of_the_test(
    recorded, sentences
):
    few_labels.fine_tuned("scratch", 100, 0, {}, rate=1e-3)
    ((_, given),) = recorded
    assert given["rate"] == 1e-3
    assert given["unseen"] == sentences["validation"]["text"][:]


@pytest.mark.usefixtures("one_thread")
def test_minilm_reads_on_once_and_keeps_its_form(tmp_path, monkeypatch, documents):
    monkeypatch.setattr(few_labels, "ADAPTED", tmp_path)
    monkeypatch.setattr(few_labels, "HEAD_STEPS", 1)
    monkeypatch.setattr(few_labels, "STEPS", 2)
    monkeypatch.setattr(few_labels, "ROWS", 2)
    read = {"train": {"text": documents}}
    monkeypatch.setattr(few_labels.corpora, "unlabelled", lambda: read)
    monkeypatch.setattr(few_labels.recipes, "precision", lambda: "float32")
    folder = few_labels.adapted(1e-4)
    assert folder.name == "adapted_0.0001"
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    before, _ = encoders.load_text("minilm")
    after = AutoModel.from_pretrained(folder, dtype=torch.float32)
    moved = {
        name: not torch.equal(weight, before.state_dict()[name])
        for name, weight in after.state_dict().items()
    }
    assert moved["encoder.layer.0.output.dense.weight"]
    tokenizers = [
        AutoTokenizer.from_pretrained(path)
        for path in (folder, encoders.source("minilm"))
    ]
    assert (
        tokenizers[0]("film ##s")["input_ids"] == tokenizers[1]("film ##s")["input_ids"]
    )
    monkeypatch.setattr(few_labels, "_read_on", None)  # a call would fail
    assert few_labels.adapted(1e-4) == folder


def test_the_head_learns_alone_first(tmp_path, monkeypatch, documents):
    monkeypatch.setattr(few_labels, "ADAPTED", tmp_path)
    read = {"train": {"text": documents}}
    monkeypatch.setattr(few_labels.corpora, "unlabelled", lambda: read)
    trained = []

    def watch(model, tokenizer, batches, rate):
        free = {name for name, p in model.named_parameters() if p.requires_grad}
        trained.append((rate, any(name.startswith("bert.") for name in free)))

    monkeypatch.setattr(few_labels, "_read_on", watch)
    few_labels.adapted(5e-5)
    assert trained == [(few_labels.HEAD_RATE, False), (5e-5, True)]
