"""Each strategy trains what its name says, on pictures changed as was wanted."""

import copy
import re

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from transformers import Dinov2Config, Dinov2Model

from helpers.data import augmentation
from helpers.models import encoders
from helpers.training import image_strategies as strategies

pytestmark = pytest.mark.usefixtures("one_thread")
LORA, LAST, FULL, SCRATCH, CNN = strategies.STRATEGIES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A randomly initialised DINOv2 of four layers, for pictures of 42 pixels."""
    place = tmp_path_factory.mktemp("dinov2")
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2}
    config = Dinov2Config(**shape, mlp_ratio=2, image_size=42, patch_size=14)
    Dinov2Model(config).save_pretrained(place)
    return str(place)


@pytest.fixture(autouse=True)
def tiny(monkeypatch, folder):
    """Let DINOv2 be tiny."""
    monkeypatch.setattr(encoders, "locate", lambda name: folder)


def pictures(n: int = 12) -> tuple[list, list]:
    """Bright pictures of class 1, dark ones of class 0, in turns."""
    rng = np.random.default_rng(0)
    labels = [i % 2 for i in range(n)]
    grey = rng.integers(0, 60, (n, 28, 28)) + 160 * np.array(labels)[:, None, None]
    return [Pillow.fromarray(each.astype(np.uint8)) for each in grey], labels


def trained(model) -> set[str]:
    return {name for name, p in model.named_parameters() if p.requires_grad}


def fit(model, seed=0, **options):
    options = {"learning_rate": 1e-2, "epochs": 1, "batch_size": 4} | options
    return strategies.fine_tune(model, *pictures(), seed=seed, size=42, **options)


@pytest.mark.parametrize(
    ("strategy", "wanted"),
    [
        (LORA, r"lora_|classifier\.modules_to_save"),
        (LAST, r"layer\.[23]\.|^dinov2\.layernorm|^classifier"),
        (FULL, ""),
        (SCRATCH, ""),
        (CNN, ""),
    ],
)
def test_a_strategy_trains_what_its_name_says(strategy, wanted):
    model = strategies.new_model(strategy)
    names = {name for name, _ in model.named_parameters()}
    matching = {n for n in names if re.search(wanted, n)}
    assert trained(model) == matching
    before = copy.deepcopy(model.state_dict())
    fit(model)
    after = model.state_dict()
    moved = {name for name in trained(model) if not after[name].equal(before[name])}
    still = {name for name in names - trained(model)}
    assert len(moved) > 0.7 * len(matching)
    assert all(after[name].equal(before[name]) for name in still)


def test_lora_is_on_queries_and_values_with_its_rank_and_scale():
    model = strategies.new_model(LORA, r=3, lora_alpha=12)
    layers = {n: m for n, m in model.named_modules() if hasattr(m, "lora_A")}
    assert {name.rpartition(".")[2] for name in layers} == {"q_proj", "v_proj"}
    assert len(layers) == 8
    assert {m.scaling["default"] for m in layers.values()} == {4}
    assert {m.lora_A["default"].out_features for m in layers.values()} == {3}


def test_all_but_scratch_begin_with_the_pretrained_weights(folder):
    known = Dinov2Model.from_pretrained(folder).encoder.layer[0].mlp.fc1.weight
    for strategy in (LORA, LAST, FULL, SCRATCH):
        model = strategies.new_model(strategy)
        model = model.get_base_model() if strategy == LORA else model
        same = torch.equal(model.dinov2.encoder.layer[0].mlp.fc1.weight, known)
        assert same == (strategy != SCRATCH)


def test_from_scratch_has_one_position_per_patch():
    model = strategies.new_model(SCRATCH)
    assert model.dinov2.embeddings.position_embeddings.shape[1] == 1 + 7 * 7


@pytest.mark.parametrize("strategy", strategies.STRATEGIES)
def test_equal_seeds_make_equal_models_and_trainings(strategy):
    one, same, other = (strategies.new_model(strategy, s) for s in (1, 1, 2))
    images, _ = pictures()
    for model, seed in ((one, 3), (same, 3), (other, 3)):
        fit(model, seed)
    found = [strategies.logits(model, images, 42) for model in (one, same, other)]
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2])


def test_the_order_of_the_pictures_depends_on_the_seed():
    found = []
    for seed in (0, 0, 1):
        model = strategies.new_model(FULL)
        fit(model, seed)
        found.append(model.classifier.weight)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("strategy", [LORA, FULL, CNN])
def test_it_learns_bright_from_dark(strategy):
    model = strategies.new_model(strategy)
    trainer = fit(model, epochs=15)
    assert trainer.model is model
    images, labels = pictures()
    assert strategies.logits(model, images, 42).argmax(1).tolist() == labels


def test_each_reading_of_a_picture_is_changed_anew(monkeypatch):
    seen = []

    def change(picture, rng):
        seen.append(rng.random())
        return picture

    monkeypatch.setitem(strategies.AUGMENTATIONS, "mirror and shift", change)
    for seed in (5, 5, 6):
        model = strategies.new_model(CNN)
        fit(model, seed, epochs=2, augment="mirror and shift")
    one, same, other = np.split(np.array(seen), 3)
    assert len({*one}) == 2 * 12
    assert one.tolist() == same.tolist() != other.tolist()


def test_augmentations_are_right_and_wrong_ones_and_change_training():
    assert {
        "none": None,
        "mirror and shift": augmentation.mirror_and_shift,
        "crop and mirror": augmentation.crop_and_mirror,
        "crop and enlarge": augmentation.crop_and_enlarge,
    } == strategies.AUGMENTATIONS
    weights = []
    for name in strategies.AUGMENTATIONS:
        model = strategies.new_model(CNN)
        fit(model, augment=name)
        weights.append(model.classifier.weight)
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])
    assert not torch.equal(weights[2], weights[3])


@pytest.mark.parametrize(("balanced", "expected"), [(False, 0.25), (True, 0.5)])
def test_balanced_classes_weigh_alike(balanced, expected):
    """All pictures are the same, so the probability is that of the labels."""
    model = strategies.new_model(FULL)
    same, labels = pictures(1)[0] * 16, [0, 0, 0, 1] * 4
    options = {"learning_rate": 3e-3, "epochs": 40, "batch_size": 16, "size": 42}
    strategies.fine_tune(model, same, labels, balanced=balanced, **options)
    found = strategies.logits(model, same[:1], 42).softmax(1)[0, 1]
    assert found.item() == pytest.approx(expected, abs=0.03)


def test_predictions_keep_order_and_modes_and_do_not_depend_on_the_batch():
    model = strategies.new_model(CNN)
    fit(model)
    model.train()
    model.features[1].eval()
    modes = [module.training for module in model.modules()]
    images, _ = pictures()
    found = strategies.logits(model, images, 42)
    assert [module.training for module in model.modules()] == modes
    assert torch.allclose(found, strategies.logits(model, images, 42, 5), atol=1e-5)
    assert torch.allclose(found[[3]], strategies.logits(model, images[3:4], 42))
    assert found.dtype == torch.float32
    assert not found.requires_grad


def test_vectors_are_those_of_the_frozen_encoder():
    images, _ = pictures(3)
    found = strategies.vectors(images)
    assert found.shape == (3, 2 * 16)
    model = encoders.load_image("any")
    assert np.array_equal(found, strategies.vectors(images, model))


def test_vectors_without_training_have_the_same_shape_and_repeat():
    images, _ = pictures(3)
    found = strategies.untrained_vectors(images)
    assert found.shape == (3, 2 * 16)
    assert np.array_equal(found, strategies.untrained_vectors(images))
    assert not np.allclose(found, strategies.untrained_vectors(images, seed=1))


def test_nothing_is_printed(capsys):
    model = strategies.new_model(FULL)  # transformers shows that it loads
    capsys.readouterr()
    fit(model)
    assert capsys.readouterr() == ("", "")


def test_an_unknown_name_gets_a_sentence():
    with pytest.raises(strategies.StrategyError, match="no 'lora': name one of LoRA,"):
        strategies.new_model("lora")
    with pytest.raises(strategies.StrategyError, match="no 'flip': name one of none,"):
        fit(strategies.new_model(CNN), augment="flip")
