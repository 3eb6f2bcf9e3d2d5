"""Checks of the exercises of chapter 4."""

import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from helpers.exercises.verdicts import AS_GIVEN, OPEN, RIGHT, choice, wrong

LAYERS = {"q_lin", "v_lin"}  # of DistilBERT's attention: query and value


def _matrices():
    """Return x [5, 4], W [3, 4], A [2, 4] and B [3, 2]."""
    generator = torch.Generator().manual_seed(6)
    shapes = (5, 4), (3, 4), (2, 4), (3, 2)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def adapt(function):
    """LoRA of rank 4 on the query and value layers of a DistilBERT, and its head."""
    shape = {"n_layers": 2, "dim": 16, "hidden_dim": 32, "n_heads": 2, "vocab_size": 9}
    model = DistilBertForSequenceClassification(DistilBertConfig(**shape))
    plain = {id(parameter) for parameter in model.parameters()}
    try:
        adapted = function(model)
    except Exception as error:  # of whatever the learner's code calls
        why = str(error).partition("\n")[0]
        return wrong(
            f"It stops: {why} Look at the names of the layers: query and value."
        )
    if adapted is None:
        changed = any("lora_" in name for name, _ in model.named_parameters())
        return (
            wrong("Your function returned None: return the model.") if changed else OPEN
        )
    trained = {n: p for n, p in adapted.named_parameters() if p.requires_grad}
    ranks = {name: min(p.shape) for name, p in trained.items() if "lora_" in name}
    if not ranks:
        return wrong("There is no LoRA in what you return: what does the library give?")
    if {name.split(".lora_")[0].split(".")[-1] for name in ranks} != LAYERS:
        return wrong("Query and value are called q_lin and v_lin: those, no others.")
    if {*ranks.values()} != {4}:
        return wrong(f"The rank is {max(ranks.values())}, not 4.")
    if not any("classifier" in name for name in trained):
        return wrong("The new head stays random: say what task it is for.")
    if adapted.peft_config["default"].task_type not in (None, "SEQ_CLS"):
        return wrong("The head is trained, for another task: a sequence is classified.")
    if any(id(p) in plain and "classifier" not in n for n, p in trained.items()):
        return wrong("Some of the model's own weights are trained, too.")
    return RIGHT


def initialise(function):
    """The start of A [r, in] and B [out, r], filled in place."""
    x, W, A, B = _matrices()
    A, B = (torch.full_like(each, 7.0).requires_grad_() for each in (A, B))
    with torch.no_grad():
        function(A, B)
    if (A == 7).all() and (B == 7).all():
        return wrong("Nothing was filled. Change the matrices in place, as `zeros_`.")
    if (B @ A).abs().max() > 0:
        return wrong("B A is not zero, so training starts at a damaged model.")
    (x @ W.T + x @ A.T @ B.T).square().sum().backward()
    if A.grad.abs().max() == 0 and B.grad.abs().max() == 0:
        return AS_GIVEN
    filled = A if B.abs().max() == 0 else B
    if filled.std() == 0:
        return wrong("Equal numbers stay equal: the rank is 1 then. Use random ones.")
    return RIGHT


enough = choice(  # full at its best learning rate, LoRA at that same one
    a="Seeds tell how sure a difference is, not whether it was fair.",
    b="Right: four ranks at one learning rate, and not LoRA's own. Tune that first.",
    c="A larger rank does not repair what was chosen for the other side.",
)
