"""What a step needs is counted right, and measured where the system lets us."""

import threading
import time
from types import SimpleNamespace

import psutil
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from helpers import hardware
from helpers.training import freezing, memory

WIDTH, TEXTS, TOKENS = 64, 8, 32
HELD = 0.5  # seconds, long enough to be seen on a busy machine


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=1000,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=256,
    )
    return BertForSequenceClassification(config).train()


def batch(texts=TEXTS):
    ids = torch.randint(1000, (texts, TOKENS))
    return {"input_ids": ids, "labels": torch.zeros(texts, dtype=torch.long)}


def test_weights_gradients_and_moments_are_counted(model):
    total = sum(p.numel() for p in model.parameters())
    seen = memory.predicted(model, batch())
    assert seen[:3] == (4 * total, 4 * total, 8 * total)
    assert seen.total == 16 * total + seen.activations
    learning = freezing.train_only(model, "head").trainable
    assert memory.predicted(model, batch())[:3] == (
        4 * total,
        4 * learning,
        8 * learning,
    )


@pytest.mark.quiet
def test_counting_leaves_no_activations_behind():
    class Model(torch.nn.Module):
        device = torch.device("cpu")

        def forward(self, x):
            return type("Out", (), {"loss": x.exp().sum()})

    x = torch.randn(2**24, requires_grad=True)  # 64 MiB, as its exponential
    if not hardware.release_freed_memory():
        pytest.skip("this C library is not glibc")
    before = psutil.Process().memory_info().rss
    for _ in range(4):
        assert memory.predicted(Model(), {"x": x}).activations == 2**26
    hardware.release_freed_memory()
    assert psutil.Process().memory_info().rss - before < 2**26


def test_activations_of_one_layer_are_those_of_paper_and_pencil():
    layer = torch.nn.Linear(WIDTH, 5)

    class Model(torch.nn.Module):
        device = torch.device("cpu")

        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return type("Out", (), {"loss": self.layer(x.exp()).sum()})

    x = torch.randn(TEXTS, WIDTH, requires_grad=True)
    seen = memory.predicted(Model(), {"x": x})
    assert (
        seen.activations == 4 * TEXTS * WIDTH
    )  # exp keeps its output, Linear needs it


def test_activations_grow_with_the_batch_and_shrink_with_gradient_checkpointing(model):
    once = memory.predicted(model, batch()).activations
    twice = memory.predicted(model, batch(2 * TEXTS)).activations
    assert twice == pytest.approx(2 * once, rel=0.05)
    model.gradient_checkpointing_enable()
    assert memory.predicted(model, batch()).activations < once / 3


def test_dropout_counts_and_the_modes_come_back(model):
    training = memory.predicted(model, batch())
    assert model.training
    model.bert.eval()  # a part of it: the head stays as it was
    before = [module.training for module in model.modules()]
    assert memory.predicted(model, batch()) == training
    with pytest.raises(ValueError):
        memory.predicted(model, {"labels": torch.zeros(1)})  # no ids
    assert [module.training for module in model.modules()] == before


def test_nothing_is_trained_and_nothing_stays(model):
    before = [p.detach().clone() for p in model.parameters()]
    memory.predicted(model, batch())
    assert all(map(torch.equal, before, model.parameters()))
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.quiet
def test_growth_is_measured():
    if not hardware.release_freed_memory():
        pytest.skip("this C library is not glibc")
    size = 2**26

    def work():
        block = torch.ones(size // 4)
        time.sleep(HELD)
        del block

    assert memory.measured(work) == pytest.approx(size, rel=0.1)


@pytest.mark.quiet
def test_memory_that_an_ended_thread_left_is_no_saving():
    left, size = 2**25, 2**26

    def leave():
        blocks = [bytearray(1000) for _ in range(left // 1000)]
        at_once.wait()  # each has a heap of its own
        del blocks

    def work():
        bytearray(100_000)  # whose end shrinks the heap that was left
        block = torch.ones(size // 4)
        time.sleep(HELD)
        del block

    at_once = threading.Barrier(4)
    hardware.keep_freed_memory()
    threads = [threading.Thread(target=leave) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not hardware.release_freed_memory():
        pytest.skip("this C library is not glibc")
    assert memory.measured(work) == pytest.approx(size, rel=0.1)


def test_files_that_the_system_drops_meanwhile_are_no_saving(monkeypatch):
    told = [(100, 40), (130, 40), (120, 20)]  # all, and how much of it is files

    def memory_info(process):
        rss, shared = told.pop(0) if len(told) > 1 else told[0]
        return SimpleNamespace(rss=rss, shared=shared)

    monkeypatch.setattr(memory.psutil.Process, "memory_info", memory_info)
    assert memory.measured(lambda: time.sleep(0.1)) == 40  # of 100: 120 + 20 dropped


def test_an_error_of_the_work_gets_through_and_the_watcher_ends():
    with pytest.raises(ZeroDivisionError):
        memory.measured(lambda: 1 / 0)
