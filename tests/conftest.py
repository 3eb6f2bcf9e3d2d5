"""Settings and fixtures that the tests share."""

import os
import signal
from pathlib import Path

import pytest

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
if os.environ.get("COURSE_SOURCE") != "hub":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the course."""
    return ROOT


@pytest.fixture
def no_network(monkeypatch):
    """Let every attempt to open a connection fail the test."""

    def refuse(*_):
        pytest.fail("the network was asked")

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
