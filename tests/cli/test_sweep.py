"""`sweep`: the end of a sweep, and chapters without one."""

from pathlib import Path

import pytest

from helpers import hardware
from helpers.cli import main

pytestmark = pytest.mark.usefixtures("world")


def test_a_sweep_ends_with_the_place_of_its_record(handed_over, world, capsys):
    from helpers.experiments import runner

    world.setattr(runner, "run", lambda number, jobs: Path("cache", number))
    world.setattr(hardware, "use_cores", lambda: print("All cores."))
    world.setattr(runner, "publish", lambda number, file: Path("kept", number))
    assert main.main(["sweep", "2"]) == 0
    assert capsys.readouterr().out == (
        f"All cores.\nEvery score is in {Path('cache', '02')}.\n"
    )
    assert main.main(["sweep", "02", "--save"]) == 0
    assert f"Every score is in {Path('kept', '02')}.\n" in capsys.readouterr().out


def test_a_chapter_without_a_sweep_says_so(handed_over, capsys):
    assert main.main(["sweep", "2b"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "Chapter 02b has no sweep; those that have: 03, 04, 05, 06.\n"
