"""Freed memory is kept where the C library can, and nothing happens elsewhere."""

import subprocess
import sys

import pytest

from helpers import hardware
from helpers.paths import ROOT

FAULTS = """
import resource, sys
from helpers import hardware

if sys.argv[1] == "keep":
    assert hardware.keep_freed_memory()
for _ in range(20):
    bytearray(2**26)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    bytearray(2**26)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(word: str) -> int:
    command = [sys.executable, "-c", FAULTS, word]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return int(done.stdout)


def test_large_blocks_are_taken_from_the_system_once():
    if not (sys.platform.startswith("linux") and hardware.keep_freed_memory()):
        pytest.skip("this C library is not glibc")
    assert page_faults("keep") < page_faults("as ever") / 10


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_left_alone(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(hardware.ctypes, "CDLL", None)  # a call would fail
    assert hardware.keep_freed_memory() is False
    assert hardware.release_freed_memory() is False


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(hardware.ctypes, "CDLL", lambda name: object())
    assert hardware.keep_freed_memory() is False
    assert hardware.release_freed_memory() is False
