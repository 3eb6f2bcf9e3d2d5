"""What a step of pre-training costs: counted operations, speed, where the time goes."""

import os
import time
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import profiler

from helpers.models import language_models
from helpers.pretraining import recipes

WARM_UP, TIMED = 2, 5  # steps
WORK = {  # parts of the names of torch's operations
    "matrix products": ("mm",),
    "softmax": ("softmax",),
    "GELU": ("gelu",),
    "layer normalisation": ("layer_norm",),
    "dropout": ("dropout", "bernoulli"),
    "moving and converting numbers": ("copy", "cat", "fill_", "zero_", "index"),
}
OPTIMIZER, REST = "optimizers", "all else"
os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # of the profiler, else it prints


class Speed(NamedTuple):
    """What training got out of the machine."""

    weights: int  # of the whole model
    tokens: float  # per second
    gflops: float  # 10^9 counted operations per second


def operations_per_token(recipe, model) -> float:
    """Count the operations that training spends on a token (Kaplan et al. 2020).

    Each weight of a matrix is multiplied and added once going forward and twice going
    back: 6 operations. Tables are looked up for nothing, except that the output layer,
    which is the same table, works on every position that is asked for. Left out are
    the products inside attention, small in short rows, and the optimizers.
    """
    tables = [m.weight for m in model.modules() if isinstance(m, torch.nn.Embedding)]
    inside = sum(p.numel() for p in model.parameters() if p.ndim == 2)
    inside -= sum(table.numel() for table in tables)
    asked = recipe.mlm_probability if recipe.kind == "mlm" else 1
    return 6 * (inside + asked * model.get_input_embeddings().weight.numel())


def speed(
    recipe, tokenizer, shape: language_models.Shape = language_models.OWN
) -> Speed:
    """Time some steps of a recipe on random text, with a model of any shape."""
    model, take_step = _steps(recipe, tokenizer, shape)
    for number in range(WARM_UP + TIMED):
        if number == WARM_UP:
            begin = time.perf_counter()
        take_step(number)
    tokens = TIMED * recipe.tokens / (time.perf_counter() - begin)
    gflops = tokens * operations_per_token(recipe, model) / 1e9
    return Speed(sum(p.numel() for p in model.parameters()), tokens, gflops)


def shares(
    recipe, tokenizer, shape: language_models.Shape = language_models.OWN
) -> dict[str, float]:
    """Return the share of a step's time by kind of work, the largest first."""
    _, take_step = _steps(recipe, tokenizer, shape)
    for number in range(WARM_UP):
        take_step(number)
    with profiler.profile(activities=[profiler.ProfilerActivity.CPU]) as seen:
        take_step(WARM_UP)
    spent = dict.fromkeys([*WORK, OPTIMIZER, REST], 0.0)
    for event in seen.events():
        spent[_work(event)] += event.self_cpu_time_total
    total = sum(spent.values())
    ordered = sorted(spent, key=spent.get, reverse=True)
    return {name: spent[name] / total for name in ordered}


def _steps(recipe, tokenizer, shape):
    """Return a newborn model and a function that takes its steps on random text."""
    recipe = replace(recipe, short_fraction=0)  # whole rows from the beginning
    model, optimizers = recipes.initialise(recipe, tokenizer, shape)
    context = shape.context or language_models.CONTEXT[recipe.kind]
    dice = torch.Generator().manual_seed(recipe.seed)
    size = (4 * recipe.tokens // context, context)
    rows = torch.randint(len(tokenizer), size, generator=dice)
    return model, lambda number: recipes.step(
        recipe, model, optimizers, tokenizer, rows, number
    )


def _work(event) -> str:
    """Return the kind of work that an event of the profiler belongs to."""
    above = event
    while above is not None:
        if above.name.startswith("Optimizer.step"):
            return OPTIMIZER
        above = above.cpu_parent
    for name, parts in WORK.items():
        if any(part in event.name for part in parts):
            return name
    return REST
