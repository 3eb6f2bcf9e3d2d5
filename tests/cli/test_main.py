"""The command line: what it accepts, what it refuses, what it does before set-up."""

import ast
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import paths
from helpers.cli import doctor, main
from helpers.cli.environment import SetupError
from helpers.data import assets
from helpers.paths import ROOT

COMMANDS = ["lab", "run", "test", "doctor", "assets", "pretrain", "sweep"]


class NoSetUp(Exception):
    """Set-up was about to start."""


@pytest.fixture(autouse=True)
def world(monkeypatch, tmp_path):
    """Three chapters, no switches; set-up raises, and a hand-over is only recorded."""
    for chapter in ("01_ptm_concepts", "02_feature_extraction", "11_last"):
        (tmp_path / f"{chapter}.ipynb").touch()
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in ("COURSE_PROFILE", "COURSE_SOURCE", "HF_HUB_OFFLINE"):
        os.environ.pop(name, None)

    def ensure(argv, install=True):
        raise NoSetUp(argv)

    monkeypatch.setattr(main, "ensure", ensure)
    return monkeypatch


@pytest.fixture
def handed_over(world):
    """Let set-up succeed; return the list that collects what commands start."""
    commands = []
    world.setattr(main, "ensure", lambda argv, install=True: 0.0)
    world.setattr(main, "hand_over", lambda command: commands.append(command) or 5)
    return commands


def refused(argv: list[str], capsys) -> str:
    """Return the one sentence with which the arguments are refused."""
    with pytest.raises(SystemExit) as end:
        main.main(argv)
    assert end.value.code == 2
    sentence = capsys.readouterr().err
    assert sentence.count("\n") == 1
    return sentence


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_needs_no_set_up(command, capsys):
    with pytest.raises(SystemExit) as end:
        main.main([command, "--help"])
    assert end.value.code == 0
    assert f"Example: python -m helpers {command}" in capsys.readouterr().out


def test_only_the_standard_library_is_imported_before_set_up():
    bare = [sys.executable, "-S", "-m", "helpers"]
    done = subprocess.run([*bare, "--help"], cwd=ROOT, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert name.encode() in done.stdout


@pytest.mark.parametrize("command", ["lab", "run"])
@pytest.mark.parametrize("text", ["77", "01_other", "x", "0"])
def test_an_unknown_chapter_is_refused_before_set_up(command, text, capsys):
    sentence = refused([command, text], capsys)
    assert f"there is no chapter '{text}'; the chapters are 01, 02, 11" in sentence


@pytest.mark.parametrize(
    "text", ["2", "02", "02_feature_extraction", "02_feature_extraction.ipynb"]
)
def test_a_chapter_has_several_names(text):
    assert main._chapter(text).name == "02_feature_extraction.ipynb"


def test_an_unknown_asset_is_refused_before_set_up(capsys):
    sentence = refused(["assets", "fetch", "minilm", "maxilm"], capsys)
    assert "there is no asset 'maxilm'; the assets are minilm" in sentence


@pytest.mark.parametrize(
    "argv", [["lab"], ["run"], ["test"], ["assets", "verify"], ["pretrain", "mlm"]]
)
def test_an_unknown_profile_is_refused_before_set_up(argv, world, capsys):
    world.setenv("COURSE_PROFILE", "desktop")
    sentence = refused(argv, capsys)
    assert "no profile 'desktop'; set COURSE_PROFILE to laptop or full" in sentence


@pytest.mark.parametrize("argv", [[], ["rum"], ["doctor", "--fast"], ["assets"]])
def test_other_mistakes_are_refused_in_one_sentence(argv, capsys):
    assert "--help" in refused(argv, capsys)


def test_fetch_wants_names(capsys):
    assert main.main(["assets", "fetch"]) == 2
    assert "--all" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        ["lab"],
        ["run", "1"],
        ["test"],
        ["assets", "fetch", "minilm"],
        ["pretrain", "mlm"],
        ["sweep", "2"],
    ],
)
def test_commands_set_up_first_and_pass_themselves_on(argv):
    with pytest.raises(NoSetUp) as start:
        main.main(argv)
    assert start.value.args == (argv,)


def test_arguments_of_test_go_to_pytest_as_they_are(handed_over):
    assert main.main(["test", "-k", "a or b", "tests/test_cli.py", "--help-me"]) == 5
    (command,) = handed_over
    assert command[1:3] == ["-m", "pytest"]
    assert command[3:] == ["-k", "a or b", "tests/test_cli.py", "--help-me"]


def test_kernels_are_quiet_and_offline(handed_over):
    main.main(["test"])
    assert os.environ["TQDM_DISABLE"] == os.environ["HF_HUB_OFFLINE"] == "1"
    assert os.environ["PYTHONHASHSEED"] == "0"
    assert os.environ["TRANSFORMERS_VERBOSITY"] == "error"


@pytest.mark.parametrize(
    ("name", "value"), [("COURSE_PROFILE", "full"), ("COURSE_SOURCE", "hub")]
)
def test_the_hub_is_allowed_where_it_is_asked_for(handed_over, name, value):
    os.environ[name] = value
    main.main(["test"])
    assert "HF_HUB_OFFLINE" not in os.environ


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


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (SetupError("Do this."), 1, "Do this."),
        (assets.AssetError("Do that."), 1, "Do that."),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (PermissionError(13, "Denied", "x.json"), 1, "Cannot use x.json (Denied)"),
    ],
)
def test_errors_are_sentences(world, capsys, error, code, words):
    def ensure(argv, install=True):
        raise error

    world.setattr(main, "ensure", ensure)
    assert main.main(["test"]) == code
    assert words in capsys.readouterr().err


