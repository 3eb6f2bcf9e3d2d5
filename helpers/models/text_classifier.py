"""Label texts with a fine-tuned classifier that was saved to a folder."""

import copy
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import AutoModelForSequenceClassification

from helpers.data.files import listing
from helpers.data.splits import CorpusWarning
from helpers.models import checkpoints, encoders
from helpers.models.tokenizers import TruncationWarning

LONGEST = 20_000  # characters that are looked at: far more than a model reads
SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which no file can hold


class PredictorError(ValueError):
    """A model or a text cannot be used; the message says why and what to do."""


def save(folder: Path, model, tokenizer, names: list[str], max_length: int = 64):
    """Save a classifier with its tokenizer and the names of its classes.

    The weights go into a safetensors file, not a pickle: loading it runs no code. Of a
    model with adapters (peft) a merged copy is saved. `max_length`, at which texts were
    cut in training, is saved with the tokenizer. Raises ValueError when the model is no
    classifier of texts into one of the classes that `names` names.
    """
    if hasattr(model, "merge_and_unload"):
        model = copy.deepcopy(model).merge_and_unload()
    if flaw := _flaw_of_classifier(model, names):
        raise ValueError(f"The model cannot be saved as a classifier: {flaw}.")
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: number for number, name in enumerate(names)}
    model.save_pretrained(folder)
    limited = copy.deepcopy(tokenizer)
    limited.model_max_length = max_length
    limited.save_pretrained(folder)


def _flaw_of_classifier(model, names: list[str]) -> str:
    """Return why a model does not choose one of some named classes, or nothing."""
    kind, config = type(model).__name__, model.config
    if not kind.endswith("ForSequenceClassification"):
        return f"a {kind} is no model for sequence classification"
    if config.num_labels < 2:
        return "it has one output, which is regression or a single class"
    if config.problem_type not in (None, "single_label_classification"):
        return f"its problem_type is {config.problem_type}: no probabilities of classes"
    if not len(names) == len({*names}) == config.num_labels:
        called = f"its {config.num_labels} classes are called {listing(names, 5)}"
        return f"{called}, and each needs a name of its own"
    return ""


class Predictor:
    """A classifier from a folder that `save` filled; call it with texts.

    Raises PredictorError when its files are missing, damaged or of another model.
    """

    def __init__(self, folder: Path, device=None):
        if not (Path(folder) / "config.json").is_file():
            raise PredictorError(
                f"There is no saved model in {folder}: check the path."
            )
        kind = AutoModelForSequenceClassification
        options = {"attn_implementation": "eager"}  # as in training: equal to the bit
        try:
            loaded = checkpoints.load(kind, str(folder), device, **options)
        except checkpoints.CheckpointError as error:
            raise PredictorError(str(error)) from error
        self.model, self.tokenizer = loaded
        self.names = [name for _, name in sorted(self.model.config.id2label.items())]
        if flaw := _flaw_of_classifier(self.model, self.names):
            raise PredictorError(f"The model in {folder} is no classifier: {flaw}.")
        self.max_length = min(  # a tokenizer that was never told its limit has 1e30
            self.tokenizer.model_max_length, self.model.config.max_position_embeddings
        )

    def __call__(self, texts: list[str], *, on_bad_rows: str = "raise") -> pd.DataFrame:
        """Return a table of label and probabilities, [n texts, 1 + classes].

        The index is the number of the text in the list, from 0. Raises PredictorError
        for anything but a list of texts; with `on_bad_rows="skip"` items that are no
        text, or blank, or hold a lone surrogate, have no row instead, and a
        CorpusWarning says which, as it does for texts that are cut at `max_length`.
        """
        good = _usable(texts, on_bad_rows)
        logits = torch.empty(0, len(self.names))
        if good:
            self._tell_cut(good)
            read = self.model, self.tokenizer, good.values(), self.max_length
            with warnings.catch_warnings(action="ignore", category=TruncationWarning):
                logits = encoders.logits(*read)
        if logits.isnan().any():
            raise PredictorError("The model gives NaN, no numbers: train it anew.")
        index = pd.Index(good, dtype=int)
        table = pd.DataFrame(logits.softmax(-1).numpy(), index, self.names)
        labels = table.idxmax(axis=1)
        own = "p(label)"  # of a class that has the name of the first column
        while own in self.names:
            own = f"p({own})"
        table = table.rename(columns={"label": own})
        table.insert(0, "label", labels)
        return table

    def _tell_cut(self, texts: dict[int, str]) -> None:
        """Warn of texts that are longer than what the model reads."""
        options = {"truncation": True, "max_length": self.max_length + 1}
        ids = self.tokenizer([*texts.values()], **options)["input_ids"]
        cut = [
            str(number)
            for (number, text), tokens in zip(texts.items(), ids, strict=True)
            if len(text) > LONGEST or len(tokens) > self.max_length
        ]
        if cut:
            warnings.warn(
                f"The list: {len(cut)} of {len(texts)} texts are cut at the model's "
                f"limit of {self.max_length} tokens (items {listing(cut, 5)}, counted "
                "from 0): split them if their ends matter.",
                CorpusWarning,
                stacklevel=3,
            )


def _usable(texts, on_bad_rows: str) -> dict[int, str]:
    """Return the texts of a list by their numbers; refuse bad ones, or warn of them."""
    if on_bad_rows not in ("raise", "skip"):
        raise PredictorError(f'on_bad_rows is "raise" or "skip", not {on_bad_rows!r}.')
    others = str | bytes | dict | pd.DataFrame
    if isinstance(texts, others) or not np.iterable(texts):
        raise PredictorError(
            f"The predictor takes a list of texts, but was given {_quoted(texts)}, of "
            f"type {type(texts).__name__}: put texts, also one alone, into brackets."
        )
    items = dict(enumerate(texts))
    bad = {number: flaw for number, item in items.items() if (flaw := _flaw(item))}
    if bad:
        reasons = listing([f"item {n}: {flaw}" for n, flaw in bad.items()], 5, "; ")
        plural = "s" * (len(bad) > 1)
        listed = f"{len(bad)} bad item{plural} (counted from 0, {reasons})"
        if on_bad_rows == "raise":
            raise PredictorError(
                f"The list has {listed}: mend them, or leave them out with "
                'on_bad_rows="skip".'
            )
        warnings.warn(f"The list: left out {listed}.", CorpusWarning, stacklevel=3)
    return {n: text[: LONGEST + 1] for n, text in items.items() if n not in bad}


def _flaw(item) -> str:
    """Return why an item of the list cannot be used, or nothing."""
    if not isinstance(item, str):
        return f"not a text but {_quoted(item)}"
    if not item[:LONGEST].strip():
        return f"no text in {_quoted(item)}"
    if broken := SURROGATE.search(item):
        return f"a lone surrogate {broken[0]!r} in {_quoted(item)}"
    return ""


def _quoted(item) -> str:
    """Return an item as Python writes it, on one line and not too long."""
    shown = " ".join(repr(item).splitlines())
    return shown if len(shown) <= 40 else shown[:39] + "…"
