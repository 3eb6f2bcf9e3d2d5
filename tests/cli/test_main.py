"""The command line: what it accepts, what it refuses, what it does before set-up."""

import ast
import runpy
import subprocess
import sys

import pytest

from helpers.cli import doctor, main, run
from helpers.cli.environment import SetupError
from helpers.data import assets
from helpers.paths import ROOT

COMMANDS = ["lab", "run", "test", "doctor", "assets", "pretrain", "sweep"]

pytestmark = pytest.mark.usefixtures("world")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_needs_no_set_up(command, capsys):
    with pytest.raises(SystemExit) as end:
        main.main([command, "--help"])
    assert end.value.code == 0
    assert f"Example: python -m helpers {command}" in capsys.readouterr().out


@pytest.mark.integration
def test_only_the_standard_library_is_imported_before_set_up():
    bare = [sys.executable, "-S", "-m", "helpers"]
    done = subprocess.run([*bare, "--help"], cwd=ROOT, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert name.encode() in done.stdout


@pytest.mark.parametrize(
    "argv", [["lab"], ["run"], ["test"], ["assets", "verify"], ["pretrain", "mlm"]]
)
def test_an_unknown_profile_is_refused_before_set_up(argv, world, refused):
    world.setenv("COURSE_PROFILE", "desktop")
    sentence = refused(argv)
    assert "COURSE_PROFILE is 'desktop': set laptop or full, or unset it" in sentence


@pytest.mark.parametrize("argv", [[], ["rum"], ["doctor", "--fast"], ["assets"]])
def test_other_mistakes_are_refused_in_one_sentence(argv, refused):
    assert "--help" in refused(argv)


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
    with pytest.raises(NotImplementedError) as start:
        main.main(argv)
    assert start.value.args == (argv,)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (SetupError("Do this"), 1, "Do this, then run the same command again."),
        (assets.AssetError("Do that."), 1, "Do that."),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (PermissionError(13, "Denied", "x.json"), 1, "Cannot use x.json (Denied)"),
        (OSError(28, "Full"), 1, "Cannot use the disk (Full)"),
    ],
)
def test_errors_are_sentences(world, capsys, error, code, words):
    def ensure(argv, install=True):
        raise error

    world.setattr(run, "ensure", ensure)
    assert main.main(["test"]) == code
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [OSError("no such model"), ConnectionRefusedError(111, "refused"), ValueError("x")],
)
def test_what_nobody_foresaw_keeps_its_cause_and_traceback(world, error):
    def ensure(argv, install=True):
        raise error

    world.setattr(run, "ensure", ensure)
    with pytest.raises(type(error)) as caught:
        main.main(["test"])
    assert caught.value is error


def test_doctor_installs_nothing_and_reports_a_wrong_profile(world, capsys):
    world.setenv("COURSE_PROFILE", "desktop")
    installs = []
    ensure = lambda argv, install=True: installs.append(install)  # noqa: E731
    world.setattr(doctor, "ensure", ensure)
    world.setattr(doctor, "_assets", lambda: [])
    assert main.main(["doctor"]) == 1
    assert installs == [False]
    assert "COURSE_PROFILE is 'desktop'" in capsys.readouterr().out


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
