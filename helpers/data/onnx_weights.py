"""Read DINOv2 weights out of an ONNX file, as data: nothing of the graph is executed.

The one packaged copy of DINOv2-S that we know of is the backbone of a saliency
detector. The exporter folded each weight matrix into an anonymous constant, but the
*node* that multiplies by it carries the path of its layer, so names can be restored.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx.numpy_helper import to_array
from safetensors.numpy import save_file

from helpers import paths

CONFIG = {
    "architectures": ["Dinov2Model"],
    "model_type": "dinov2",
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "mlp_ratio": 4,
    "image_size": 518,
    "patch_size": 14,
    "layer_norm_eps": 1e-6,
}
PREPROCESSOR = {
    "image_processor_type": "BitImageProcessor",
    "do_convert_rgb": True,
    "do_resize": True,
    "size": {"shortest_edge": 256},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}


def weights(onnx_file: Path) -> dict:
    """Return the backbone's weights under the names of the published checkpoint.

    Every version of transformers reads those; the names inside its model changed.
    Each value is a float32 numpy array in the shape the model expects; a `MatMul`
    multiplies from the right, so its matrix is the transpose of the layer's weight.
    The mask token is not in the file; inference does not use it, and it is set to zero.
    """
    graph = onnx.load(onnx_file).graph
    found, anonymous, position = {}, {}, {}
    for item in graph.initializer:
        named = item.name.startswith("backbone.")
        target = found if named else anonymous
        target[item.name.removeprefix("backbone.")] = to_array(item)
    for node in graph.node:
        layer = node.name.removeprefix("/backbone/")
        constants = [anonymous[name] for name in node.input if name in anonymous]
        for value in constants if layer != node.name else []:
            if node.op_type == "MatMul":
                name = layer.removesuffix("/MatMul").replace("/", ".")
                found[f"{name}.weight"] = value.T
            elif value.ndim == 3:  # the two blocks of the position embeddings
                position[value.shape[1]] = value
    blocks = [position[1], position[1369]]  # of [CLS] and of the patches
    found["embeddings.position_embeddings"] = np.concatenate(blocks, axis=1)
    found["embeddings.mask_token"] = np.zeros((1, CONFIG["hidden_size"]), np.float32)
    return {name: np.ascontiguousarray(value) for name, value in found.items()}


def convert(onnx_file: Path, folder: Path) -> None:
    """Write `model.safetensors`, `config.json` and `preprocessor_config.json`."""
    save_file(weights(onnx_file), folder / "model.safetensors", {"format": "pt"})
    for name, content in (("config", CONFIG), ("preprocessor_config", PREPROCESSOR)):
        text = json.dumps(content, indent=2, sort_keys=True) + "\n"
        paths.write(folder / f"{name}.json", text)
