"""A MiniLM that learned from whole film reviews before it meets their sentences."""

from pathlib import Path

import numpy as np
from datasets import Dataset
from transformers import AutoTokenizer

from helpers import hardware, paths
from helpers.data import corpora
from helpers.models import encoders
from helpers.training import fine_tuning, strategies

# what of each review it is shown; most reviews are longer and close with their verdict
SHOWN = {"last 64 pieces": 64, "last 128 pieces": 128, "last 4 parts": None}
PARTS, WORDS = 4, 45  # of a review, and of each part


def train(shown: str) -> Path:
    """Return the folder of MiniLM fine-tuned for an epoch on IMDB; made once.

    `shown` is one of `SHOWN`.
    """
    folder = paths.CACHED_EXPERIMENTS / f"minilm_imdb_{shown.replace(' ', '_')}"
    if not folder.is_dir():
        data, tokenizer = reviews(), strategies.tokenizer()
        if SHOWN[shown]:
            tokenizer = AutoTokenizer.from_pretrained(
                encoders.locate("minilm"), truncation_side="left"
            )
        else:
            data = parts(data)
        trainer = fine_tuning.classifier(
            strategies.new_classifier(0),
            tokenizer,
            data,
            epochs=1,
            learning_rate=1e-4,
            max_length=SHOWN[shown] or 64,
            bf16=hardware.bf16_is_faster(),
        )
        unfinished = folder.with_suffix(".partial")
        trainer.model.save_pretrained(unfinished)
        unfinished.rename(folder)
    return folder


def reviews() -> Dataset:
    """Return the labelled reviews of IMDB that hold no sentence we evaluate on."""
    found, asked = corpora.imdb()["train"], strategies.sentences()
    copied = corpora.copies(
        found["text"], [*asked["validation"]["text"], *asked["test"]["text"]]
    )
    return found.select(np.flatnonzero(~np.array(copied)))


def parts(data: Dataset) -> Dataset:
    """Cut texts from their end into parts of 45 words, each with the label of its text.

    Of each text the last four are kept; a first one of less than half the words is not.
    """
    texts, labels = [], []
    for text, label in zip(data["text"], data["label"], strict=True):
        words = text.split()
        for end in range(len(words), 0, -WORDS)[:PARTS]:
            part = words[max(0, end - WORDS) : end]
            if len(part) >= min(WORDS // 2, len(words)):
                texts.append(" ".join(part))
                labels.append(label)
    return Dataset.from_dict({"text": texts, "label": labels})
