"""`lab`: how JupyterLab is started."""

import os

import pytest

from helpers.cli import main

pytestmark = pytest.mark.usefixtures("world")


def test_lab_stays_on_this_machine_and_opens_the_chapter(handed_over, world):
    assert main.main(["lab", "2", "--no-browser"]) == 5
    (command,) = handed_over
    assert "--ip=127.0.0.1" in command
    assert "--no-browser" in command
    assert command[5].endswith("/lab/tree/notebooks/02_feature_extraction.ipynb")
    assert not any("token" in part or "password" in part for part in command)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no root")
@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_root_is_allowed_only_for_root(handed_over, world, user, allowed):
    world.setattr(os, "geteuid", lambda: user)
    main.main(["lab"])
    assert ("--allow-root" in handed_over[0]) is allowed
