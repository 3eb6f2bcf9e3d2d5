"""Heat maps of a vision transformer that classifies, and the pointing game.

A map is float32 [images, side, side], one value per patch, on the processor. A model is
a transformers classifier with `attn_implementation="eager"` whose weights have
gradients; its positive class is 1. ViT and DINOv2 were tried: their sequence is [CLS],
then the patches, nothing else. Pixels are [images, 3, height, width], prepared.
"""

import numpy as np
import torch
from captum.attr import IntegratedGradients, Occlusion
from torch.nn.functional import avg_pool2d

from helpers import metrics

STEPS = 16  # of integrated gradients
BATCH = 64  # images in one pass


class HeatMapError(ValueError):
    """A map cannot be made or compared; the message says why and what to do."""


def evidence(model):
    """Return the function that maps pixels to logit(positive) - logit(other), [n]."""

    def difference(pixels):
        logits = model(pixels).logits
        return logits[:, 1] - logits[:, 0]

    return difference


@torch.no_grad()
def attention(model, pixels) -> torch.Tensor:
    """Return what [CLS] gives to each patch in the last layer, mean over heads.

    Raises HeatMapError for a kind of attention that keeps no weights.
    """
    if model.config._attn_implementation != "eager":
        raise HeatMapError(
            "This model keeps no attention weights: load it with "
            'attn_implementation="eager".'
        )
    last = model(pixels, output_attentions=True).attentions[-1]
    return _squares(last.mean(1)[:, 0, 1:])


@torch.no_grad()
def occlusion(model, pixels) -> torch.Tensor:
    """Return how far the evidence falls when a patch is grey (Zeiler, Fergus 2014)."""
    patch = model.config.patch_size
    window = (3, patch, patch)
    falls = Occlusion(evidence(model)).attribute(
        pixels, window, strides=window, perturbations_per_eval=2
    )
    return falls[:, 0, ::patch, ::patch].cpu()


def integrated_gradients(model, pixels) -> torch.Tensor:
    """Return the patches' parts of the evidence, against grey (Sundararajan 2017)."""
    method = IntegratedGradients(evidence(model))
    parts = method.attribute(pixels, n_steps=STEPS, internal_batch_size=BATCH)
    patch = model.config.patch_size
    means = avg_pool2d(parts.sum(1, keepdim=True), patch)[:, 0]
    return (means * patch**2).detach().cpu()


def grad_cam(model, pixels, layer: int = -4) -> torch.Tensor:
    """Return Grad-CAM (Selvaraju et al. 2017) with patches as positions.

    `layer` counts hidden states as transformers does; -1 is the last. There, of a head
    that reads [CLS] only, all gradients are 0.
    """
    output = model(pixels, output_hidden_states=True)
    hidden = output.hidden_states[layer]  # [images, 1 + patches, hidden size]
    score = output.logits[:, 1] - output.logits[:, 0]
    slopes = torch.autograd.grad(score.sum(), hidden)[0][:, 1:]
    weights = slopes.mean(1, keepdim=True)  # over patches: one for each hidden unit
    return _squares((weights * hidden[:, 1:]).sum(-1).relu().detach())


METHODS = {
    "attention": attention,
    "occlusion": occlusion,
    "integrated gradients": integrated_gradients,
    "Grad-CAM": grad_cam,
}


def inside(masks, side: int) -> torch.Tensor:
    """Say which patches have their middle in a mask: bool [n, side, side].

    `masks` are Pillow images or arrays [height, width], 0 outside. Raises HeatMapError
    if the patches do not divide them.
    """
    outlines = torch.from_numpy(np.stack([*map(np.asarray, masks)]))
    patch, rest = divmod(outlines.shape[-1], side)
    if rest:
        raise HeatMapError(
            f"{side} patches do not divide {outlines.shape[-1]} pixels: "
            "give masks of the model's size."
        )
    return outlines[:, patch // 2 :: patch, patch // 2 :: patch] > 0


def points(maps, masks, other=None) -> metrics.Score:
    """Play the pointing game: how many maps are highest inside the mask?

    `maps` [n, side, side], `masks` as for `inside`, one for each. Returns the fraction
    with its Wilson interval (Zhang et al. 2016). With `other`, maps of a second method,
    it is the paired difference to it.
    """
    hits = _hits(maps, masks)
    if other is not None:
        return metrics.paired(hits, _hits(other, masks))
    return metrics.proportion(hits.sum(), len(hits))


def _hits(maps, masks) -> torch.Tensor:
    """Say of each map if it is highest inside; one without differences is not: [n]."""
    maps = torch.as_tensor(maps)
    flat, lesion = maps.flatten(1), inside(masks, maps.shape[-1]).flatten(1)
    hit = lesion.gather(1, flat.argmax(1, keepdim=True))[:, 0]
    return hit & (flat.max(1).values > flat.min(1).values)


def _squares(values) -> torch.Tensor:
    """[images, patches] -> [images, side, side], on the processor."""
    side = round(values.shape[1] ** 0.5)
    if side**2 != values.shape[1]:
        raise HeatMapError(
            f"The model has {values.shape[1]} vectors after [CLS], which are not the "
            "patches of a square (register tokens, perhaps): take occlusion or "
            "integrated gradients."
        )
    return values.reshape(-1, side, side).cpu()
