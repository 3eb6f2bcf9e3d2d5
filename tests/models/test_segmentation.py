"""Networks that outline: their loss by hand, their maps the right way up."""

import numpy as np
import pytest
import torch
from torch import nn
from transformers import Dinov2Config, Dinov2Model

from helpers.models import segmentation

SIDE = 42  # pixels: 3 x 3 patches


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    sizes = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = Dinov2Config(**sizes, patch_size=14, image_size=SIDE)
    return Dinov2Model(config).eval()


def pixels(count=2):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 3, SIDE, SIDE, generator=generator)


def test_the_loss_is_cross_entropy_and_one_minus_soft_overlap():
    logits = torch.tensor([[0.0, 0.0], [0.0, 0.0]])
    masks = torch.tensor([[1, 0], [0, 0]])
    # probabilities of one half: (2 * 0.5 + 1) / (2 + 1 + 1)
    wanted = np.log(2) + 1 - 0.5
    assert segmentation.loss(logits, masks).item() == pytest.approx(wanted)


def test_the_loss_is_low_for_what_is_right_also_without_a_lesion():
    masks = torch.zeros(2, 8, 8)
    masks[0, 2:5, 2:5] = 1
    right = segmentation.loss(20 * masks - 10, masks)
    assert right < 0.01 < segmentation.loss(-20 * masks + 10, masks)
    assert segmentation.loss(torch.full((1, 8, 8), -20.0), masks[1:]) < 0.01


def test_patch_maps_have_each_patch_in_its_place(encoder):
    maps = segmentation.PatchMaps(encoder, 12, layers=[2])
    with torch.no_grad():
        maps.mix.weight.copy_(torch.eye(12)[:, :, None, None])
        maps.mix.bias.zero_()
        found = maps(pixels())
        states = encoder(pixels(), output_hidden_states=True).hidden_states[2]
    assert found.shape == (2, 12, 3, 3)
    row, column = 1, 2
    own = nn.functional.layer_norm(states[:, 1 + 3 * row + column], (12,))
    torch.testing.assert_close(found[:, :, row, column], own)


@pytest.mark.parametrize("kind", ["linear", "U-Net", "alone"])
def test_a_trainer_gets_a_loss_and_logits_as_large_as_the_picture(encoder, kind):
    layers = {"layers": (1, 2)}
    model = {
        "linear": lambda: segmentation.LinearHead(encoder, **layers),
        "U-Net": lambda: segmentation.UNet(encoder, **layers),
        "alone": segmentation.UNet,
    }[kind]()
    masks = torch.zeros(2, SIDE, SIDE, dtype=torch.long)
    output = model(pixel_values=pixels(), labels=masks)
    assert output.logits.shape == masks.shape
    wanted = segmentation.loss(output.logits, masks)
    torch.testing.assert_close(output.loss, wanted)
    assert model(pixel_values=pixels()).loss is None


def test_a_unet_finds_a_bright_square_after_a_few_steps():
    torch.manual_seed(0)
    model = segmentation.UNet(widths=(8, 16))
    pictures, masks = pixels(8), torch.zeros(8, SIDE, SIDE)
    for n in range(8):
        masks[n, n : n + 12, 20 - n : 32 - n] = 1
    pictures = pictures + 2 * masks[:, None]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = model(pictures, masks).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    found = model.eval()(pictures).logits > 0
    assert (found == (masks > 0)).float().mean() > 0.98


def test_with_an_encoder_only_the_bottom_level_differs(encoder):
    alone = segmentation.UNet()
    on_patches = segmentation.UNet(encoder, layers=[2])
    assert len(alone.down) == len(on_patches.down) + 1
    assert str(alone.up) == str(on_patches.up)
