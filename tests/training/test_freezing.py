"""Exactly the named part of a classifier learns, when and as fast as it should."""

import pytest
import torch
from datasets import Dataset
from transformers import BertConfig, BertForSequenceClassification

from helpers.models import tokenizers
from helpers.training import fine_tuning, freezing

TEXTS = ["a fine film", "a dull film", "lovely and warm", "awful and long"] * 4
LAYERS = 4


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizers.wordpiece(TEXTS * 5, 100)


@pytest.fixture
def model(tokenizer):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=32,
    )
    return BertForSequenceClassification(config)


def learning(model) -> set[str]:
    """The blocks of which at least one weight learns."""
    places = set()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parts = name.removeprefix("bert.").split(".")
            places.add(parts[2] if parts[0] == "encoder" else parts[0])
    return places


HEAD = {"pooler", "classifier"}
TOP = {str(number) for number in range(LAYERS - 2, LAYERS)}
ENCODER = {str(number) for number in range(LAYERS)}


@pytest.mark.parametrize(
    ("part", "places"),
    {
        "nothing": set(),
        "head": HEAD,
        "last two layers": HEAD | TOP,
        "all but embeddings": HEAD | ENCODER,
        "all": HEAD | ENCODER | {"embeddings"},
    }.items(),
)
def test_exactly_that_part_learns(model, part, places):
    counted = freezing.train_only(model, part)
    assert learning(model) == places
    free = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert counted == (free, sum(p.numel() for p in model.parameters()))


def test_a_frozen_model_can_be_unfrozen_again(model):
    freezing.train_only(model, "nothing")
    count = freezing.train_only(model, "all")
    assert count.trainable == count.total


def test_an_unknown_part_gets_a_sentence(model):
    with pytest.raises(
        ValueError, match="no 'tail' to train: name one of nothing, head"
    ):
        freezing.train_only(model, "tail")


def test_every_weight_is_in_one_group_and_learning_rates_fall_towards_the_input(model):
    groups = freezing.layerwise(model, 0.1, decay=0.5)
    grouped = [p for group in groups for p in group["params"]]
    assert len(grouped) == len({id(p) for p in grouped})
    assert {id(p) for p in grouped} == {id(p) for p in model.parameters()}
    learning_rates = [group["lr"] for group in groups]
    assert learning_rates == [0.1 * 0.5**depth for depth in range(LAYERS + 2)]
    assert groups[0]["params"][-1] is model.classifier.bias
    assert groups[-1]["params"][0] is model.bert.embeddings.word_embeddings.weight


@pytest.mark.usefixtures("one_thread")
def test_layers_move_as_far_as_their_learning_rates_let_them(model, tokenizer):
    before = [p.detach().clone() for p in model.bert.encoder.layer[0].parameters()]
    data = Dataset.from_dict({"text": TEXTS, "label": [1, 0, 1, 0] * 4})
    groups = freezing.layerwise(model, 1e-2, decay=0)
    head = model.classifier.weight.detach().clone()
    fine_tuning.classifier(
        model, tokenizer, data, epochs=3, learning_rate=1e-2, groups=groups
    )
    after = list(model.bert.encoder.layer[0].parameters())
    assert all(map(torch.equal, before, after))
    assert not torch.equal(head, model.classifier.weight)


@pytest.mark.usefixtures("one_thread")
def test_gradual_unfreezes_from_the_head_down(model, tokenizer):
    seen = []

    class Watch(freezing.Gradual):
        def on_step_begin(self, args, state, control, **others):
            super().on_step_begin(args, state, control, **others)
            seen.append(learning(others["model"]))

    data = Dataset.from_dict({"text": TEXTS, "label": [1, 0, 1, 0] * 4})
    table = model.bert.embeddings.word_embeddings.weight.detach().clone()
    first = model.bert.encoder.layer[0].output.dense.weight.detach().clone()
    fine_tuning.classifier(
        model,
        tokenizer,
        data,
        epochs=5,
        learning_rate=1e-2,
        batch_size=4,
        callbacks=[Watch()],
    )
    assert seen[0] == HEAD
    assert all(a <= b for a, b in zip(seen, seen[1:], strict=False))
    assert seen[10:] == [HEAD | ENCODER] * 10
    assert len(seen) == 20
    assert torch.equal(table, model.bert.embeddings.word_embeddings.weight)
    assert not torch.equal(first, model.bert.encoder.layer[0].output.dense.weight)
