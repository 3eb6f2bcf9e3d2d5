"""Label texts with a fine-tuned classifier that was saved to a folder."""

import copy
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from helpers.data.csv_rows import listing
from helpers.data.splits import CorpusWarning
from helpers.models import checkpoints, encoders
from helpers.models.checkpoints import first_line
from helpers.models.tokenizers import TruncationWarning

LONGEST = 20_000  # characters that are cut into tokens: far more than a model reads
SHOWN = 40  # characters of a bad item in a message
SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which no file can hold


class PredictorError(ValueError):
    """A model or a text cannot be used; the message says why and what to do."""


def save(
    folder: Path, model, tokenizer, names: list[str], max_length: int = 64
) -> None:
    """Save a classifier with its tokenizer and the names of its classes.

    The weights go into a safetensors file, not a pickle: loading it runs no code. Of a
    model with adapters (peft) a merged copy is saved; the one given stays as it is.
    `max_length` is the number of tokens at which texts were cut in training; it is
    saved with the tokenizer, as its `model_max_length`. The one given stays as it is.
    Raises ValueError when the model is no classifier of texts into one of some classes,
    or the names are not one for each class.
    """
    if hasattr(model, "merge_and_unload"):
        model = copy.deepcopy(model).merge_and_unload()
    if not type(model).__name__.endswith("ForSequenceClassification"):
        raise ValueError(
            f"A {type(model).__name__} is no text classifier that can be loaded again: "
            "save a model for sequence classification."
        )
    if reason := _other_problem(model.config):
        raise ValueError(f"The model cannot be saved as a classifier: {reason}.")
    if len(names) != model.config.num_labels:
        raise ValueError(
            f"{len(names)} names for {model.config.num_labels} classes: give one name "
            "for each class, in the order of their numbers."
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"Two classes are called {twice[0]!r}: give each class a name of its own."
        )
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: number for number, name in enumerate(names)}
    model.save_pretrained(folder)
    limited = copy.deepcopy(tokenizer)
    limited.model_max_length = max_length
    limited.save_pretrained(folder)


def _other_problem(config) -> str:
    """Return why a head is not one for choosing one of some classes, or nothing."""
    if config.num_labels < 2:
        return (
            "it has one output, which is regression or a single class, and the "
            "probability of one class is always 1"
        )
    if config.problem_type not in (None, "single_label_classification"):
        return (
            f"its problem_type is {config.problem_type}, so its outputs are no "
            "probabilities that add up to one"
        )
    return ""


