"""Networks that outline: a linear head on a ViT's patches, and a U-Net with or without.

All take pictures as DINOv2 does, `pixel_values` [n, 3, side, side], and perhaps
masks, `labels` [n, side, side] of 0 and 1. They return a loss (with masks) and logits
[n, side, side], above 0 where the lesion is predicted, so that a Trainer trains them.
"""

import torch
from torch import nn
from torch.nn import functional
from transformers.modeling_outputs import SemanticSegmenterOutput

WIDTHS = 8, 16, 32, 64, 128  # channels of a U-Net, from the whole picture downwards
LAYERS = 3, 6, 9, 12  # of the encoder, whose patch vectors a U-Net reads


def loss(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return cross-entropy + 1 - soft Dice of logits and masks of one shape.

    Soft Dice takes probabilities for pixels (Milletari et al. 2016), and is that of all
    pixels of the batch: a slice without a lesion has no Dice of its own.
    """
    masks = masks.to(logits.dtype)
    found = logits.sigmoid()
    soft = (2 * (found * masks).sum() + 1) / (found.sum() + masks.sum() + 1)
    return functional.binary_cross_entropy_with_logits(logits, masks) + 1 - soft


class PatchMaps(nn.Module):
    """An encoder's patch vectors of some layers, as maps mixed by a 1 x 1 convolution.

    `encoder` is DINOv2, or PEFT's model of it: [n, 3, side, side] -> [n, channels,
    side / 14, side / 14].
    """

    def __init__(self, encoder, channels: int, layers=LAYERS):
        super().__init__()
        self.encoder, self.layers = encoder, tuple(layers)
        size = encoder.config.hidden_size
        self.mix = nn.Conv2d(size * len(self.layers), channels, 1)

    def forward(self, pixel_values) -> torch.Tensor:
        states = self.encoder(pixel_values, output_hidden_states=True).hidden_states
        patches = [states[layer][:, 1:] for layer in self.layers]  # without [CLS]
        patches = [functional.layer_norm(each, each.shape[-1:]) for each in patches]
        side = pixel_values.shape[-1] // self.encoder.config.patch_size
        return self.mix(torch.cat(patches, -1).mT.unflatten(2, (side, side)))


class Segmenter(nn.Module):
    """What turns maps into an output with a loss; `maps` is for subclasses."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    def forward(self, pixel_values, labels=None) -> SemanticSegmenterOutput:
        """Return logits [n, side, side], and with masks their loss."""
        logits = self.maps(pixel_values)[:, 0]
        value = None if labels is None else loss(logits, labels)
        return SemanticSegmenterOutput(loss=value, logits=logits)


class LinearHead(Segmenter):
    """One linear classifier for all patches, enlarged bilinearly to the picture."""

    def __init__(self, encoder, layers=LAYERS):
        super().__init__()
        self.patches = PatchMaps(encoder, 1, layers)

    def maps(self, pixel_values):
        """[n, 3, side, side] -> logits [n, 1, side, side]."""
        return _enlarged(self.patches(pixel_values), pixel_values)


class UNet(Segmenter):
    """A small U-Net (Ronneberger et al. 2015), with a ViT's patch maps at its bottom.

    On the way down each level has half the side of the one above; on the way up its
    maps are enlarged and joined with those of the same size. Without an `encoder` the
    lowest level, too, is made of convolutions.
    """

    def __init__(self, encoder=None, layers=LAYERS, widths=WIDTHS):
        super().__init__()
        bottom = widths[-1]
        self.patches = encoder and PatchMaps(encoder, bottom, layers)
        down = widths[:-1] if encoder else widths
        pairs = zip((3, *down), down, strict=False)
        self.down = nn.ModuleList(_convolutions(*pair) for pair in pairs)
        pairs = zip(widths[1:], widths[:-1], strict=True)
        up = [_convolutions(low + high, high) for low, high in pairs]
        self.up = nn.ModuleList(reversed(up))
        self.head = nn.Conv2d(widths[0], 1, 1)
        self.to(memory_format=torch.channels_last)  # faster on a processor

    def maps(self, pixel_values):
        """[n, 3, side, side] -> logits [n, 1, side, side]."""
        hidden, levels = pixel_values, []
        for convolutions in self.down:
            hidden = functional.max_pool2d(hidden, 2) if levels else hidden
            hidden = convolutions(hidden)
            levels.append(hidden)
        hidden = self.patches(pixel_values) if self.patches else levels.pop()
        for convolutions in self.up:
            level = levels.pop()
            hidden = convolutions(torch.cat([_enlarged(hidden, level), level], 1))
        return self.head(hidden)


def _enlarged(maps, like):
    """Interpolate maps bilinearly to the height and width of others."""
    return functional.interpolate(maps, size=like.shape[-2:], mode="bilinear")


def _convolutions(before: int, after: int) -> nn.Sequential:
    """Return twice: 3 x 3 convolution, batch normalisation, ReLU."""
    layers = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)
