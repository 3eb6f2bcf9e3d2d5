"""The converted DINOv2 computes what the ONNX graph computes."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
from transformers import Dinov2Config, Dinov2Model

from helpers.data import assets, onnx_weights

PAIR = Path(__file__).parent / "dinov2_pair.npz"
TOLERANCE = 1e-4  # the two runtimes agreed to 8.8e-6


@pytest.fixture(scope="module")
def loaded():
    """The model from the fetched asset, with what transformers says about loading."""
    model, info = Dinov2Model.from_pretrained(
        assets.fetch("dinov2-small", quiet=True),
        dtype=torch.float32,
        output_loading_info=True,
    )
    return model.eval(), info


@pytest.fixture(scope="module")
def model(loaded):
    return loaded[0]


@torch.inference_mode()
def distance_from_onnx(model) -> float:
    """Largest difference from what onnxruntime computed for the same input."""
    x = np.sin(np.arange(3 * 224 * 224, dtype=np.float64) ** 1.5 / 1000)
    pixels = torch.from_numpy(x.reshape(1, 3, 224, 224).astype(np.float32))
    pair = np.load(PAIR)
    hidden = model(pixels).last_hidden_state[0].numpy()  # [257, 384]
    return float(np.abs(hidden[pair["tokens"]] - pair["hidden"]).max())


def test_the_stored_pair_holds_tokens_from_all_over_the_picture():
    pair = np.load(PAIR)
    assert pair["hidden"].shape == (len(pair["tokens"]), 384)
    assert pair["tokens"].min() == 0  # [CLS]
    assert pair["tokens"].max() > 200
    assert pair["hidden"].std() > 0.1


def test_every_weight_of_the_model_is_in_the_asset_and_no_other(loaded):
    _, info = loaded
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]


def test_the_model_agrees_with_the_onnx_graph(model):
    assert distance_from_onnx(model) < TOLERANCE


@pytest.mark.parametrize("damage", ["transposed", "swapped", "permuted", "scaled"])
def test_the_comparison_notices_one_wrong_weight(model, damage):
    attention = model.encoder.layer[5].attention
    weights = {name: p for name, p in attention.named_parameters() if p.ndim == 2}
    query, key = (
        next(p for name, p in weights.items() if part in name)
        for part in ("q_proj", "k_proj")
    )
    before = query.detach().clone(), key.detach().clone()
    try:
        with torch.no_grad():
            if damage == "transposed":
                query.copy_(before[0].T)
            elif damage == "swapped":
                query.copy_(before[1])
                key.copy_(before[0])
            elif damage == "permuted":
                query.copy_(before[0].roll(1, dims=0))
            else:
                query.mul_(1.01)
        assert distance_from_onnx(model) > TOLERANCE
    finally:
        with torch.no_grad():
            query.copy_(before[0])
            key.copy_(before[1])


@pytest.fixture
def little_graph(tmp_path):
    """An ONNX file with the naming habits of the exporter: one layer, width 4."""
    rng = np.random.default_rng(0)

    def matrix(*shape):
        return rng.normal(size=shape).astype(np.float32)

    constants = {
        "backbone.encoder.layer.0.attention.attention.query.bias": matrix(4),
        "backbone.layernorm.weight": matrix(4),
        "onnx::MatMul_7": matrix(4, 4),
        "onnx::MatMul_8": matrix(4, 8),
        "onnx::Concat_1": matrix(1, 1, 4),
        "onnx::Reshape_2": matrix(1, 1369, 4),
        "decoder.weight": matrix(4, 4),
        "onnx::MatMul_9": matrix(4, 4),
    }
    layer = "/backbone/encoder/layer.0/"
    nodes = [
        ("MatMul", f"{layer}attention/attention/query/MatMul", "onnx::MatMul_7"),
        ("MatMul", f"{layer}mlp/fc1/MatMul", "onnx::MatMul_8"),
        ("Concat", "/backbone/embeddings/Concat", "onnx::Concat_1"),
        ("Reshape", "/backbone/embeddings/Reshape", "onnx::Reshape_2"),
        ("MatMul", "/decoder/MatMul", "onnx::MatMul_9"),
    ]
    graph = helper.make_graph(
        [helper.make_node(op, ["x", name], ["y"], name=at) for op, at, name in nodes],
        "little",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    path = tmp_path / "little.onnx"
    onnx.save(helper.make_model(graph), path)
    return path, constants


def test_matrices_get_their_layers_name_and_are_transposed(little_graph):
    path, constants = little_graph
    found = onnx_weights.weights(path)
    prefix = "encoder.layer.0."
    matrices = {
        f"{prefix}attention.attention.query.weight": "onnx::MatMul_7",
        f"{prefix}mlp.fc1.weight": "onnx::MatMul_8",
    }
    for name, constant in matrices.items():
        np.testing.assert_array_equal(found[name], constants[constant].T)
        assert found[name].flags["C_CONTIGUOUS"]


def test_named_constants_keep_their_value_and_published_name(little_graph):
    """Colab's transformers knows no other names, and refuses the file with them."""
    path, constants = little_graph
    found = onnx_weights.weights(path)
    name = "encoder.layer.0.attention.attention.query.bias"
    np.testing.assert_array_equal(found[name], constants[f"backbone.{name}"])
    np.testing.assert_array_equal(
        found["layernorm.weight"], constants["backbone.layernorm.weight"]
    )


def test_the_position_table_is_put_together_class_token_first(little_graph):
    path, constants = little_graph
    table = onnx_weights.weights(path)["embeddings.position_embeddings"]
    assert table.shape == (1, 1370, 4)
    np.testing.assert_array_equal(table[:, :1], constants["onnx::Concat_1"])
    np.testing.assert_array_equal(table[:, 1:], constants["onnx::Reshape_2"])


def test_nothing_of_the_saliency_decoder_comes_along(little_graph):
    assert not [
        name for name in onnx_weights.weights(little_graph[0]) if "decoder" in name
    ]


def test_converting_twice_writes_the_same_bytes(little_graph, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        onnx_weights.convert(little_graph[0], tmp_path / name)
    written = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert written == ["config.json", "model.safetensors", "preprocessor_config.json"]
    for name in written:
        one, two = (tmp_path / folder / name for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
        assert b"\r" not in one.read_bytes() or name.endswith("safetensors")
    saved = load_file(tmp_path / "one" / "model.safetensors")
    assert saved.keys() == onnx_weights.weights(little_graph[0]).keys()


def test_the_configuration_is_the_small_model_for_518_pixels(tmp_path, little_graph):
    onnx_weights.convert(little_graph[0], tmp_path)
    written = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config = Dinov2Config(**written)
    shape = (config.hidden_size, config.num_hidden_layers, config.num_attention_heads)
    assert shape == (384, 12, 6)
    assert (config.image_size // config.patch_size) ** 2 == 1369
