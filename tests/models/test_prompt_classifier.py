"""A prompt classifier's logits are those of two tokens at one masked token."""

import pytest
import torch
from datasets import Dataset
from torch.nn import functional

from helpers.models import encoders, language_models, prompt_classifier

TEXTS = ["a warm and funny story.", "dull. " * 200]


@pytest.fixture(scope="module")
def classifier():
    _, tokenizer = language_models.load("mlm", "course-bert")
    model = prompt_classifier.PromptClassifier.from_pretrained(
        encoders.locate("course-bert"), dtype=torch.float32
    )
    return model.prepare(tokenizer).eval(), tokenizer


@pytest.fixture
def prompted(classifier):
    data = prompt_classifier.add_prompt(
        Dataset.from_dict({"text": TEXTS, "label": [1, 0]})
    )
    batch = classifier[1](
        data["text"][:],
        padding=True,
        truncation=True,
        max_length=64,
        return_tensors="pt",
    )
    return batch, torch.tensor(data["label"][:])


@torch.inference_mode()
def test_scores_are_those_of_the_masked_language_model(classifier, prompted):
    model, tokenizer = classifier
    batch, _ = prompted
    bert, _ = language_models.load("mlm", "course-bert")
    masked = batch["input_ids"] == tokenizer.mask_token_id
    assert masked.sum(1).tolist() == [1, 1], "a long text keeps its prompt"
    tokens = tokenizer.convert_tokens_to_ids(list(prompt_classifier.VERBALIZER))
    assert tokenizer.unk_token_id not in tokens
    expected = bert(**batch).logits[masked][:, tokens]
    torch.testing.assert_close(model(**batch).logits, expected)


def test_the_loss_is_the_cross_entropy_and_reaches_every_layer(classifier, prompted):
    model, _ = classifier
    batch, labels = prompted
    out = model(**batch, labels=labels)
    expected = functional.cross_entropy(out.logits, labels)
    torch.testing.assert_close(out.loss, expected)
    out.loss.backward()
    assert all(
        weight.grad.abs().sum() > 0
        for name, weight in model.named_parameters()
        if name.endswith("dense.weight")
    )


def test_great_is_the_answer_to_praise(classifier):
    model, tokenizer = classifier
    rows = tokenizer(
        [
            prompt_classifier.PROMPT + text
            for text in ("i loved every minute.", "a boring waste of time.")
        ],
        padding=True,
        return_tensors="pt",
    )
    with torch.inference_mode():
        praise, blame = (model(**rows).logits @ torch.tensor([-1.0, 1.0])).tolist()
    assert praise > blame
