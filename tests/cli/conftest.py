"""A world in which commands start nothing."""

import os

import pytest

from helpers import paths
from helpers.cli import assets, doctor, main, pretrain, run, settings

MODULES = (assets, doctor, pretrain, run)


@pytest.fixture
def world(monkeypatch, tmp_path):
    """Four sittings, no switches; set-up raises NotImplementedError."""
    names = ("01_ptm_concepts", "02_feature_extraction", "02b_images", "11_last")
    for name in names:
        (tmp_path / f"{name}.ipynb").touch()
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    switches = ("COURSE_PROFILE", "COURSE_SOURCE", "HF_HUB_OFFLINE", "TQDM_DISABLE")
    for name in (*switches, *settings.FOLDERS):
        os.environ.pop(name, None)

    def ensure(argv, install=True):
        raise NotImplementedError(argv)

    for module in MODULES:
        monkeypatch.setattr(module, "ensure", ensure)
    return monkeypatch


@pytest.fixture
def handed_over(world):
    """Let set-up succeed; return the list that collects what commands start."""
    commands = []
    for module in MODULES:
        world.setattr(module, "ensure", lambda argv, install=True: 0.0)
    world.setattr(run, "hand_over", lambda command: commands.append(command) or 5)
    return commands


@pytest.fixture
def refused(world, capsys):
    """Return a function: arguments -> the one sentence with which they are refused."""

    def sentence(argv: list[str]) -> str:
        with pytest.raises(SystemExit) as end:
            main.main(argv)
        assert end.value.code == 2
        printed = capsys.readouterr().err
        assert printed.count("\n") == 1
        return printed

    return sentence
