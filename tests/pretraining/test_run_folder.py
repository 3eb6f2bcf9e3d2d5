"""The folder of a run: the files of others are safe, what is published is whole."""

import pytest
import torch
from filelock import FileLock, Timeout

from helpers import paths
from helpers.pretraining import run_folder
from helpers.pretraining.run_folder import PretrainError


def claim(out, resume=False):
    """Take the folder, and let go of it."""
    with run_folder.claim(out, resume):
        pass


def content(folder) -> dict[str, bytes]:
    names = [path for path in folder.iterdir() if path.name != ".lock"]
    return {path.name: path.read_bytes() for path in names}


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
    with pytest.raises(
        PretrainError, match=f"something else .{names[0]}.*--out"
    ) as error:
        claim(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "delete" not in str(error.value)
    assert content(tmp_path) == before


@pytest.mark.parametrize("names", [[], [".DS_Store"]])
def test_an_empty_or_a_new_folder_is_taken(tmp_path, names):
    for name in names:
        (tmp_path / name).touch()
    claim(tmp_path)
    claim(tmp_path / "new" / "newer")
    assert (tmp_path / "new" / "newer").is_dir()


@pytest.mark.parametrize("inside", [".", "deep/er"])
def test_a_file_is_no_folder(tmp_path, inside):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(PretrainError, match="cannot be a folder.*another --out"):
        claim(tmp_path / "file" / inside)
    assert (tmp_path / "file").read_text("utf-8") == "mine"


def test_a_folder_belongs_to_one_run_at_a_time(tmp_path):
    with FileLock(tmp_path / ".lock"), pytest.raises(Timeout):
        claim(tmp_path)
    claim(tmp_path)


def test_a_state_comes_back(tmp_path, tokenizer_of):
    model = torch.nn.Linear(9, 9)
    optimizer = torch.optim.AdamW(model.parameters())
    run_folder.save_state(tmp_path, model, [optimizer], start={"é": [(1, None, 0.5)]})
    tokenizer_of["mlm"].save_pretrained(tmp_path)
    state, tokenizer = run_folder.load_state(tmp_path)
    assert tokenizer.get_vocab() == tokenizer_of["mlm"].get_vocab()
    assert state["start"] == {"é": [(1, None, 0.5)]}
    assert torch.equal(state["parts"][0]["weight"], model.weight)
    assert state["parts"][1] == optimizer.state_dict()


@pytest.mark.parametrize("fraction", [0, 0.001, 0.1, 0.5, 0.99, 0.9999])
def test_a_state_cut_short_anywhere_is_refused(tmp_path, tokenizer_of, fraction):
    run_folder.save_state(tmp_path, torch.nn.Linear(9, 9), [])
    tokenizer_of["mlm"].save_pretrained(tmp_path)
    run_folder.load_state(tmp_path)
    file = tmp_path / run_folder.STATE
    file.write_bytes(file.read_bytes()[: int(fraction * file.stat().st_size)])
    with pytest.raises(PretrainError, match="is damaged .*: start anew") as error:
        run_folder.load_state(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_only_the_files_of_a_run_are_published(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "published")
    out = tmp_path / "run"
    (out / "drafts").mkdir(parents=True)
    for name in (*run_folder.PUBLISHED, "notes.txt"):
        (out / name).write_text(name, encoding="utf-8")
    target = run_folder.publish("clm", out)
    assert target == tmp_path / "published" / "course-gpt2"
    assert content(target) == {name: name.encode() for name in run_folder.PUBLISHED}
