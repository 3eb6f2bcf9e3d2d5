"""The state of a training: what is saved comes back, and nothing is ever half there."""

import pytest
import torch
from safetensors.torch import save_file

from helpers.pretraining import checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")


def initialise(hidden_size: int = 6):
    """A model in which one name ends like another, and an optimizer for each rank."""
    torch.manual_seed(0)
    inner = torch.nn.Sequential(torch.nn.Linear(hidden_size, 1))
    model = torch.nn.Sequential(torch.nn.Linear(4, hidden_size), inner)
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    muon = torch.optim.Muon(matrices, lr=0.1)
    return model, [muon, torch.optim.AdamW(vectors, lr=0.1, fused=True)]


def train(model, optimizers, steps) -> None:
    for step in steps:
        torch.manual_seed(step)
        (model(torch.randn(8, 4)) - 1).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()


def same(one, two) -> bool:
    pairs = zip(one.parameters(), two.parameters(), strict=True)
    return all(torch.equal(*pair) for pair in pairs)


@pytest.fixture
def path(tmp_path):
    """A state after three steps."""
    model, optimizers = initialise()
    train(model, optimizers, range(3))
    path = tmp_path / "state.safetensors"
    checkpoint.save(path, {"step": 3, "é": [1]}, model, optimizers)
    return path


@pytest.mark.parametrize("stop", [0, 1, 5])
def test_a_training_goes_on_as_if_it_had_never_stopped(tmp_path, stop):
    path = tmp_path / "state.safetensors"
    model, optimizers = initialise()
    train(model, optimizers, range(stop))
    checkpoint.save(path, {"step": stop}, model, optimizers)
    train(model, optimizers, range(stop, 9))

    other, its = initialise()
    for parameter in other.parameters():
        parameter.data.zero_()
    checkpoint.restore(path, other, its)
    assert not same(other, model)
    train(other, its, range(stop, 9))
    assert same(other, model)


def test_the_notes_come_back(path):
    assert checkpoint.notes(path) == {"step": 3, "é": [1]}


@pytest.mark.parametrize("fraction", [0, 0.001, 0.1, 0.5, 0.99, 0.9999])
def test_a_state_cut_short_anywhere_is_refused(path, fraction):
    content = path.read_bytes()
    path.write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(checkpoint.PretrainError, match="damaged or cut short") as error:
        checkpoint.notes(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("notes", [None, {"other": "x"}, {"about": "{"}])
def test_a_file_that_is_no_state_is_refused(tmp_path, notes):
    save_file({"a": torch.zeros(2)}, tmp_path / "x.safetensors", metadata=notes)
    with pytest.raises(checkpoint.PretrainError, match="damaged"):
        checkpoint.notes(tmp_path / "x.safetensors")


def test_another_architecture_is_refused(path):
    with pytest.raises(
        checkpoint.PretrainError, match="another architecture .0.weight"
    ):
        checkpoint.restore(path, *initialise(hidden_size=7))
    deeper = torch.nn.Sequential(*initialise()[0], torch.nn.Linear(1, 1))
    with pytest.raises(
        checkpoint.PretrainError, match="another architecture .2.weight"
    ):
        checkpoint.restore(path, deeper, [torch.optim.AdamW(deeper.parameters())])
