"""The parameter-efficient methods that chapter 4 compares, put on a BERT classifier."""

from functools import partial

import torch
from peft import (
    IA3Config,
    LoraConfig,
    PrefixTuningConfig,
    PromptTuningConfig,
    VeraConfig,
    get_peft_model,
)
from torch import nn

from helpers.models import encoders

LAYERS = {  # of the encoder; the pooler's is none of them
    "query, value": ["query", "value"],
    "attention": ["query", "key", "value", "attention.output.dense"],
    "all linear": ["query", "key", "value", "intermediate.dense", "output.dense"],
}
FFN_OUTPUT = r".*layer\.\d+\.output\.dense"
VIRTUAL_TOKENS, BOTTLENECK = 20, 8


def apply(method: str, model, *, r=8, lora_alpha=16, layers="query, value"):
    """Return a classifier with a method put on it; only that and the head is trained.

    The settings are LoRA's; `layers` is one of `LAYERS`. The model is changed in place.
    """
    by_hand = {"bottleneck adapter": bottleneck, "BitFit": bitfit}
    if method in by_hand:
        encoders.freeze(model)
        by_hand[method](model)
        model.classifier.requires_grad_(True)
        return model
    lora = {"r": r, "lora_alpha": lora_alpha, "target_modules": LAYERS[layers]}
    virtual = {"num_virtual_tokens": VIRTUAL_TOKENS}
    ia3 = {"target_modules": rf".*\.(key|value)|{FFN_OUTPUT}"}
    configs = {
        "LoRA": partial(LoraConfig, **lora),
        "DoRA": partial(LoraConfig, **lora, use_dora=True),
        "rsLoRA": partial(LoraConfig, **lora, use_rslora=True),
        "VeRA": partial(VeraConfig, target_modules=LAYERS["query, value"]),
        "IA3": partial(IA3Config, **ia3, feedforward_modules=FFN_OUTPUT),
        "prefix tuning": partial(PrefixTuningConfig, **virtual),
        "prompt tuning": partial(PromptTuningConfig, **virtual),
    }
    return get_peft_model(model, configs[method](task_type="SEQ_CLS"))


def bitfit(model) -> None:
    """Train the biases alone (Ben Zaken et al. 2022)."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.endswith("bias"))


class Bottleneck(nn.Module):
    """A layer, then a small network beside its output (Houlsby et al. 2019)."""

    def __init__(self, layer: nn.Linear, size: int):
        super().__init__()
        self.layer = layer
        self.down = nn.Linear(layer.out_features, size)
        self.up = nn.Linear(size, layer.out_features)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden):
        """[..., features in] -> [..., features out]; the layer's own at first."""
        output = self.layer(hidden)
        return output + self.up(torch.relu(self.down(output)))


def bottleneck(model, size: int = BOTTLENECK) -> None:
    """Put an adapter behind attention and feed-forward network of each layer."""
    for layer in model.base_model.encoder.layer:
        for block in (layer.attention.output, layer.output):
            block.dense = Bottleneck(block.dense, size)
