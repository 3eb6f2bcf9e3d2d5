"""Candidates get the same sentences, settings chosen on others, and twins are twins."""

from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from helpers import paths
from helpers.data import corpora
from helpers.experiments import ch05_mlm_pretraining
from helpers.models import encoders, language_models, prompt_classifier, tokenizers


def few_rows(texts):
    """Rows of MiniLM's pieces: int64 [rows, 32]."""
    tokenizer = AutoTokenizer.from_pretrained(encoders.locate("minilm"))
    return tokenizers.pack(texts[:40], tokenizer, 32)


@pytest.fixture(scope="module")
def sentences():
    return corpora.rotten_tomatoes()


def test_every_score_comes_after_those_that_chose_its_settings():
    names = list(ch05_mlm_pretraining.experiments())
    tuned = [n for n in names if n[-2] == "_" and ("_hole_" in n or "_head_" in n)]
    assert len(tuned) == 3 * (2 * 2 * 3 + 2 * 2)  # seeds; small and large, by labels
    for name in tuned:
        begin = f"choose_{name[:-2]}_"
        chosen = [i for i, other in enumerate(names) if other.startswith(begin)]
        assert len(chosen) > 1
        assert max(chosen) < names.index(name)
    adapting = [i for i, name in enumerate(names) if "adapting" in name]
    assert max(adapting) < names.index("adapted_frozen_100_0")


def test_the_best_rate_is_that_of_the_best_validation_score():
    scores = {
        "choose_scratch_head_100_0.0001": 0.5,
        "choose_scratch_head_100_0.0003": 0.7,
        "choose_scratch_head_1000_0.001": 0.9,
        "choose_scratch_hole_100_0.001": 0.9,
        "choose_pretrained_head_100_0.001": 0.8,
        "scratch_head_100_0": 0.99,
    }
    assert (
        ch05_mlm_pretraining.best_learning_rate(scores, "scratch", "head", 100) == 3e-4
    )
    assert (
        ch05_mlm_pretraining.best_learning_rate(scores, "pretrained", "head", 100)
        == 1e-3
    )


def test_a_draw_depends_on_its_seed_and_comes_from_training(sentences):
    one, same = (ch05_mlm_pretraining.subset(100, 1)["text"][:] for _ in range(2))
    other = ch05_mlm_pretraining.subset(100, 2)["text"][:]
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
        return SimpleNamespace(model=model)

    def logits(model, tokenizer, texts):
        seen[-1][1]["unseen"] = texts[:]
        return torch.tensor([[1.0, 0.0]]).expand(len(texts), 2)

    monkeypatch.setattr(ch05_mlm_pretraining.fine_tuning, "classifier", classifier)
    monkeypatch.setattr(ch05_mlm_pretraining.encoders, "logits", logits)
    return seen


@pytest.mark.parametrize("way", ch05_mlm_pretraining.STRATEGIES)
def test_the_twin_differs_in_its_weights_alone(way, recorded, sentences):
    scores = {f"choose_{k}_{way}_100_0.0003": 0.6 for k in ch05_mlm_pretraining.SMALL}
    shares = [
        ch05_mlm_pretraining.fine_tuned(kind, way, 100, 4, scores)
        for kind in ch05_mlm_pretraining.SMALL
    ]
    (read, given), (unread, same) = recorded
    assert given == same
    assert given["learning_rate"] == 3e-4
    prompt = prompt_classifier.PROMPT if way == "hole" else ""
    drawn = ch05_mlm_pretraining.subset(100, 4)["text"]
    assert given["texts"] == [prompt + text for text in drawn]
    assert given["unseen"] == [prompt + text for text in sentences["test"]["text"]]
    assert read.config.to_dict() == unread.config.to_dict()
    ours, theirs = read.state_dict(), unread.state_dict()
    assert {k: v.shape for k, v in ours.items()} == {
        k: v.shape for k, v in theirs.items()
    }
    weight = "bert.encoder.layer.0.output.dense.weight"
    published = AutoModel.from_pretrained(
        encoders.locate("course-bert"), dtype=torch.float32
    ).state_dict()
    assert torch.equal(ours[weight], published[weight.removeprefix("bert.")])
    assert not torch.equal(ours[weight], theirs[weight])
    negative = [label == 0 for label in sentences["test"]["label"]]
    assert shares == [pytest.approx(sum(negative) / len(negative))] * 2


