"""A recipe: what a step reads, what it does to the weights, and when it refuses."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.models import language_models
from helpers.pretraining import recipes

SHAPE = language_models.Shape(1, 16, 2, context=64)
RECIPE = recipes.Recipe("mlm", 10, vocabulary="", corpus="", tokens=256, seed=3)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def take_step(objective, tokenizer_of):
    """Return a function that takes a step of a new model, and the model."""
    tokenizer = tokenizer_of[objective]

    def take(number=0, sequences=None, **changes):
        recipe = replace(RECIPE, objective=objective, **changes)
        model, optimizers = recipes.initialise(recipe, tokenizer, SHAPE)
        sequences = SEQUENCES if sequences is None else sequences
        recipes.step(recipe, model, optimizers, tokenizer, sequences, number)
        return model, optimizers

    return take


SEQUENCES = torch.randint(5, 300, (20, 64), generator=torch.Generator().manual_seed(4))


@pytest.fixture
def seen(monkeypatch):
    """Collect what the loss is asked for."""
    calls, loss = [], language_models.loss

    def watch(objective, model, tokenizer, sequences, seed, mlm_probability):
        calls.append((sequences, seed, mlm_probability))
        return loss(objective, model, tokenizer, sequences, seed, mlm_probability)

    monkeypatch.setattr(language_models, "loss", watch)
    return calls


@pytest.mark.parametrize(
    ("objective", "lengths"), [("mlm", [32] * 3 + [128] * 7), ("clm", [128] * 10)]
)
def test_a_bert_reads_short_sequences_at_first(objective, lengths):
    recipe = recipes.Recipe(objective, 10, vocabulary="", corpus="", short_fraction=0.3)
    assert [recipe.length_at(number, 128) for number in range(10)] == lengths
    assert recipe.length_at(0, 16) == 16


def test_short_sequences_are_the_same_text(take_step, objective, seen):
    for number in (1, 2):
        take_step(number, short_fraction=0.2)
    short, whole = (sequences for sequences, *_ in seen)
    assert short.shape == ((8, 32) if objective == "mlm" else (4, 64))
    assert whole.shape == (4, 64)
    known = {tuple(sequence) for sequence in SEQUENCES.tolist()}
    assert {tuple(each) for each in short.view(-1, 64).tolist()} <= known


def test_an_epoch_reads_each_sequence_once_in_an_order_of_its_own(take_step, seen):
    for number in range(10):
        take_step(number, short_fraction=0)
    read = [list(map(tuple, sequences.tolist())) for sequences, *_ in seen]
    first, second = sum(read[:5], []), sum(read[5:], [])
    assert set(first) == set(second) == set(map(tuple, SEQUENCES.tolist()))
    assert len(first) == len(second) == 20
    assert first != second


def test_a_step_follows_from_its_number_and_the_seed_alone(take_step, seen):
    torch.manual_seed(7)
    for number, seed in ((2, 3), (2, 3), (3, 3), (2, 4)):
        take_step(number, seed=seed)
    (text, masks, _), again, later, other = seen
    assert text.equal(again[0]) and masks == again[1]
    assert not text.equal(later[0]) and masks != later[1]
    assert not text.equal(other[0]) and masks != other[1]


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.6])
def test_so_many_tokens_are_masked(tokenizer_of, monkeypatch, probability):
    logits, fractions = language_models.masked_logits, []

    def watch(model, ids, labels):
        fractions.append((labels != -100).float().mean().item())
        return logits(model, ids, labels)

    monkeypatch.setattr(language_models, "masked_logits", watch)
    recipe = replace(RECIPE, mlm_probability=probability, tokens=64 * 40)
    model, optimizers = recipes.initialise(recipe, tokenizer_of["mlm"], SHAPE)
    sequences = SEQUENCES.repeat(2, 1)
    recipes.step(recipe, model, optimizers, tokenizer_of["mlm"], sequences, 0)
    assert fractions == [pytest.approx(probability, abs=0.05)]


def test_decay_shrinks_matrices_and_embeddings_but_no_vector(objective, tokenizer_of):
    recipe = replace(RECIPE, objective=objective, learning_rate=0.5, weight_decay=0.4)
    model, optimizers = recipes.initialise(recipe, tokenizer_of[objective], SHAPE)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for optimizer in optimizers:
        optimizer.step()
    for name, parameter in model.named_parameters():
        kept = 1 if parameter.ndim < 2 else 1 - 0.5 * 0.4
        torch.testing.assert_close(parameter, kept * before[name])


def test_layers_get_muon_and_all_else_adamw_with_the_betas(objective, tokenizer_of):
    recipe = replace(RECIPE, objective=objective, betas=(0.8, 0.95))
    model, (muon, adam) = recipes.initialise(recipe, tokenizer_of[objective], SHAPE)
    names = {p: name for name, p in model.named_parameters()}
    ours = {names[p] for group in muon.param_groups for p in group["params"]}
    others = {names[p] for group in adam.param_groups for p in group["params"]}
    assert ours | others == set(names.values())
    assert not ours & others
    assert not any("embed" in name or "wte" in name or "wpe" in name for name in ours)
    assert all(p.ndim == 2 for p in names if names[p] in ours)
    assert {tuple(group["betas"]) for group in adam.param_groups} == {(0.8, 0.95)}


@pytest.mark.parametrize("number", [0, 1, 5, 9])
def test_every_group_learns_at_the_learning_rate_of_the_step(take_step, number):
    _, optimizers = take_step(number, warmup_fraction=0.2)
    recipe = replace(RECIPE, warmup_fraction=0.2)
    found = {g["lr"] for optimizer in optimizers for g in optimizer.param_groups}
    assert found == {recipe.learning_rate_at(number)}


def test_gradients_are_clipped(tokenizer_of, objective):
    recipe = replace(RECIPE, objective=objective, max_grad_norm=0.01)
    model, _ = recipes.initialise(recipe, tokenizer_of[objective], SHAPE)
    norms = []

    class Watch:
        param_groups = ()

        def step(self):
            norms.append(
                torch.nn.utils.get_total_norm([p.grad for p in model.parameters()])
            )

        def zero_grad(self):
            pass

    recipes.step(recipe, model, [Watch()], tokenizer_of[objective], SEQUENCES, 0)
    assert norms == [pytest.approx(0.01, rel=1e-3)]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_products_have_the_precision_of_the_recipe(
    tokenizer_of, objective, precision, monkeypatch
):
    recipe = replace(RECIPE, objective=objective, precision=precision)
    model, optimizers = recipes.initialise(recipe, tokenizer_of[objective], SHAPE)
    kinds = set()
    layer = next(p for n, p in model.named_modules() if n.endswith((".query", "c_fc")))
    layer.register_forward_hook(lambda module, given, out: kinds.add(out.dtype))
    recipes.step(recipe, model, optimizers, tokenizer_of[objective], SEQUENCES, 0)
    assert kinds == {getattr(torch, precision)}
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_numbers_that_are_not_finite_change_no_weight(
    tokenizer_of, objective, monkeypatch, where
):
    model, optimizers = recipes.initialise(
        replace(RECIPE, objective=objective), tokenizer_of[objective], SHAPE
    )
    before = [p.detach().clone() for p in model.parameters()]
    loss = language_models.loss
    if where == "loss":
        monkeypatch.setattr(language_models, "loss", lambda *g: loss(*g) * math.inf)
    else:
        weight = next(model.parameters())
        weight.register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(FloatingPointError, match="in step 3 the loss is"):
        recipes.step(
            replace(RECIPE, objective=objective),
            model,
            optimizers,
            tokenizer_of[objective],
            SEQUENCES,
            2,
        )
    assert all(map(torch.equal, before, model.parameters()))


def test_a_new_model_is_on_its_device_with_the_same_weights(objective, tokenizer_of):
    moved = []
    recipe = replace(RECIPE, objective=objective)
    with pytest.MonkeyPatch.context() as patch:
        to = torch.nn.Module.to

        def watch(model, device):
            moved.append(device)
            return to(model, None)

        patch.setattr(torch.nn.Module, "to", watch)
        recipes.initialise(recipe, tokenizer_of[objective], SHAPE, "a card")
    assert moved == ["a card"]


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_the_learning_rate_warms_up_and_then_falls_to_nearly_zero(steps, fraction):
    recipe = recipes.Recipe("clm", steps, vocabulary="", corpus="")
    step = min(int(fraction * steps), steps - 1)
    learning_rate = recipe.learning_rate_at(step)
    warm = recipe.warmup_fraction * steps
    assert 0 < learning_rate <= recipe.learning_rate
    if step + 1 < warm * 0.9:
        assert learning_rate == pytest.approx(recipe.learning_rate * (step + 1) / warm)
    if step > warm:
        assert learning_rate == pytest.approx(recipe.learning_rate * (1 - step / steps))
    assert recipe.learning_rate_at(steps - 1) <= recipe.learning_rate / steps * (
        1 + 1e-9
    )
    if steps > 1000:
        assert recipe.learning_rate_at(0) < 0.04 * recipe.learning_rate
        best = max(recipe.learning_rate_at(int(warm) + i) for i in (-1, 0, 1))
        assert best > 0.96 * recipe.learning_rate
