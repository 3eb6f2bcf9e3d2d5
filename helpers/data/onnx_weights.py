"""Read DINOv2 weights out of an ONNX file, as data: nothing of the graph is executed.

The one packaged copy of DINOv2-S that we know of is the backbone of a saliency
detector, stored as ONNX: a graph of operations with the weights inside. The exporter
kept the names of biases and norms, but folded each weight matrix into an anonymous
constant. The *node* that multiplies by it still carries the path of its layer, so names
can be restored.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx.numpy_helper import to_array
from safetensors.numpy import save_file

from helpers import paths

LAYERS = 12
RENAMED = {  # names in the file -> names in today's transformers
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
}
CONFIG = {
    "architectures": ["Dinov2Model"],
    "model_type": "dinov2",
    "hidden_size": 384,
    "num_hidden_layers": LAYERS,
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
    """Return the backbone's weights under the names of `transformers.Dinov2Model`.

    Each value is a float32 numpy array in the shape the model expects; a `MatMul`
    multiplies from the right, so its matrix is the transpose of the layer's weight.
    The mask token is not in the file; inference does not use it, and it is set to zero.
    """
    graph = onnx.load(onnx_file).graph
    constants = {item.name: to_array(item) for item in graph.initializer}
    found = {
        name.removeprefix("backbone."): value
        for name, value in constants.items()
        if name.startswith("backbone.")
    }
    position = {}
    for node in graph.node:
        if not node.name.startswith("/backbone/"):
            continue
        for name in node.input:
            if name not in constants or name.startswith("backbone."):
                continue
            value = constants[name]
            if node.op_type == "MatMul":
                layer = node.name.removeprefix("/backbone/").removesuffix("/MatMul")
                found[layer.replace("/", ".") + ".weight"] = value.T
            elif value.ndim == 3:  # the two blocks of the position embeddings
                position[value.shape[1]] = value
    found["embeddings.position_embeddings"] = np.concatenate(
        [position[1], position[1369]], axis=1
    )
    found["embeddings.mask_token"] = np.zeros((1, CONFIG["hidden_size"]), np.float32)
    return {_renamed(name): np.ascontiguousarray(v) for name, v in found.items()}


def convert(onnx_file: Path, folder: Path) -> None:
    """Write `model.safetensors`, `config.json` and `preprocessor_config.json`."""
    save_file(weights(onnx_file), folder / "model.safetensors", {"format": "pt"})
    for name, content in (
        ("config.json", CONFIG),
        ("preprocessor_config.json", PREPROCESSOR),
    ):
        text = json.dumps(content, indent=2, sort_keys=True) + "\n"
        paths.write(folder / name, text)


def _renamed(name: str) -> str:
    for old, new in RENAMED.items():
        name = name.replace(old, new)
    return name