class Predictor:
    """A classifier from a folder that `save` filled; call it with texts.

    `device` as in `encoders.load_text`. Raises PredictorError when the folder is
    missing or its files are damaged, incomplete or of another model.
    """

    def __init__(self, folder: Path, device=None):
        if not (Path(folder) / "config.json").is_file():
            raise PredictorError(
                f"There is no saved model in {folder}: name the folder that it was "
                "saved to."
            )
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder)
            self.model, report = AutoModelForSequenceClassification.from_pretrained(
                folder,
                dtype=torch.float32,
                attn_implementation="eager",  # as in training: equal to the last bit
                output_loading_info=True,
            )
        except Exception as error:  # of safetensors, json, transformers: no common base
            raise PredictorError(
                f"The model in {folder} cannot be read ({first_line(error)}): "
                "it is damaged or cut short, so save it again."
            ) from error
        found = checkpoints.misfits(str(folder), self.model, report, self.tokenizer)
        if found:
            raise PredictorError(
                f"The model in {folder} is incomplete, mixed up, or no classifier "
                f"({'; '.join(found)}): save it again."
            )
        if reason := _other_problem(self.model.config):
            raise PredictorError(f"The model in {folder} is no classifier: {reason}.")
        self.names = [name for _, name in sorted(self.model.config.id2label.items())]
        if len({*self.names}) < self.model.config.num_labels:
            raise PredictorError(
                f"The {self.model.config.num_labels} classes of the model in {folder} "
                f"are called {listing(self.names, 5)}: save it again, with one name "
                "for each."
            )
        self.model.to(device)
        self.max_length = min(  # a tokenizer that was never told its limit has 1e30
            self.tokenizer.model_max_length, self.model.config.max_position_embeddings
        )

    def __call__(self, texts: list[str], *, on_bad_rows: str = "raise") -> pd.DataFrame:
        """Return label and probabilities of n texts: a table of n rows, in their order.

        The columns are `label` and one for each class, which add up to one; of a class
        that is called label itself it is `p(label)`. The index is the number of the
        text in the list, from 0. An empty list gives an empty table. Texts longer than
        the model's `max_length` are cut there, and a CorpusWarning says which.

        Bad items are those that are no text, or have none but blanks in their first
        20 000 characters, or hold a lone surrogate. If there are any, PredictorError
        counts them all; with `on_bad_rows="skip"` they have no row, and a CorpusWarning
        says which.

        Raises PredictorError also for anything but a list of texts, and when
        `on_bad_rows` is neither "raise" nor "skip".
        """
        if on_bad_rows not in ("raise", "skip"):
            raise PredictorError(
                f'on_bad_rows is "raise" or "skip", not {on_bad_rows!r}.'
            )
        items = dict(enumerate(_items(texts)))
        flaws = {number: _flaw(item) for number, item in items.items()}
        bad = {number: flaw for number, flaw in flaws.items() if flaw}
        if bad and on_bad_rows == "raise":
            raise PredictorError(
                f"The list has {_listed(bad, 5)}: mend them, or leave them out with "
                'on_bad_rows="skip".'
            )
        good = {number: text for number, text in items.items() if number not in bad}
        notes = [f"left out {_listed(bad, 10)}"] if bad else []
        for note in [*notes, *self._cut(good)]:
            warnings.warn(f"The list: {note}.", CorpusWarning, stacklevel=2)
        return self._table(good)

    def _cut(self, texts: dict[int, str]) -> list[str]:
        """Say which texts are longer than what the model reads."""
        lengths = self._lengths([text[:LONGEST] for text in texts.values()])
        long = [
            str(number)
            for (number, text), length in zip(texts.items(), lengths, strict=True)
            if len(text) > LONGEST or length > self.max_length
        ]
        note = (
            f"cut {_number(long, 'text')} at the model's limit of {self.max_length} "
            f"tokens (counted from 0, item{'s' * (len(long) > 1)} {listing(long, 5)}): "
            "split them into shorter ones if their ends matter"
        )
        return [note] if long else []

    def _lengths(self, texts: list[str]) -> list[int]:
        """Count the tokens of each text, up to one more than the model reads."""
        if not texts:
            return []
        cut = {"truncation": True, "max_length": self.max_length + 1}
        return [len(ids) for ids in self.tokenizer(texts, **cut)["input_ids"]]

    def _table(self, texts: dict[int, str]) -> pd.DataFrame:
        """Return label and probabilities, [texts, 1 + classes]; see `__call__`."""
        probabilities = torch.empty(0, len(self.names))
        if texts:
            read = [text[:LONGEST] for text in texts.values()]
            with warnings.catch_warnings(action="ignore", category=TruncationWarning):
                logits = encoders.logits(
                    self.model, self.tokenizer, read, self.max_length
                )
            probabilities = logits.softmax(-1)
        index = pd.Index([*texts], dtype=int)
        table = pd.DataFrame(probabilities.numpy(), index, _columns(self.names))
        labels = [self.names[number] for number in probabilities.argmax(-1)]
        table.insert(0, "label", pd.Series(labels, index, dtype=str))
        return table


def _columns(names: list[str]) -> list[str]:
    """Return a column for each class; `label` itself is taken by the predictions."""
    instead = "p(label)"
    while instead in names:
        instead = f"p({instead})"
    return [instead if name == "label" else name for name in names]


def _items(texts) -> list:
    """Return what a list holds; raise PredictorError if it is nothing like a list."""
    if texts is None:
        raise PredictorError(
            "The predictor takes a list of texts, but was given None: look where the "
            "list should have come from, maybe from a function that returns nothing."
        )
    if isinstance(texts, str):
        raise PredictorError(
            "The predictor takes a list of texts, but was given one text alone, "
            f"{_quoted(texts)}: put it into brackets."
        )
    if isinstance(texts, bytes | dict | pd.DataFrame) or not np.iterable(texts):
        raise PredictorError(
            f"The predictor takes a list of texts, but was given {_quoted(texts)}, of "
            f"type {type(texts).__name__}: give it the texts themselves, each as a "
            "string in one list."
        )
    return list(texts)


def _flaw(item) -> str:
    """Return why an item of the list cannot be used, or nothing."""
    if not isinstance(item, str):
        return f"not a text but {_quoted(item)}"
    if not item[:LONGEST].strip():
        return f"no text in {_quoted(item)}"
    if broken := SURROGATE.search(item):
        return f"a lone surrogate {broken[0]!r} in {_quoted(item)}"
    return ""


def _listed(bad: dict[int, str], most: int) -> str:
    reasons = [f"item {number}: {reason}" for number, reason in bad.items()]
    return (
        f"{_number(bad, 'bad item')} (counted from 0, {listing(reasons, most, '; ')})"
    )


def _number(items, what: str) -> str:
    return f"{len(items)} {what}{'s' * (len(items) > 1)}"


def _quoted(item) -> str:
    """Return an item as Python writes it, on one line and not too long."""
    shown = " ".join(repr(item).splitlines())
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
