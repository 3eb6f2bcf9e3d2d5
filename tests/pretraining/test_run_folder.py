"""The folder of a run: the files of others are safe, what is published is whole."""

import pytest

from helpers import paths
from helpers.pretraining import run_folder
from helpers.pretraining.checkpoint import PretrainError


def content(folder) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize(
    "names",
    [
        ["README.md"],
        ["config.json", "model.safetensors", "tokenizer.json"],
        ["notes.txt"],
        ["log.csv"],
        ["log.csv", "model.safetensors"],
    ],
)
def test_a_folder_with_other_files_is_refused_and_left_as_it_is(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("of somebody else", encoding="utf-8")
    before = content(tmp_path)
    with pytest.raises(PretrainError, match=f"other files .{names[0]}.*--out") as error:
        run_folder.claim(tmp_path, resume=False)
    assert str(tmp_path) in str(error.value)
    assert "delete" not in str(error.value)
    assert content(tmp_path) == before


@pytest.mark.parametrize("names", [[], [".DS_Store"]])
def test_an_empty_or_a_new_folder_is_taken(tmp_path, names):
    for name in names:
        (tmp_path / name).touch()
    run_folder.claim(tmp_path, resume=False)
    run_folder.claim(tmp_path / "new" / "newer", resume=False)
    assert (tmp_path / "new" / "newer").is_dir()


def test_a_run_that_ended_before_its_first_checkpoint_starts_again(tmp_path):
    (tmp_path / "log.csv").write_text(run_folder.HEADER, encoding="utf-8")
    (tmp_path / "tokenizer.json").touch()
    run_folder.claim(tmp_path, resume=False)


@pytest.mark.parametrize("header", [run_folder.HEADER, "step,tokens,seconds,lr\n"])
def test_a_finished_run_is_refused(tmp_path, header):
    (tmp_path / "log.csv").write_text(header, encoding="utf-8")
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(PretrainError, match="a finished run in .*another --out"):
        run_folder.claim(tmp_path, resume=False)


@pytest.mark.parametrize("inside", [".", "deep/er"])
def test_a_file_is_no_folder(tmp_path, inside):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(PretrainError, match="cannot be a folder.*another --out"):
        run_folder.claim(tmp_path / "file" / inside, resume=False)
    assert (tmp_path / "file").read_text("utf-8") == "mine"


def test_only_the_files_of_a_run_are_published(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "published")
    out = tmp_path / "run"
    (out / "drafts").mkdir(parents=True)
    for name in (*run_folder.PUBLISHED, "notes.txt"):
        (out / name).write_text(name, encoding="utf-8")
    target = run_folder.publish("clm", out)
    assert target == tmp_path / "published" / "course-gpt2"
    assert content(target) == {name: name.encode() for name in run_folder.PUBLISHED}
