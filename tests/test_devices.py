"""Everything goes where the model is, and only `hardware` knows a device by name."""

import ast
import json
import re

import pytest
import torch
from accelerate import Accelerator
from datasets import Dataset
from torch.overrides import TorchFunctionMode
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Dinov2Config,
    Dinov2Model,
    PreTrainedModel,
    TrainingArguments,
)

from helpers import hardware
from helpers.models import encoders, language_models, prompt_classifier, tokenizers
from helpers.models.text_classifier import Predictor, save
from helpers.paths import NOTEBOOKS, ROOT
from helpers.training import fine_tuning, memory

DEVICE = re.compile(r"(cpu|cuda|mps)(:\d+)?")


def named(code: str) -> list[str]:
    """The device names in a program, and its calls of `.cuda()`."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [node.value] if DEVICE.fullmatch(node.value) else []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found += [".cuda()"] if node.func.attr in ("cuda", "mps") else []
        if isinstance(node, ast.JoinedStr):
            head = node.values[0]
            text = head.value if isinstance(head, ast.Constant) else ""
            found += [text] if re.match(r"(cpu|cuda|mps):", text) else []
    return found


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ('x.to("cuda")', 1),
        ("torch.autocast('cpu')", 1),
        ('x.to(f"cuda:{n}")', 1),
        ('device = "mps" if here else "cuda:0"', 2),
        ("x.cuda()", 1),
        ('x.cpu(), "cpus", "the cuda version", y.device', 0),
    ],
)
def test_a_device_is_found_however_it_is_written(code, count):
    assert len(named(code)) == count


def programs(file) -> list[str]:
    """The code of a module, or of each cell of a notebook."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        return [text]
    sources = ("".join(c["source"]) for c in json.loads(text)["cells"] if is_code(c))
    return [re.sub(r"^(\s*)[!%].*", r"\1pass", code, flags=re.M) for code in sources]


def is_code(cell) -> bool:
    return cell["cell_type"] == "code"


FILES = [*(ROOT / "helpers").rglob("*.py"), *NOTEBOOKS.rglob("[!.]*.ipynb")]


@pytest.mark.parametrize("file", sorted(FILES), ids=lambda p: "/".join(p.parts[-2:]))
def test_only_hardware_names_a_device(file):
    if file.name != "hardware.py":
        assert [named(code) for code in programs(file) if named(code)] == []


class Card(TorchFunctionMode):
    """A device that there is not: it knows what was moved to it, and minds mixtures.

    What an operation makes of tensors on the card is on the card.
    """

    device = torch.device("cuda")
    back = {torch.Tensor.tolist, torch.Tensor.item}
    forbidden = {torch.Tensor.numpy, torch.Tensor.__array__}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        given = tensors((args, kwargs))
        here = any(map(moved, given))
        if func in (torch.Tensor.device.__get__,):
            return self.device if here else func(*args, **kwargs)
        if func is torch.Tensor.cpu:
            return mark(args[0].view_as(args[0]), False)
        if func in self.back:
            return func(*args, **kwargs)
        assert not (here and func in self.forbidden), "a card's tensor is no array"
        if func is torch.Tensor.to:
            target = [torch.device(a) for a in args[1:] if is_device(a)]
            target += [torch.device(kwargs["device"])] if kwargs.get("device") else []
            if target:
                rest = [a for a in args[1:] if not is_device(a)]
                kwargs.pop("device", None)
                kwargs.pop("non_blocking", None)
                out = func(args[0], *rest, **kwargs) if rest or kwargs else args[0]
                return mark(out.view_as(out), target[0].type == self.device.type)
        if is_device(kwargs.get("device")):
            here = here or torch.device(kwargs["device"]).type == self.device.type
            kwargs["device"] = None
        lost = [t for t in given if here and t.dim() and not moved(t)]
        if lost and func not in MIXED:
            raise AssertionError(f"{func.__name__} mixes devices: {lost[0].shape}")
        out = func(*args, **kwargs)
        for tensor in tensors(out):
            if here:
                mark(tensor, True)
        return out


MIXED = {torch.Tensor.__getitem__, torch.Tensor.__setitem__}  # by an index elsewhere


