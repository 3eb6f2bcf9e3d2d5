"""`pretrain`: what reaches the training, and what it says at its end."""

import os
import re
from pathlib import Path

import pytest

from helpers import hardware, paths
from helpers.cli import main

pytestmark = pytest.mark.usefixtures("world")


@pytest.fixture
def trained(handed_over, world):
    """Let training succeed; return the list that collects what was asked for."""
    from helpers import metrics
    from helpers.pretraining import pretrain, run_folder

    given = []

    def run(objective, out, **options):
        given.append((objective, out, options))
        return {"perplexity": metrics.Score(12.5, 11.25, 14.0, 800)}

    world.setattr(pretrain, "run", run)
    world.setattr(hardware, "device", lambda profile: f"device of {profile}")
    world.setattr(run_folder, "publish", lambda name, out: Path("published", name))
    return given


@pytest.mark.parametrize("option", ["--minutes", "--steps"])
@pytest.mark.parametrize("amount", ["0", "-1", "nan", "inf", "-inf", "abc", "", "0x10"])
def test_a_budget_is_a_number_above_zero(option, amount, refused):
    sentence = refused(["pretrain", "clm", f"{option}={amount}"])
    assert re.search(
        rf"is not a number above zero|{option}: invalid (int|float)", sentence
    )


@pytest.mark.parametrize(
    "argv",
    [
        ["--steps", "1.5"],
        ["--steps", "2", "--minutes", "1"],
        ["--resume", "--minutes", "1"],
        ["--resume", "--steps", "1"],
        ["--corpus"],
        ["--hours", "1"],
    ],
)
def test_other_budgets_are_refused_before_set_up(argv, refused):
    refused(["pretrain", "mlm", *argv])


@pytest.mark.parametrize("argv", [[], ["gpt"]])
def test_one_of_two_objectives_is_trained(argv, refused):
    assert "pretrain --help" in refused(["pretrain", *argv])


def test_a_training_computes_on_the_usable_cores(trained, world):
    used = []
    world.setattr(hardware, "use_cores", lambda: used.append(len(trained)))
    assert main.main(["pretrain", "clm"]) == 0
    assert used == [0]  # before the training


def test_only_the_courses_own_corpus_is_published(refused):
    sentence = refused(["pretrain", "clm", "--corpus", "x.txt", "--save"])
    assert sentence.startswith("Only the course's own corpus is published: leave out")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], {}),
        (["--minutes", "0.5"], {"minutes": 0.5}),
        (["--steps", "7"], {"steps": 7}),
        (["--resume"], {"resume": True}),
        (["--corpus", "a.txt"], {"corpus": Path("a.txt")}),
    ],
)
def test_options_reach_the_training(trained, argv, expected):
    assert main.main(["pretrain", "mlm", *argv]) == 0
    nothing = {"minutes": 60, "steps": None, "resume": False, "corpus": None}
    expected = nothing | {"device": "device of laptop"} | expected
    assert trained == [("mlm", paths.CACHED_PRETRAINING / "mlm", expected)]


def test_a_training_ends_with_its_figures_and_its_place(trained, capsys):
    assert main.main(["pretrain", "clm", "--out", "here"]) == 0
    out = capsys.readouterr().out
    assert "perplexity: 12.500 [11.250, 14.000] (n=800)" in out
    assert "are in here." in out
    assert "ublished" not in out


def test_what_is_saved_is_published(trained, capsys):
    assert main.main(["pretrain", "clm", "--save"]) == 0
    assert f"Published in {Path('published', 'clm')}." in capsys.readouterr().out


@pytest.mark.parametrize("before", [None, "1"])
def test_a_training_shows_its_progress_unless_told_otherwise(trained, before):
    os.environ.pop("TQDM_DISABLE", None)
    if before:
        os.environ["TQDM_DISABLE"] = before
    main.main(["pretrain", "clm"])
    assert bool(os.environ["TQDM_DISABLE"]) is bool(before)
    assert os.environ["HF_HUB_OFFLINE"] == "1"
