"""Settings and fixtures that the tests share."""

import os
import random
import shutil
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers import hardware

hardware.share_cores()  # before any test loads torch
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
if os.environ.get("COURSE_SOURCE") != "hub":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")

ROOT = Path(__file__).resolve().parents[1]
MARKS = {"integration", "quiet", "colab"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the cells of notebooks, and as unit tests all tests without a mark."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker("notebooks")
        elif not MARKS & {mark.name for mark in item.iter_markers()}:
            item.add_marker("unit")


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the course."""
    return ROOT


@pytest.fixture(scope="session")
def first_edition() -> tuple[str, ...]:
    """The notebooks that have not been rewritten: limits of style spare them."""
    return (
        "01_ptm_concepts.ipynb",
        "02_feature_extraction.ipynb",
        "03_full_fine_tuning.ipynb",
        "05_mlm_pretraining.ipynb",
        "07_gpt2_language_models.ipynb",
    )


@pytest.fixture(scope="session")
def documents() -> list[str]:
    """240 texts of made-up words in which one of four words follows each word."""
    rng = random.Random(0)
    syllables = [a + b for a in "bdfgklmnprst" for b in "aeiou"]
    words = sorted({"".join(rng.choices(syllables, k=3)) for _ in range(200)})
    after = {word: rng.sample(words, 4) for word in words}
    texts = []
    for number in range(240):
        text = [words[number % len(words)]]
        while len(text) < 60:
            text.append(rng.choice(after[text[-1]]))
        texts.append(" ".join(text) + ".")
    return texts


@pytest.fixture(scope="session")
def corpus(documents, tmp_path_factory) -> Path:
    """A file with one of the documents per line."""
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text("\n".join(documents), encoding="utf-8")
    return path


@pytest.fixture
def one_thread():
    """Compute with one thread, which is faster for small models on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small_disk(tmp_path):
    """Return a function that mounts a folder which holds so many bytes at most."""
    mounted = []

    def mount(size: int) -> Path:
        folder = tmp_path / "disk"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if not shutil.which("mount") or subprocess.run(command).returncode:
            pytest.skip("no small disk can be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def no_network(monkeypatch):
    """Let every attempt to open a connection fail the test."""

    def refuse(*_):
        pytest.fail("the network was prompted")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Let the processes that tests start hear Ctrl-C.

    A shell that runs pytest in the background lets it, and all it starts, ignore it.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def fits(monkeypatch):
    """Let training do nothing but note what it was given."""
    import torch

    from helpers.models import encoders
    from helpers.training import fine_tuning

    seen = []

    def classifier(model, tokenizer, data, **options):
        learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
        texts = data["text"][:]
        seen.append({"model": model, "texts": texts, "learning": learning} | options)
        return SimpleNamespace(model=model)

    def logits(model, tokenizer, texts):
        seen[-1]["unseen"] = texts[:]
        return torch.tensor([[1.0, 0.0]]).expand(len(texts), 2)

    monkeypatch.setattr(fine_tuning, "classifier", classifier)
    monkeypatch.setattr(encoders, "logits", logits)
    return seen