def test_assets_are_fetched_as_far_as_possible(handed_over, world, capsys):
    def fetch(name):
        if name == "minilm":
            raise assets.AssetError("minilm cannot be had.")
        return Path("folder")

    world.setattr(assets, "fetch", fetch)
    assert main.main(["assets", "fetch", "--all"]) == 1
    out, err = capsys.readouterr()
    assert err == "minilm cannot be had.\n"
    assert out.count("in folder") == len(assets.catalogue()) - 1


@pytest.mark.parametrize(
    ("state", "code"), [("verified", 0), ("missing", 0), ("config.json is damaged", 1)]
)
def test_verify_fails_only_for_damage(handed_over, world, capsys, state, code):
    world.setattr(assets, "verify", lambda name: state)
    assert main.main(["assets", "verify"]) == code
    assert f"minilm: {state}" in capsys.readouterr().out


def test_list_shows_licence_and_size(capsys):
    assert main.main(["assets", "list"]) == 0
    out = capsys.readouterr().out
    for asset in assets.catalogue().values():
        assert f"{asset.name}  ({asset.kind}, {asset.download_mb} MB)" in out
        assert asset.licence in out


def test_doctor_installs_nothing_and_reports_a_wrong_profile(world, capsys):
    world.setenv("COURSE_PROFILE", "desktop")
    asked = []
    world.setattr(main, "ensure", lambda argv, install=True: asked.append(install))
    world.setattr(doctor, "_assets", lambda: [])
    assert main.main(["doctor"]) == 1
    assert asked == [False]
    assert "no profile 'desktop'" in capsys.readouterr().out


@pytest.fixture
def trained(handed_over, world):
    """Let training succeed; return the list that collects what was asked for."""
    from helpers import metrics
    from helpers.pretraining import pretrain

    asked = []

    def run(kind, out, **options):
        asked.append((kind, out, options))
        return {"perplexity": metrics.Score(12.5, 11.25, 14.0, 800)}

    world.setattr(pretrain, "run", run)
    world.setattr(pretrain, "publish", lambda kind, out: Path("published", kind))
    return asked


@pytest.mark.parametrize("option", ["--minutes", "--steps"])
@pytest.mark.parametrize("amount", ["0", "-1", "nan", "inf", "-inf", "abc", "", "0x10"])
def test_a_budget_is_a_number_above_zero(option, amount, capsys):
    sentence = refused(["pretrain", "clm", f"{option}={amount}"], capsys)
    assert f"{option}: '{amount}' is not a number above zero" in sentence


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
def test_other_budgets_are_refused_before_set_up(argv, capsys):
    refused(["pretrain", "mlm", *argv], capsys)


@pytest.mark.parametrize("argv", [[], ["gpt"]])
def test_one_of_two_kinds_is_trained(argv, capsys):
    assert "pretrain --help" in refused(["pretrain", *argv], capsys)


def test_only_the_courses_own_corpus_is_published(capsys):
    argv = ["pretrain", "clm", "--corpus", "x.txt", "--save"]
    assert main.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "Only the course's own corpus is published: leave out --save.\n"


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], {"minutes": 60}),
        (["--minutes", "0.5"], {"minutes": 0.5}),
        (["--steps", "7"], {"steps": 7}),
        (["--resume"], {"resume": True}),
        (["--corpus", "a.txt"], {"minutes": 60, "corpus": Path("a.txt")}),
    ],
)
def test_options_reach_the_training(trained, argv, expected):
    assert main.main(["pretrain", "mlm", *argv]) == 0
    nothing = {"minutes": None, "steps": None, "resume": False, "corpus": None}
    assert trained == [("mlm", paths.CACHED_PRETRAINING / "mlm", nothing | expected)]


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
def test_a_training_shows_its_progress_unless_you_said_no(trained, before):
    os.environ.pop("TQDM_DISABLE", None)
    if before:
        os.environ["TQDM_DISABLE"] = before
    main.main(["pretrain", "clm"])
    assert bool(os.environ["TQDM_DISABLE"]) is bool(before)
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_a_sweep_ends_with_the_place_of_its_record(handed_over, world, capsys):
    from helpers.experiments import runner

    world.setattr(runner, "run", lambda number: Path("cache", number))
    world.setattr(runner, "publish", lambda number, file: Path("kept", number))
    assert main.main(["sweep", "2"]) == 0
    assert capsys.readouterr().out == f"Every score is in {Path('cache', '02')}.\n"
    assert main.main(["sweep", "02", "--save"]) == 0
    assert capsys.readouterr().out == f"Every score is in {Path('kept', '02')}.\n"


def test_a_chapter_without_a_sweep_says_so(handed_over, capsys):
    assert main.main(["sweep", "2"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "Chapter 02 has no sweep; those that have: 03, 05.\n"


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 6, 15), (3, 10, 13)])
def test_an_old_python_gets_one_sentence(world, capsys, version):
    world.setattr(sys, "version_info", version)
    world.setattr(sys, "version", ".".join(map(str, version)) + " (main)")
    with pytest.raises(SystemExit) as end:
        runpy.run_module("helpers", run_name="__main__")
    assert end.value.code == 2
    sentence = capsys.readouterr().err
    assert "needs Python 3.11 or newer" in sentence
    assert f"is Python {'.'.join(map(str, version))}:" in sentence
    assert sentence.count("\n") == 1


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py"])
def test_an_old_python_can_read_the_first_files(name):
    source = (ROOT / "helpers" / name).read_text(encoding="utf-8")
    source.encode("ascii")  # Python 2.7 refuses other letters
    tree = ast.parse(source, feature_version=(3, 4))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr)
    assert not any(isinstance(node, newer) for node in ast.walk(tree))
