"""Label texts with a fine-tuned classifier that was saved to a folder."""

from pathlib import Path

import pandas as pd
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from helpers import encoders, language

LONGEST = 20_000  # characters that are cut into pieces: far more than a model reads


class PredictorError(ValueError):
    """A model or a text cannot be used; the message says why and what to do."""


def save(folder: Path, model, tokenizer, names: list[str]) -> None:
    """Save a classifier with its tokenizer and the names of its classes.

    The weights go into a safetensors file, not a pickle: loading it runs no code.
    Raises ValueError when the number of names is not that of the classes.
    """
    if len(names) != model.config.num_labels:
        raise ValueError(
            f"{len(names)} names for {model.config.num_labels} classes: give one name "
            "for each class, in the order of their numbers."
        )
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: number for number, name in enumerate(names)}
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class Predictor:
    """A classifier from a folder that `save` filled; call it with texts.

    Raises PredictorError when the folder is missing or its files are damaged.
    """

    def __init__(self, folder: Path):
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
        except Exception as error:  # of safetensors, json, transformers: no common kin
            raise PredictorError(
                f"The model in {folder} cannot be read ({language.first_line(error)}): "
                "it is damaged or cut short, so save it again."
            ) from error
        if report["missing_keys"]:
            raise PredictorError(
                f"The model in {folder} lacks {', '.join(report['missing_keys'])}: it "
                "was saved without its head, or is no classifier, so save it again."
            )
        self.names = [name for _, name in sorted(self.model.config.id2label.items())]

    def __call__(self, texts: list[str], max_length: int = 64) -> pd.DataFrame:
        """Return label and probabilities of texts: one row each, in their order.

        The columns are `label` and one for each class, which add up to one. Raises
        PredictorError for anything but a list of texts, naming the first that is none;
        an empty list gives an empty table.
        """
        texts = self._checked(texts)
        probabilities = torch.empty(0, len(self.names))
        if texts:
            scores = encoders.logits(self.model, self.tokenizer, texts, max_length)
            probabilities = scores.softmax(-1)
        table = pd.DataFrame(probabilities.numpy(), columns=self.names)
        labels = [self.names[number] for number in probabilities.argmax(-1)]
        table.insert(0, "label", pd.Series(labels, dtype=str))
        return table

    def _checked(self, texts) -> list[str]:
        if texts is None or isinstance(texts, str):
            raise PredictorError(
                "The predictor takes a list of texts: put a single one into brackets."
            )
        texts = list(texts)
        for number, text in enumerate(texts):
            if not isinstance(text, str) or not text.strip():
                raise PredictorError(
                    f"Text {number} (counted from 0) is {text!r}, not a text with "
                    "words in it: take it out, or give it some."
                )
        return [text[:LONGEST] for text in texts]
