"""Heat maps: the right patch, the right axis, and a pointing game that can be lost."""

import numpy as np
import pytest
import torch
from transformers import (
    Dinov2Config,
    Dinov2ForImageClassification,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

from helpers.models import heat_maps
from helpers.models.heat_maps import HeatMapError

SIDE, PATCH = 3, 4
SIZES = {"hidden_size": 8, "num_hidden_layers": 4, "num_attention_heads": 2}


KINDS = {
    "DINOv2": (Dinov2Config, Dinov2ForImageClassification),
    "ViT": (ViTConfig, ViTForImageClassification),
}


def random_model(config, kind):
    torch.manual_seed(0)
    settings = config(
        **SIZES,
        image_size=SIDE * PATCH,
        patch_size=PATCH,
        num_labels=2,
        initializer_range=0.2,
        attn_implementation="eager",
    )
    return kind(settings).eval()


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def model(request):
    return random_model(*request.param)


@pytest.fixture(scope="module")
def pixels():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, SIDE * PATCH, SIDE * PATCH, generator=generator)


@pytest.mark.parametrize("method", heat_maps.METHODS.values(), ids=heat_maps.METHODS)
def test_a_map_has_one_value_per_patch_and_differs_between_images(
    method, model, pixels
):
    found = method(model, pixels)
    assert found.shape == (2, SIDE, SIDE)
    assert not found.requires_grad
    assert not torch.allclose(found[0], found[1])
    torch.testing.assert_close(found[1:], method(model, pixels[1:]), atol=1e-5, rtol=0)


def test_occlusion_is_what_covering_one_patch_does(model, pixels):
    covered = pixels.clone()
    covered[:, :, PATCH : 2 * PATCH, 2 * PATCH :] = 0  # row 1, column 2
    with torch.no_grad():
        logits = [model(each).logits for each in (pixels, covered)]
    before, after = (each[:, 1] - each[:, 0] for each in logits)
    found = heat_maps.occlusion(model, pixels)
    torch.testing.assert_close(found[:, 1, 2], before - after)


def test_integrated_gradients_add_up_to_the_change_of_the_evidence(
    model, pixels, monkeypatch
):
    monkeypatch.setattr(heat_maps, "STEPS", 200)
    with torch.no_grad():
        change = heat_maps.evidence(model)(pixels) - heat_maps.evidence(model)(
            0 * pixels
        )
    total = heat_maps.integrated_gradients(model, pixels).sum((1, 2))
    torch.testing.assert_close(total, change, atol=0.02, rtol=0.02)


def test_attention_needs_a_model_that_keeps_its_weights(pixels):
    config = Dinov2Config(**SIZES, image_size=SIDE * PATCH, patch_size=PATCH)
    config._attn_implementation = "sdpa"
    with pytest.raises(HeatMapError, match="eager"):
        heat_maps.attention(Dinov2ForImageClassification(config), pixels)


@pytest.mark.parametrize("method", [heat_maps.attention, heat_maps.grad_cam])
def test_a_model_with_more_tokens_than_patches_is_refused(method, pixels):
    parts = Dinov2WithRegistersConfig, Dinov2WithRegistersForImageClassification
    with pytest.raises(HeatMapError, match="13 vectors.*occlusion"):
        method(random_model(*parts), pixels)


def test_grad_cam_of_the_last_layer_is_empty_if_only_cls_is_read(model, pixels):
    weight = model.classifier.weight.data
    before = weight.clone()
    try:
        weight[:, SIZES["hidden_size"] :] = 0  # the mean of the patches
        last = heat_maps.grad_cam(model, pixels, layer=-1)
        earlier = heat_maps.grad_cam(model, pixels, layer=-2)
    finally:
        weight.copy_(before)
    assert last.abs().max() == 0
    assert earlier.abs().max() > 0


def masks():
    found = np.zeros((3, SIDE * PATCH, SIDE * PATCH), np.uint8)
    found[0, 4:8, 8:12] = 255  # row 1, column 2
    found[1, 4:8, 8:12] = 255
    found[2, 0:2, 0:2] = 255  # a corner of row 0, column 0, without its middle
    return found


def test_a_patch_is_inside_if_its_middle_is():
    found = heat_maps.inside(masks(), SIDE)
    assert found.nonzero().tolist() == [[0, 1, 2], [1, 1, 2]]


def test_masks_of_another_size_are_refused():
    with pytest.raises(HeatMapError, match="5 patches do not divide 12 pixels"):
        heat_maps.inside(masks(), 5)


def test_the_highest_patch_points():
    maps = torch.zeros(3, SIDE, SIDE)
    maps[0, 1, 2], maps[1, 2, 1], maps[2, 0, 0] = 1, 1, 1
    score = heat_maps.points(maps, masks())
    assert (score.value, score.n) == (pytest.approx(1 / 3), 3)
    assert score.low < 0.1
    assert score.high > 0.7


def test_two_methods_are_compared_on_the_same_masks():
    rng = np.random.default_rng(0)
    outlines = np.zeros((40, SIDE * PATCH, SIDE * PATCH))
    outlines[:, PATCH : 2 * PATCH] = 255
    good = torch.zeros(40, SIDE, SIDE)
    good[:, 1, 2] = 1
    random = torch.tensor(rng.random((40, SIDE, SIDE)))
    ahead = heat_maps.points(good, outlines, random)
    lead = 1 - heat_maps.points(random, outlines).value
    assert ahead.value == pytest.approx(lead)
    assert 0 < ahead.low < lead < ahead.high
    assert heat_maps.points(good, outlines, good)[:3] == (0, 0, 0)


def test_an_empty_map_points_nowhere():
    everywhere = np.full((1, SIDE * PATCH, SIDE * PATCH), 255)
    assert heat_maps.points(torch.zeros(1, SIDE, SIDE), everywhere).value == 0
    assert heat_maps.points(torch.eye(SIDE)[None], everywhere).value == 1
