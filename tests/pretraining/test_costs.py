"""Operations are counted as the formula says, and a step's time adds up to one."""

from dataclasses import replace

import pytest
import torch

from helpers.models import language_models, tokenizers
from helpers.pretraining import costs, recipes

SHAPE = language_models.Shape(num_layers=2, hidden_size=32, num_heads=2, context=64)
KINDS = ["mlm", "clm"]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def tokenizer_of(documents):
    return {
        "mlm": tokenizers.wordpiece(documents, 300),
        "clm": tokenizers.byte_pairs(documents, 300),
    }


@pytest.fixture
def recipe(kind):
    return recipes.Recipe(kind, 100, vocabulary="", corpus="", tokens=256)


def by_hand(kind, pieces_, asked):
    """A layer has 4 w^2 weights in attention and 8 w^2 in the other part."""
    layers = SHAPE.layers * 12 * SHAPE.width**2
    # BERT has a matrix more in its head, and one in the pooler only for other tasks
    head = SHAPE.width**2 if kind == "mlm" else 0
    return 6 * (layers + head + asked * pieces_ * SHAPE.width)


def test_operations_are_those_of_the_formula(kind, recipe, tokenizer_of):
    model = language_models.build(kind, tokenizer_of[kind], SHAPE)
    asked = 0.3 if kind == "mlm" else 1
    wanted = by_hand(kind, len(tokenizer_of[kind]), asked)
    assert costs.operations_per_token(recipe, model) == pytest.approx(wanted)


def test_asking_for_less_costs_less(tokenizer_of):
    recipe = recipes.Recipe("mlm", 100, vocabulary="", corpus="")
    model = language_models.build("mlm", tokenizer_of["mlm"], SHAPE)
    few = costs.operations_per_token(replace(recipe, mlm_probability=0.1), model)
    assert few == pytest.approx(by_hand("mlm", len(tokenizer_of["mlm"]), 0.1))


@pytest.mark.usefixtures("one_thread")
def test_speed_is_tokens_over_time(kind, recipe, tokenizer_of, monkeypatch):
    clock = iter([10.0, 14.0])
    monkeypatch.setattr(costs.time, "perf_counter", lambda: next(clock))
    speed = costs.speed(recipe, tokenizer_of[kind], SHAPE)
    model = language_models.build(kind, tokenizer_of[kind], SHAPE)
    assert speed.tokens == pytest.approx(costs.TIMED * 256 / 4)
    assert speed.weights == sum(p.numel() for p in model.parameters())
    counted = costs.operations_per_token(recipe, model)
    assert speed.gflops == pytest.approx(speed.tokens * counted / 1e9)


@pytest.mark.usefixtures("one_thread")
def test_whole_rows_are_timed(recipe, tokenizer_of, kind, monkeypatch):
    seen, loss = set(), language_models.loss

    def watched(kind, model, tokenizer, rows, *args, **options):
        seen.add(tuple(rows.shape))
        return loss(kind, model, tokenizer, rows, *args, **options)

    monkeypatch.setattr(language_models, "loss", watched)
    costs.speed(recipe, tokenizer_of[kind], SHAPE)
    assert seen == {(4, 64)}


@pytest.mark.usefixtures("one_thread")
def test_shares_add_up_and_know_the_main_kinds_of_work(kind, recipe, tokenizer_of):
    shares = costs.shares(recipe, tokenizer_of[kind], SHAPE)
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert set(shares) == {*costs.WORK, costs.OPTIMIZER, costs.REST}
    for work in ("matrix products", "GELU", "layer normalisation", costs.OPTIMIZER):
        assert shares[work] > 0


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
