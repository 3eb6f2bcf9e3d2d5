"""Training networks that outline: what is trained, how fast, and mirrored in pairs."""

import pytest
import torch

from helpers.models import segmentation
from helpers.training import outlining


def slices(count=16, side=28):
    """Noise with a bright square in its left half, and the square's mask."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(count, 3, side, side, generator=generator)
    masks = torch.zeros(count, side, side, dtype=torch.long)
    masks[:, 8:18, 2:12] = 1
    return pixels + 2 * masks[:, None], masks


@pytest.mark.parametrize(
    ("strategy", "encoder"),
    [
        (outlining.LINEAR, 0),
        (outlining.FROZEN, 0),
        (outlining.LORA, 12 * 2 * 8 * (384 + 384)),
        (outlining.ALONE, 0),
    ],
)
def test_what_a_strategy_trains(strategy, encoder):
    model = outlining.new_model(strategy)
    learned = {n: p.numel() for n, p in model.named_parameters() if p.requires_grad}
    inside = sum(c for n, c in learned.items() if n.startswith("patches.encoder."))
    assert inside == encoder
    assert sum(learned.values()) > inside


def test_equal_seeds_make_equal_weights_and_others_do_not():
    first, again, other = (
        outlining.new_model(outlining.ALONE, seed).head.weight for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_unknown_strategy_is_told_those_that_exist():
    with pytest.raises(ValueError, match="U-Net from scratch"):
        outlining.new_model("magic")


def test_the_encoder_has_its_own_learning_rate():
    encoder, new = outlining.groups(outlining.new_model(outlining.LORA), 1e-4)
    assert (encoder["lr"], new["lr"]) == (1e-4, outlining.HEAD)
    (every,) = outlining.groups(outlining.new_model(outlining.ALONE), 1e-4)
    assert every["lr"] == 1e-4


def test_slices_are_mirrored_with_their_masks():
    pixels, masks = slices()
    data = outlining._Mirrored(pixels, masks, seed=0)
    seen = [data[n] for n in range(len(data))]
    turned = [not torch.equal(one["labels"], masks[0]) for one in seen]
    assert 0 < sum(turned) < len(seen)
    for one in seen:
        bright = one["pixel_values"].mean(0) > 1.2
        assert (bright == one["labels"]).float().mean() > 0.95


def test_training_teaches_to_outline():
    pixels, masks = slices()
    torch.manual_seed(0)
    model = segmentation.UNet(widths=(8, 16))
    outlining.fit(model, pixels, masks, learning_rate=1e-2, epochs=60)
    found = outlining.logits(model, pixels) > 0
    assert found.shape == masks.shape
    assert (found == masks).float().mean() > 0.97
    one = outlining.logits(model, pixels[:1])  # dropout and batches play no part
    assert torch.equal(one[0] > 0, found[0])
