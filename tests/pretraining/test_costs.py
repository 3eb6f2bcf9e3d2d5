"""Operations are counted as the formula says, and a step's time adds up to one."""

from dataclasses import replace

import pytest
import torch

from helpers.models import language_models
from helpers.pretraining import costs, recipes

LAYERS, HIDDEN_SIZE = 2, 32
SHAPE = language_models.Shape(LAYERS, HIDDEN_SIZE, 2, 64)


@pytest.fixture
def recipe(objective):
    return recipes.Recipe(objective, 100, vocabulary="", corpus="", tokens=256)


def by_hand(objective, vocabulary, predicted):
    """A layer has 4 h^2 weights in attention and 8 h^2 in the feed-forward network."""
    layers = LAYERS * 12 * HIDDEN_SIZE**2
    # BERT has a matrix more in its head, and one in the pooler only for other tasks
    head = HIDDEN_SIZE**2 if objective == "mlm" else 0
    return 6 * (layers + head + predicted * vocabulary * HIDDEN_SIZE)


def test_operations_are_those_of_the_formula(objective, recipe, tokenizer_of):
    model = language_models.build(objective, tokenizer_of[objective], SHAPE)
    predicted = 0.3 if objective == "mlm" else 1
    wanted = by_hand(objective, len(tokenizer_of[objective]), predicted)
    assert costs.operations_per_token(recipe, model) == pytest.approx(wanted)


def test_a_lower_masking_probability_costs_less(tokenizer_of):
    recipe = recipes.Recipe("mlm", 100, vocabulary="", corpus="")
    model = language_models.build("mlm", tokenizer_of["mlm"], SHAPE)
    few = costs.operations_per_token(replace(recipe, mlm_probability=0.1), model)
    assert few == pytest.approx(by_hand("mlm", len(tokenizer_of["mlm"]), 0.1))


@pytest.mark.usefixtures("one_thread")
def test_speed_is_tokens_over_time(objective, recipe, tokenizer_of, monkeypatch):
    clock = iter([10.0, 14.0])
    monkeypatch.setattr(costs.time, "perf_counter", lambda: next(clock))
    speed = costs.speed(recipe, tokenizer_of[objective], SHAPE)
    model = language_models.build(objective, tokenizer_of[objective], SHAPE)
    assert speed.tokens == pytest.approx(costs.TIMED * 256 / 4)
    assert speed.weights == sum(p.numel() for p in model.parameters())
    counted = costs.operations_per_token(recipe, model)
    assert speed.gflops == pytest.approx(speed.tokens * counted / 1e9)


@pytest.mark.usefixtures("one_thread")
def test_whole_sequences_are_timed(recipe, tokenizer_of, objective, monkeypatch):
    seen, loss = set(), language_models.loss

    def watched(objective, model, tokenizer, sequences, *args):
        seen.add(tuple(sequences.shape))
        return loss(objective, model, tokenizer, sequences, *args)

    monkeypatch.setattr(language_models, "loss", watched)
    costs.speed(recipe, tokenizer_of[objective], SHAPE)
    assert seen == {(4, 64)}


@pytest.mark.usefixtures("one_thread")
def test_fractions_add_up_and_know_the_main_types_of_work(
    objective, recipe, tokenizer_of
):
    fractions = costs.fractions(recipe, tokenizer_of[objective], SHAPE)
    assert sum(fractions.values()) == pytest.approx(1)
    assert list(fractions.values()) == sorted(fractions.values(), reverse=True)
    assert set(fractions) == {*costs.WORK, costs.OPTIMIZER, costs.REST}
    for work in ("matrix products", "GELU", "layer normalisation", costs.OPTIMIZER):
        assert fractions[work] > 0


def test_products_of_the_optimizer_are_the_optimizers(recipe, tokenizer_of):
    weight = torch.nn.Parameter(torch.randn(8, 8))
    weight.grad = torch.randn(8, 8)
    muon = torch.optim.Muon([weight])
    with torch.profiler.profile() as seen:
        muon.step()
        weight.detach() @ weight.detach()
    work = [costs._work(event) for event in seen.events() if event.name == "aten::mm"]
    assert work.count("matrix products") == 1
    assert work.count(costs.OPTIMIZER) > 3
