"""A toy BERT and twenty sentences in place of the course's models and data."""

import pytest
import torch
from datasets import Dataset, DatasetDict
from transformers import BertConfig, BertForMaskedLM, Trainer

from helpers import course, hardware, paths
from helpers.data import corpora
from helpers.models import encoders, tokenizers
from helpers.training import fine_tuning, strategies

SIZES = {"train": 20, "validation": 10, "test": 14}
WORDS = ("great", "terrible", "a", "film", "plot", "dull", "lovely", "warm", "cold")


def sentences(start: int, size: int) -> Dataset:
    """Texts of 3 to 11 words, all different; every third is positive."""
    texts = [
        " ".join([WORDS[i % 9], *(WORDS[(i + j * j) % 9] for j in range(2 + i % 9))])
        for i in range(start, start + size)
    ]
    texts = [f"{text} number {i}" for i, text in enumerate(texts, start)]
    labels = [int(i % 3 == 0) for i in range(size)]
    return Dataset.from_dict({"text": texts, "label": labels}, corpora.FEATURES)


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory):
    """A randomly initialised BERT of two layers, with its tokenizer."""
    folder = tmp_path_factory.mktemp("toy")
    texts = [f"{text} . a [MASK]" for text in sentences(0, 44)["text"]]
    tokenizer = tokenizers.wordpiece(texts * 5, 120)
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    shape |= {"intermediate_size": 16, "vocab_size": len(tokenizer)}
    model = BertForMaskedLM(BertConfig(**shape, max_position_embeddings=128))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def toy(monkeypatch, toy_folder, tmp_path, one_thread):
    """Let models, sentences and caches be toys; return the sentences by split."""
    starts = (0, 20, 30)
    splits = DatasetDict(
        {n: sentences(s, SIZES[n]) for n, s in zip(SIZES, starts, strict=True)}
    )
    tokenizer = strategies.AutoTokenizer.from_pretrained(toy_folder)
    monkeypatch.setattr(encoders, "locate", lambda name: toy_folder)
    monkeypatch.setattr(strategies, "sentences", lambda: splits)
    monkeypatch.setattr(strategies, "tokenizer", lambda: tokenizer)
    monkeypatch.setattr(corpora, "imdb", lambda: {"train": sentences(100, 8)})
    monkeypatch.setattr(paths, "CACHED_EXPERIMENTS", tmp_path)
    monkeypatch.setattr(course, "set_up_libraries", lambda: None)
    monkeypatch.setattr(hardware, "bf16_is_faster", lambda *_: False)
    monkeypatch.setattr(hardware, "keep_freed_memory", lambda: None)
    return splits


@pytest.fixture
def steps(monkeypatch):
    """Note of each training step what a Trainer does in it."""
    seen = []

    class Watched(Trainer):
        def training_step(self, model, inputs, *others):
            groups = self.optimizer.param_groups
            trained = {n for n, p in model.named_parameters() if p.requires_grad}
            seen.append(
                {
                    "shape": tuple(inputs["input_ids"].shape),
                    "learning_rates": [group["lr"] for group in groups],
                    "weight_decays": {group["weight_decay"] for group in groups},
                    "trained": trained,
                    "ids": inputs["input_ids"],
                    "model": model,
                }
            )
            return super().training_step(model, inputs, *others)

    monkeypatch.setattr(fine_tuning, "Trainer", Watched)
    return seen
