"""Starting a chapter: profile, seed, and results that survive whatever happens."""

import json
import random
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import course, metrics, paths


@pytest.fixture(autouse=True)
def clean(tmp_path, monkeypatch):
    """No profile, no published results, records below the test's own folder."""
    monkeypatch.delenv("COURSE_PROFILE", raising=False)
    monkeypatch.setenv("COURSE_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "published")


@pytest.fixture
def chapter():
    return course.start("07", assets=("minilm",))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "results" / "07.json"


def read(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def test_the_laptop_profile_is_the_default_and_runs_on_the_processor(capsys):
    chapter = course.start("07")
    assert (chapter.profile, chapter.device) == ("laptop", "cpu")
    assert (chapter.data / "assets.toml").is_file()
    assert capsys.readouterr().out == "Chapter 07, laptop profile, cpu, seed 0.\n"


@pytest.mark.parametrize("number", ["", "4", "4b", "04B", "04bb", "004", "04_", "４４"])
def test_an_id_of_another_form_is_refused(number):
    with pytest.raises(ValueError, match=f"'{number}' is no id of a notebook"):
        course.start(number)


def test_an_unknown_asset_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="no asset minilmm for chapter 07.*minilm, "):
        course.start("07", assets=("minilm", "minilmm"))


def test_a_further_sitting_has_files_of_its_own(tmp_path):
    sittings = [course.start("04"), course.start("04b")]
    for value, sitting in enumerate(sittings):
        sitting.record("a", value)
        sitting.beside("curve.png").touch()
    names = {path.name for path in (tmp_path / "results").iterdir()}
    assert names == {"04.json", "04b.json", "04_curve.png", "04b_curve.png"}
    assert read(tmp_path / "results" / "04b.json")["results"]["a"]["value"] == 1


@pytest.mark.parametrize("profile", ["", "Laptop", "gpu", "full "])
def test_an_unknown_profile_is_refused_with_the_known_ones(monkeypatch, profile):
    monkeypatch.setenv("COURSE_PROFILE", profile)
    with pytest.raises(ValueError, match=f"'{profile}'.* laptop or full"):
        course.start("07")


@pytest.mark.parametrize(("profile", "expected"), [("laptop", "small"), ("full", "L")])
def test_pick_takes_what_belongs_to_the_profile(monkeypatch, profile, expected):
    monkeypatch.setenv("COURSE_PROFILE", profile)
    assert course.start("07").pick(laptop="small", full="L") == expected


def test_pick_wants_both_choices_by_name(chapter):
    with pytest.raises(TypeError):
        chapter.pick("small", "L")
    with pytest.raises(TypeError):
        chapter.pick(laptop="small")


@pytest.mark.parametrize(
    ("profile", "there", "device"),
    [("full", True, "cuda"), ("full", False, "cpu"), ("laptop", True, "cpu")],
)
def test_only_the_full_profile_uses_a_gpu(monkeypatch, profile, there, device):
    monkeypatch.setenv("COURSE_PROFILE", profile)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert course.start("07").device == device


def subset() -> tuple:
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others():
    course.start("07", seed=3)
    first = subset()
    course.start("07", seed=3)
    assert subset() == first
    course.start("07", seed=4)
    assert not set(subset()) & set(first)


def test_a_record_is_on_disk_at_once_with_all_that_explains_it(chapter, file):
    chapter.record("frozen_100", 0.687, n=1000, interval=(0.65, 0.72), key=True)
    written = read(file)
    assert written["results"] == {
        "frozen_100": {"value": 0.687, "n": 1000, "interval": [0.65, 0.72], "key": True}
    }
    assert (written["chapter"], written["profile"], written["seed"]) == (
        "07",
        "laptop",
        0,
    )
    assert written["cores"] == torch.get_num_threads()
    assert written["versions"]["torch"] == torch.__version__
    assert written["assets"] == ["minilm"]
    assert len(written["date"]) == 10


def test_records_accumulate_and_the_last_of_a_name_counts(chapter, file):
    for name, value in (("a", 1), ("b", 2), ("a", 3)):
        chapter.record(name, value)
    assert read(file)["results"] == {"a": {"value": 3.0}, "b": {"value": 2.0}}


def test_a_new_run_starts_a_new_record(chapter, file):
    chapter.record("a", 1)
    course.start("07").record("b", 2)
    assert list(read(file)["results"]) == ["b"]


@pytest.mark.parametrize(
    "about",
    [
        {"n": np.int64(5), "interval": (np.float64(0.25), np.float32(0.5))},
        {"n": 5, "interval": np.array([0.25, 0.5])},
        {"n": torch.tensor(5), "interval": torch.tensor([0.25, 0.5])},
        {"n": torch.tensor(5), "interval": [torch.tensor(0.25), torch.tensor(0.5)]},
    ],
)
def test_numpy_and_torch_numbers_are_written_as_plain_ones(chapter, file, about):
    chapter.record("a", np.float32(0.5), **about)
    entry = read(file)["results"]["a"]
    assert entry == {"value": 0.5, "n": 5, "interval": [0.25, 0.5]}


def test_a_score_can_be_recorded_with_all_it_knows(chapter, file):
    score = metrics.proportion(80, 100)
    chapter.record("accuracy", score.value, **score.about)
    entry = read(file)["results"]["accuracy"]
    assert entry == {
        "value": 0.8,
        "interval": [score.low, score.high],
        "n": 100,
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_refused_and_the_file_stays(chapter, file, value):
    chapter.record("a", 1)
    with pytest.raises(ValueError):
        chapter.record("b", value)
    assert list(read(file)["results"]) == ["a"]


def test_a_crash_while_writing_leaves_the_old_record(chapter, file, monkeypatch):
    chapter.record("a", 1)

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(paths.os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        chapter.record("b", 2)
    assert list(read(file)["results"]) == ["a"]


def test_a_record_is_the_same_on_every_system(chapter, file):
    chapter.record("größe", 1, unit="µm")
    raw = file.read_bytes()
    assert b"\r" not in raw
    assert raw.endswith(b"}\n")
    assert "größe".encode() in raw


def test_a_timer_measures_the_block_it_is_around(chapter, monkeypatch):
    clock = iter([10.0, 12.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    with chapter.timer("block"):
        pass
    assert chapter.seconds["block"] == 2.5


def test_a_chapter_tells_what_it_cost_when_that_is_known(capsys):
    paths.RESULTS.mkdir()
    run = {"minutes": 2.345, "peak_memory_gb": 1.26, "download_mb": 97}
    published = {"cores": 2, "run": run, "results": {}}
    (paths.RESULTS / "07.json").write_text(json.dumps(published), encoding="utf-8")
    course.start("07")
    assert capsys.readouterr().out.splitlines()[1] == (
        "Measured on 2 cores: 2.3 minutes, 1.3 GB of memory, 97 MB to download once."
    )
    assert course.published("07") == published
    assert course.published("08") == {}
