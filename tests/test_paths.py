"""A file is written whole or not at all, and imports of folders cost nothing."""

import errno
import os

import pytest

from helpers import paths


def test_text_is_written_as_it_stands_and_bytes_too(tmp_path):
    file = tmp_path / "größe.json"
    paths.write(file, "µm\n課\n")
    assert file.read_bytes() == "µm\n課\n".encode()
    paths.write(file, b"\xff")
    assert file.read_bytes() == b"\xff"


@pytest.mark.parametrize("name", ["replace", "fsync"])
def test_a_file_is_replaced_in_one_step_or_not_at_all(tmp_path, monkeypatch, name):
    file = tmp_path / "01.json"
    file.write_text("old", encoding="utf-8")

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(paths.os, name, refuse)
    with pytest.raises(OSError, match="No space"):
        paths.write(file, b"new")
    assert file.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_files_that_differ_in_their_ending_do_not_share_their_draft(tmp_path):
    (tmp_path / "a.json.partial").write_text("of another", encoding="utf-8")
    paths.write(tmp_path / "a.csv", "1")
    assert (tmp_path / "a.json.partial").read_text("utf-8") == "of another"


def test_a_disk_that_is_really_full_leaves_what_stood_there(small_disk):
    file = small_disk(200_000) / "state.safetensors"
    paths.write(file, b"old" * 20_000)
    with pytest.raises(OSError) as error:
        paths.write(file, b"new" * 60_000)
    assert error.value.errno == errno.ENOSPC
    assert file.read_bytes() == b"old" * 20_000
    assert list(file.parent.iterdir()) == [file]
    paths.write(file, b"new")
    assert file.read_bytes() == b"new"


def test_nothing_is_replaced_before_it_is_on_disk(tmp_path, monkeypatch):
    order, (synced, replaced) = [], (os.fsync, os.replace)
    monkeypatch.setattr(os, "fsync", lambda f: order.append("sync") or synced(f))
    monkeypatch.setattr(
        os, "replace", lambda *files: order.append("replace") or replaced(*files)
    )
    paths.write(tmp_path / "file", b"new")
    assert order == ["sync", "replace"]
