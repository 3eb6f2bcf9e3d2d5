"""Right and wrong answers to the exercises of chapter 6, fifth sitting."""

from functools import partial

import numpy as np


def on_lesion(heat, mask, swap=False, size=slice(14), highest=lambda heat: heat):
    row, column = np.unravel_index(highest(heat).argmax(), heat.shape)
    if swap:
        row, column = column, row
    patch = mask[14 * row :, 14 * column :][size, size]
    return bool(patch.any())


def grad_cam(activations, gradients, keep=slice(1, None), axis=0, relu=True, out=1):
    patches, slopes = activations[keep], gradients[keep]
    weights = slopes.mean(axis, keepdim=True) if axis is not None else slopes
    heat = (weights * patches).sum(out)
    return (heat.relu() if relu else heat).reshape(7, 7)


def as_captum(activations, gradients):
    return (gradients.mean(1, keepdim=True) * activations).sum(0)


RIGHT = {"on_lesion": on_lesion, "grad_cam": grad_cam, "understood": "c"}
WRONG = {
    "on_lesion": [
        (partial(on_lesion, swap=True), "changed places"),
        (partial(on_lesion, size=slice(1)), "all 14 x 14"),
        (partial(on_lesion, highest=abs), "without its sign"),
        (lambda heat, mask: True, "always"),
        (lambda heat, mask: not on_lesion(heat, mask), "way round"),
        (lambda heat, mask: heat > 0.8, "one answer"),
        (partial(on_lesion, highest=lambda heat: -heat), "lowest"),
    ],
    "grad_cam": [
        (partial(grad_cam, relu=False), "ReLU"),
        (partial(grad_cam, keep=slice(-1)), "comes first"),
        (partial(grad_cam, axis=None), "one weight"),
        (partial(grad_cam, axis=1), "weights patches"),
        (lambda a, g: grad_cam(a, g - g[1:].mean(0) + g.mean(0)), "mean of the grad"),
        (lambda a, g: 49 * grad_cam(a, g), "not their sum"),
        (lambda a, g: grad_cam(a, g) / 8, "instead of averaging"),
        (lambda a, g: grad_cam(a, g).T, "changed places"),
        (lambda a, g: grad_cam(a, g).flatten(), "shape"),
        (lambda a, g: as_captum(a[1:], g[1:]), "per hidden unit"),
    ],
    "understood": [("a", "no accident"), ("b", "unusual"), ("x", "Choose")],
}
UNREPAIRED = {"grad_cam": as_captum}
