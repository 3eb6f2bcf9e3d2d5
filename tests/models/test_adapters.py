"""An adapter that is not what was meant is refused, in one sentence with a remedy."""

import json

import pytest
import torch
from peft import (
    IA3Config,
    LoraConfig,
    PeftModel,
    PromptTuningConfig,
    VeraConfig,
    get_peft_model,
)
from transformers import BertConfig, BertForSequenceClassification

from helpers.models import adapters
from helpers.models.adapters import AdapterError

TARGETS = ["query", "value"]


def bert(seed: int = 0, layers: int = 2):
    """A tiny classifier with random weights."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "vocab_size": 50}
    config = BertConfig(**sizes, num_hidden_layers=layers, num_attention_heads=2)
    return BertForSequenceClassification(config).eval()


def adapted(base=None, **settings):
    settings = {"task_type": "SEQ_CLS", "target_modules": TARGETS, "r": 2} | settings
    return get_peft_model(base or bert(), LoraConfig(**settings))


def message(model, folder=None) -> str:
    with pytest.raises(AdapterError) as caught:
        adapters.check(model, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def saved(tmp_path):
    """A folder with a signed adapter, whose base lies in another folder."""
    base = bert()
    base.save_pretrained(tmp_path / "secret" / "tiny")
    base.name_or_path = str(tmp_path / "secret" / "tiny")
    model = adapted(base)
    folder = tmp_path / "adapter"
    model.save_pretrained(folder)
    adapters.sign(model, folder)
    return folder


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"r": 16},
        {"task_type": None, "modules_to_save": ["classifier"]},
        {"target_modules": ["intermediate.dense"]},
        {"target_modules": ["bert.encoder.layer.0.output.dense"]},
        {"target_modules": r".*layer\.\d+\.output\.dense"},
        {"target_modules": "all-linear"},
        {"target_modules": [*TARGETS, "key", "dense"]},  # all of them, by short names
        {"target_modules": ["word_embeddings"]},
    ],
)
def test_what_was_meant_passes(settings):
    adapters.check(adapted(**settings))


@pytest.mark.parametrize(
    "config",
    [
        IA3Config(target_modules=["key"], feedforward_modules=[], task_type="SEQ_CLS"),
        VeraConfig(target_modules=["query"], r=64, task_type="SEQ_CLS"),
        PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=2),
    ],
)
def test_other_methods_pass_and_keep_the_fingerprint(config):
    before = adapters.fingerprint(bert())
    model = get_peft_model(bert(), config)
    adapters.check(model)
    assert adapters.fingerprint(model) == before


@pytest.mark.parametrize("rank", [0, -1])
def test_peft_itself_refuses_a_rank_that_is_not_positive(rank):
    with pytest.raises(ValueError, match="positive"):
        adapted(r=rank)


@pytest.mark.parametrize("rank", [0, -1, 17])
def test_a_rank_that_does_not_fit_is_refused(rank):
    model = adapted()
    layer = model.get_base_model().bert.encoder.layer[1].attention.self.value
    layer.r["default"] = rank
    assert f"Rank {rank} for " in message(model)
    assert "layer.1.attention.self.value: choose 1 to 16" in message(model)


def test_a_rank_larger_than_the_matrix_is_refused():
    assert "choose 1 to 16" in message(adapted(r=17))
    assert "choose 1 to 16" in message(adapted(rank_pattern={"value": 20}))


def test_a_target_without_a_layer_is_refused_with_those_that_exist():
    told = message(adapted(target_modules=["query", "valeu"]))
    assert "No layer is called valeu" in told
    names = "attention.output.dense, attention.self.key, attention.self.query, "
    names += "attention.self.value, bert.pooler.dense, intermediate.dense, output.dense"
    assert told.endswith(f"Choose from {names}.")


def test_targets_that_are_all_unknown_are_refused_by_peft():
    with pytest.raises(ValueError, match="not found|No modules"):
        adapted(target_modules=["qeury"])


def test_a_target_of_several_roles_is_refused():
    told = message(adapted(target_modules=["query", "dense"]))
    assert "dense is ambiguous" in told and "intermediate.dense" in told
    assert "output.dense is ambiguous" in message(
        adapted(target_modules=["output.dense"])
    )


def test_a_head_that_is_neither_trained_nor_saved_is_refused():
    told = message(adapted(task_type=None))
    assert "The head classifier" in told and 'task_type="SEQ_CLS"' in told


def test_the_right_base_is_accepted(saved):
    head = 9
    base = bert()
    torch.nn.init.constant_(base.classifier.weight, head)  # the head is the adapter's
    model = PeftModel.from_pretrained(base, saved)
    adapters.check(model, saved)


@pytest.mark.parametrize(
    "base",
    [bert(1), bert().to(torch.bfloat16), bert(layers=1)],
    ids=["weights", "precision", "shallower"],
)
def test_another_base_is_refused(base, saved):
    model = PeftModel.from_pretrained(base, saved)
    told = message(model, saved)
    assert "another base, tiny: load that one" in told


def test_an_adapter_that_was_not_signed_is_refused(tmp_path):
    model = adapted()
    model.save_pretrained(tmp_path)
    assert "sign it" in message(model, tmp_path)


def test_only_a_saved_adapter_is_signed(tmp_path):
    with pytest.raises(AdapterError, match="save_pretrained"):
        adapters.sign(adapted(), tmp_path)


def test_no_path_of_this_machine_is_left(saved):
    for file in saved.iterdir():
        assert b"secret" not in file.read_bytes()
    config = json.loads((saved / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == "tiny"


def test_a_name_on_the_hub_stays(tmp_path):
    base = bert()
    base.name_or_path = "someone/tiny"
    model = adapted(base)
    model.save_pretrained(tmp_path)
    adapters.sign(model, tmp_path)
    note = json.loads((tmp_path / adapters.BASE).read_text(encoding="utf-8"))
    assert note == {"base": "someone/tiny", "sha256": adapters.fingerprint(bert())}


def test_the_fingerprint_is_of_the_base_alone():
    model = adapted()
    before = adapters.fingerprint(model)
    assert before == adapters.fingerprint(bert())
    for name, parameter in model.named_parameters():
        if "lora" in name or "classifier" in name:
            torch.nn.init.ones_(parameter)
    assert adapters.fingerprint(model) == before
    model.merge_adapter()
    assert adapters.fingerprint(model) != before
