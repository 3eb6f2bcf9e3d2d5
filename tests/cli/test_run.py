"""`run` and `test`: which chapters, and with which settings."""

import os

import pytest

from helpers import hardware, paths
from helpers.cli import main, run

pytestmark = pytest.mark.usefixtures("world")


@pytest.fixture
def executed(handed_over, world):
    """Let chapters run without a kernel; return the list of the ids that did."""
    from helpers.cli import notebooks

    ids = []

    def execute(chosen, save):
        ids.extend(paths.id_of(path) for path in chosen)
        return True

    world.setattr(notebooks, "run", execute)
    return ids


@pytest.mark.parametrize("command", ["lab", "run"])
@pytest.mark.parametrize("text", ["77", "01_other", "x", "0"])
def test_an_unknown_chapter_is_refused_before_set_up(command, text, refused):
    sentence = refused([command, text])
    assert f"there is no chapter '{text}'; the chapters are 01, 02, 02b, 11" in sentence


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("2", ["02", "02b"]),
        ("02", ["02", "02b"]),
        ("2b", ["02b"]),
        ("02b", ["02b"]),
        ("02b_images", ["02b"]),
        ("02_feature_extraction.ipynb", ["02"]),
        ("", ["01", "02", "02b", "11"]),
    ],
)
def test_a_number_means_all_sittings_and_an_id_or_a_name_one(text, ids):
    assert [paths.id_of(path) for path in run.sittings(text)] == ids


@pytest.mark.parametrize(
    ("argv", "ids"),
    [
        ([], ["01", "02", "02b", "11"]),
        (["11", "2"], ["11", "02", "02b"]),
        (["2b", "02"], ["02b", "02"]),
    ],
)
def test_chapters_are_executed_once_in_the_order_given(executed, argv, ids):
    assert main.main(["run", *argv]) == 0
    assert executed == ids


@pytest.mark.parametrize(
    "name",
    [
        "01_ptm_concepts-Copy1.ipynb",
        "01_ptm_concepts (1).ipynb",
        ".ipynb_checkpoints/01_ptm_concepts-checkpoint.ipynb",
        "Untitled.ipynb",
        "04c-lora.ipynb",
        "4_lora.ipynb",
        "004_lora.ipynb",
        "04bb_lora.ipynb",
        "04B_lora.ipynb",
        "04_lora.ipynb.bak",
    ],
)
def test_copies_and_other_notebooks_are_no_chapters(executed, name):
    path = paths.NOTEBOOKS / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert main.main(["run"]) == 0
    assert executed == ["01", "02", "02b", "11"]


@pytest.mark.parametrize("argv", [["run"], ["run", "2"], ["lab"], ["lab", "02"]])
def test_two_notebooks_with_one_id_are_named_and_nothing_is_run(refused, argv):
    (paths.NOTEBOOKS / "02_my_notes.ipynb").touch()
    sentence = refused(argv)
    assert (
        "02_feature_extraction.ipynb and 02_my_notes.ipynb are both chapter" in sentence
    )


def test_arguments_of_test_go_to_pytest_as_they_are(handed_over):
    assert main.main(["test", "-k", "a or b", "tests/test_cli.py", "--help-me"]) == 5
    (command,) = handed_over
    assert command[1:3] == ["-m", "pytest"]
    assert command[-4:] == ["-k", "a or b", "tests/test_cli.py", "--help-me"]


@pytest.mark.parametrize(
    ("cores", "workers", "threads"), [(1, 1, 1), (2, 2, 1), (8, 2, 4)]
)
def test_two_workers_share_the_cores(handed_over, world, cores, workers, threads):
    world.delenv("OMP_NUM_THREADS", raising=False)
    world.setattr(hardware, "cores", lambda: cores)
    main.main(["test"])
    (command,) = handed_over
    assert command[3:] == ["-n", str(workers), "--dist", "loadscope"]
    assert os.environ["OMP_NUM_THREADS"] == str(threads)


def test_kernels_are_quiet_and_offline(handed_over):
    main.main(["test"])
    assert os.environ["TQDM_DISABLE"] == os.environ["HF_HUB_OFFLINE"] == "1"
    assert os.environ["PYTHONHASHSEED"] == "0"
    assert os.environ["TRANSFORMERS_VERBOSITY"] == "error"


@pytest.mark.parametrize(
    ("name", "value"), [("COURSE_PROFILE", "full"), ("COURSE_SOURCE", "hub")]
)
def test_the_hub_is_allowed_where_it_is_wanted(handed_over, name, value):
    os.environ[name] = value
    main.main(["test"])
    assert "HF_HUB_OFFLINE" not in os.environ