def test_settings_are_chosen_on_other_sentences_than_those_of_the_test(
    recorded, sentences
):
    ch05_mlm_pretraining.fine_tuned("scratch", "head", 100, 0, {}, learning_rate=1e-3)
    ((_, given),) = recorded
    assert given["learning_rate"] == 1e-3
    assert given["unseen"] == sentences["validation"]["text"][:]


@pytest.mark.usefixtures("one_thread")
def test_minilm_reads_on_once_and_keeps_its_form(tmp_path, monkeypatch, documents):
    monkeypatch.setattr(paths, "CACHED_EXPERIMENTS", tmp_path)
    monkeypatch.setattr(ch05_mlm_pretraining, "HEAD_STEPS", 1)
    monkeypatch.setattr(ch05_mlm_pretraining, "STEPS", 2)
    monkeypatch.setattr(ch05_mlm_pretraining, "ROWS", 2)
    monkeypatch.setattr(
        ch05_mlm_pretraining, "_rows", lambda _: {"train": few_rows(documents)}
    )
    monkeypatch.setattr(ch05_mlm_pretraining.hardware, "precision", lambda: "float32")
    folder = ch05_mlm_pretraining.adapted(1e-4)
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
        for path in (folder, encoders.locate("minilm"))
    ]
    assert (
        tokenizers[0]("film ##s")["input_ids"] == tokenizers[1]("film ##s")["input_ids"]
    )
    monkeypatch.setattr(ch05_mlm_pretraining, "_read_on", None)  # a call would fail
    assert ch05_mlm_pretraining.adapted(1e-4) == folder


def test_the_head_learns_alone_first(tmp_path, monkeypatch, documents):
    monkeypatch.setattr(paths, "CACHED_EXPERIMENTS", tmp_path)
    monkeypatch.setattr(
        ch05_mlm_pretraining, "_rows", lambda _: {"train": few_rows(documents)}
    )
    trained = []

    def watch(model, tokenizer, batches, learning_rate):
        free = {name for name, p in model.named_parameters() if p.requires_grad}
        trained.append((learning_rate, any(name.startswith("bert.") for name in free)))

    monkeypatch.setattr(ch05_mlm_pretraining, "_read_on", watch)
    ch05_mlm_pretraining.adapted(5e-5)
    assert trained == [(ch05_mlm_pretraining.HEAD_LEARNING_RATE, False), (5e-5, True)]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("length", "asked"), ch05_mlm_pretraining.BEGINNINGS)
def test_a_beginning_reads_and_asks_as_it_is_named(length, asked, monkeypatch):
    dice = torch.Generator().manual_seed(0)
    rows = torch.randint(5, 8192, (64, 128), generator=dice)
    monkeypatch.setattr(
        ch05_mlm_pretraining, "_rows", lambda _: {"train": rows, "validation": rows[:4]}
    )
    monkeypatch.setattr(ch05_mlm_pretraining, "BEGINNING", 2)
    monkeypatch.setattr(ch05_mlm_pretraining.hardware, "precision", lambda: "float32")
    seen, loss = [], language_models.loss

    def watched(kind, model, tokenizer, batch, seed, mlm_probability):
        seen.append((tuple(batch.shape), mlm_probability))
        return loss(kind, model, tokenizer, batch, seed, mlm_probability)

    monkeypatch.setattr(language_models, "loss", watched)
    assert 0 <= ch05_mlm_pretraining._beginning(length, asked, {}) < 0.01
    assert seen == [((2048 // length, length), asked)] * 2