def tensors(nest) -> list[torch.Tensor]:
    if isinstance(nest, torch.Tensor):
        return [nest]
    if isinstance(nest, dict):
        nest = nest.values()
    elif not isinstance(nest, (list, tuple)):
        return []
    return [tensor for item in nest for tensor in tensors(item)]


def is_device(value) -> bool:
    return isinstance(value, (str, torch.device)) and bool(DEVICE.fullmatch(str(value)))


def moved(tensor) -> bool:
    return getattr(tensor, "on_the_card", False)


def mark(tensor, is_there: bool):
    tensor.on_the_card = is_there
    return tensor


@pytest.fixture
def card(monkeypatch):
    """A card on which models and tensors must be, and the forward passes seen there."""
    passes = []

    def to(module, *args, **kwargs):
        target = [a for a in (*args, kwargs.get("device")) if is_device(a)]
        is_there = bool(target) and torch.device(target[0]).type == Card.device.type
        for part in module.modules() if target else ():
            for weight in part.parameters():
                mark(weight, is_there)
            for name, buffer in part._buffers.items():
                if buffer is not None:
                    part._buffers[name] = mark(buffer.view_as(buffer), is_there)
        return module

    def see(module, args, kwargs):
        if isinstance(module, PreTrainedModel):
            assert all(map(moved, module.parameters())), type(module)
            assert all(map(moved, tensors((args, kwargs))))
            passes.append(module)

    monkeypatch.setattr(torch.nn.Module, "to", to)
    monkeypatch.setattr(PreTrainedModel, "to", to)
    monkeypatch.setattr(hardware, "bf16_is_faster", lambda device="cpu": False)
    call = torch.nn.Module.__call__

    def watched(module, *args, **kwargs):
        see(module, args, kwargs)
        return call(module, *args, **kwargs)

    monkeypatch.setattr(torch.nn.Module, "__call__", watched)
    with Card():
        yield passes
    assert passes, "nothing was computed"


TEXTS = ["a fine film", "a dull and awful film about cats", "lovely"] * 8
SHAPE = language_models.Shape(num_layers=1, hidden_size=16, num_heads=2, context=32)


@pytest.fixture(scope="module")
def wordpiece():
    return tokenizers.wordpiece(TEXTS * 5, 200)


def classifier(tokenizer):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        attn_implementation="eager",
    )
    return BertForSequenceClassification(config)


def elsewhere(model):
    return model.to(Card.device)


def test_a_forgotten_tensor_and_a_forgotten_model_are_noticed(wordpiece, card):
    model = elsewhere(classifier(wordpiece))
    ids = torch.ones(2, 5, dtype=torch.long)
    model(input_ids=ids.to(model.device))
    with pytest.raises(AssertionError):
        model(input_ids=ids)
    with pytest.raises(AssertionError):
        classifier(wordpiece)(input_ids=ids)
    logits = model(input_ids=ids.to(model.device)).logits
    with pytest.raises(AssertionError, match="mixes devices"):
        torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1]))
    with pytest.raises(AssertionError, match="no array"):
        logits.detach().numpy()


def test_texts_follow_the_model_and_vectors_come_back(wordpiece, card):
    model = elsewhere(classifier(wordpiece))
    for pool in (encoders.mean_pool, encoders.cls_pool):
        encoders.embed_texts(model.bert, wordpiece, TEXTS, pool=pool).numpy()
    encoders.logits(model, wordpiece, TEXTS).numpy()


def test_images_follow_the_model_and_vectors_come_back(card):
    config = Dinov2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=28,
        patch_size=14,
    )
    model = elsewhere(Dinov2Model(config))
    encoders.embed_images(model, torch.randn(3, 3, 28, 28), batch_size=2).numpy()


def test_masked_tokens_follow_the_model(wordpiece, card):
    model = elsewhere(language_models.build("mlm", wordpiece, SHAPE))
    blocks = torch.randint(5, len(wordpiece), (20, 16))
    loss = language_models.loss("mlm", model, wordpiece, blocks, seed=0)
    assert moved(loss)
    for result in language_models.masked_scores(model, wordpiece, blocks):
        result.numpy()


