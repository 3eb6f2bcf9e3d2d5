"""What a step of pre-training costs: counted operations, speed, where the time goes."""

import os
import time
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import profiler

from helpers.models import language_models
from helpers.models.language_models import OWN, Shape
from helpers.pretraining import recipes

WARM_UP, TIMED = 2, 8  # steps
WORK = {  # what the names of torch's operations contain
    "matrix products": ("mm",),
    "softmax": ("softmax",),
    "GELU": ("gelu",),
    "layer normalisation": ("layer_norm",),
    "dropout": ("dropout", "bernoulli"),
    "moving and converting numbers": ("copy", "cat", "fill_", "zero_", "index"),
}
OPTIMIZER, REST = "optimizers", "all else"


class Speed(NamedTuple):
    """Weights of a model, tokens and 10^9 counted operations per second."""

    weights: int
    tokens: float
    gflops: float


def operations_per_token(recipe, model) -> float:
    """Count the operations that training spends on a token (Kaplan et al. 2020).

    Each weight of a matrix is multiplied and added once in the forward pass and twice
    in the backward pass: 6 operations; of the embeddings, only the output layer at
    predicted positions. Left out are attention's own products and the optimizers.
    """
    matrices = sum(p.numel() for p in model.parameters() if p.ndim == 2)
    embeddings = (m for m in model.modules() if isinstance(m, torch.nn.Embedding))
    inside = matrices - sum(module.weight.numel() for module in embeddings)
    predicted = recipe.mlm_probability if recipe.objective == "mlm" else 1
    return 6 * (inside + predicted * model.get_input_embeddings().weight.numel())


def speed(recipe, tokenizer, shape: Shape = OWN, device=None) -> Speed:
    """Time some steps of a recipe on random text, with a model of any shape."""
    model, take_step = _steps(recipe, tokenizer, shape, device)
    for number in range(WARM_UP + TIMED):
        if number == WARM_UP:
            begin = time.perf_counter()
        take_step(number)
    tokens = TIMED * recipe.tokens / (time.perf_counter() - begin)
    gflops = tokens * operations_per_token(recipe, model) / 1e9
    return Speed(sum(p.numel() for p in model.parameters()), tokens, gflops)


def fractions(recipe, tokenizer, shape: Shape = OWN, device=None) -> dict[str, float]:
    """Return the fraction of a step's time by type of work, the largest first.

    On an accelerator it is the time of the kernels that an operation starts there.
    """
    _, take_step = _steps(recipe, tokenizer, shape, device)
    for number in range(WARM_UP):
        take_step(number)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler prints
    with profiler.profile() as seen:
        take_step(WARM_UP)
    accelerated = any(event.kernels for event in seen.events())
    spent = dict.fromkeys([*WORK, OPTIMIZER, REST], 0.0)
    for event in seen.events():
        kernels = sum(kernel.duration for kernel in event.kernels)
        spent[_work(event)] += kernels if accelerated else event.self_cpu_time_total
    total = sum(spent.values())
    return {name: spent[name] / total for name in sorted(spent, key=spent.get)[::-1]}


def _steps(recipe, tokenizer, shape, device):
    """Return a new model and a function that takes its steps on random text."""
    steps = WARM_UP + TIMED
    recipe = replace(recipe, short_fraction=0, steps=steps)  # whole sequences
    model, optimizers = recipes.initialise(recipe, tokenizer, shape, device)
    context = shape.context or language_models.CONTEXT[recipe.objective]
    sequences = torch.randint(
        len(tokenizer), (steps * recipe.tokens // context, context)
    )
    given = recipe, model, optimizers, tokenizer, sequences
    return model, partial(recipes.step, *given)


def _work(event) -> str:
    """Return the type of work that an event of the profiler belongs to."""
    parent = event
    while parent is not None:
        if parent.name.startswith("Optimizer.step"):
            return OPTIMIZER
        parent = parent.cpu_parent
    found = (k for k, words in WORK.items() if any(w in event.name for w in words))
    return next(found, REST)