def test_next_tokens_follow_the_model(card):
    tokenizer = tokenizers.byte_pairs(TEXTS * 5, 300)
    model = elsewhere(language_models.build("clm", tokenizer, SHAPE))
    tokens = torch.randint(2, len(tokenizer), (90,))
    loss = language_models.loss("clm", model, tokenizer, tokens[None, :32], seed=0)
    assert moved(loss)
    language_models.next_token_losses(model, tokens).numpy()


def test_prompts_follow_the_model(wordpiece, card):
    model = classifier(wordpiece)
    model = prompt_classifier.PromptClassifier(model.config).prepare(wordpiece)
    data = prompt_classifier.add_prompt(Dataset.from_dict({"text": TEXTS}))
    encoders.logits(elsewhere(model), wordpiece, data["text"]).numpy()


def test_a_saved_classifier_goes_to_the_device(wordpiece, tmp_path, card):
    save(tmp_path, classifier(wordpiece), wordpiece, ["bad", "good"])
    saved = Predictor(tmp_path, device=Card.device)
    assert saved.model.device == Card.device
    for name in ("position_ids", "token_type_ids"):  # this card loads no buffers
        buffer = mark(torch.zeros(1, 512, dtype=torch.long), True)
        setattr(saved.model.bert.embeddings, name, buffer)
    assert len(saved(TEXTS)) == len(TEXTS)


def test_loaders_put_models_on_the_device(card):
    for model in (
        encoders.load_text("minilm", device=Card.device)[0],
        encoders.load_image("dinov2-small", device=Card.device),
        language_models.load("clm", "course-gpt2", device=Card.device)[0],
    ):
        assert model.device == Card.device
    assert encoders.load_text("minilm")[0].device.type == "cpu"
    encoders.embed_images(
        encoders.load_image("dinov2-small", device=Card.device),
        torch.zeros(1, 3, 98, 98),
    )


@pytest.mark.usefixtures("one_thread")
def test_training_runs_where_the_model_is(wordpiece, monkeypatch, card):
    noted, set_up = [], TrainingArguments.device.fget

    def device(settings):
        set_up(settings)  # takes what the machine has, unless use_cpu
        noted.append(settings.use_cpu)
        return Card.device

    monkeypatch.setattr(TrainingArguments, "device", property(device))
    monkeypatch.setattr(Accelerator, "device", property(lambda self: Card.device))
    data = Dataset.from_dict({"text": TEXTS, "label": [1, 0, 1] * 8})
    fine_tuning.classifier(
        elsewhere(classifier(wordpiece)),
        wordpiece,
        data,
        epochs=1,
        learning_rate=1e-3,
        validation=data,
        bf16=None,
        dataloader_pin_memory=False,
    )
    assert set(noted) == {False}


def test_bf16_is_noted_for_where_the_models_device_is_faster_with_it(
    wordpiece, monkeypatch
):
    noted = []

    def bf16_is_faster(device):
        noted.append(device)
        return False

    monkeypatch.setattr(hardware, "bf16_is_faster", bf16_is_faster)
    data = Dataset.from_dict({"text": TEXTS, "label": [1, 0, 1] * 8})
    options = {"epochs": 0.1, "learning_rate": 1e-3, "bf16": None}
    trainer = fine_tuning.classifier(classifier(wordpiece), wordpiece, data, **options)
    assert noted == ["cpu"]
    assert (trainer.args.bf16, trainer.args.use_cpu) == (False, True)


def test_the_memory_of_a_step_is_counted_where_the_model_is(wordpiece, card):
    model = elsewhere(classifier(wordpiece)).train()
    ids = torch.ones(4, 8, dtype=torch.long)
    batch = {"input_ids": ids, "labels": torch.zeros(4, dtype=torch.long)}
    assert memory.predicted(model, batch).activations > 0


def test_a_cards_own_memory_is_measured(monkeypatch):
    told = iter([100, 350])
    monkeypatch.setattr(torch.accelerator, "reset_peak_memory_stats", lambda d: None)
    for name in ("memory_allocated", "max_memory_allocated"):
        monkeypatch.setattr(torch.accelerator, name, lambda device: next(told))
    assert memory.measured(lambda: None, Card.device) == 250
