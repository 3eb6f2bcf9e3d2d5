"""Assets arrive verified or not at all, whatever goes wrong on the way.

Most tests use a toy asset: two files, packed into real wheels in a local folder, which
the real `pip download` uses as its index. Nothing here needs the network but the last
test, and that only if the assets are neither cached nor in COURSE_ASSETS.
"""

import errno
import hashlib
import http.server
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import tomllib
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers import paths
from helpers.data import assets, download

ROOT = paths.ROOT
CONTENT = {"a.txt": b"first file\n", "b.bin": bytes(range(256)) * 4000}  # 1 MB
REAL = list(tomllib.loads((ROOT / "data/assets.toml").read_text(encoding="utf-8")))
CHILD = """
import json, sys
from pathlib import Path
from helpers import paths
from helpers.data import assets

paths.CACHE = Path(sys.argv[1])
entries = json.loads(sys.argv[2])
table = {name: assets.Asset(name=name, **entry) for name, entry in entries.items()}
assets.catalogue = lambda: table
try:
    print(assets.fetch("toy", quiet=True))
except assets.AssetError as error:
    sys.exit(str(error))
except KeyboardInterrupt:
    sys.exit(130)
"""


def build_wheel(folder: Path, name: str, content=CONTENT) -> Path:
    """Write a wheel that pip accepts, with the content below `<name>/data/`."""
    module = name.replace("-", "_")
    path = folder / f"{module}-1.0-py3-none-any.whl"
    info = f"{module}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, data in content.items():
            wheel.writestr(f"{module}/data/{file}", data)
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n",
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def wheel_source(path: Path, name: str) -> dict:
    data = path.read_bytes()
    return {
        "wheel": f"{name}==1.0",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "folder": f"{name.replace('-', '_')}/data",
    }


def is_whole(folder: Path) -> bool:
    """Whether a folder holds the toy's files, and these only."""
    return {p.name: p.read_bytes() for p in folder.iterdir()} == CONTENT


def leftovers(cache: Path) -> list[str]:
    """What lies in the cache beside whole assets and locks."""
    if not cache.exists():
        return []
    return [p.name for p in cache.iterdir() if p.name != "toy" and p.suffix != ".lock"]


def lay_out(folder: Path, content=CONTENT) -> Path:
    """Write the toy's files into `folder/toy/`, as a stick would carry them."""
    (folder / "toy").mkdir(parents=True)
    for name, data in content.items():
        (folder / "toy" / name).write_bytes(data)
    return folder


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """An asset with two wheels and a Hub repository as sources, and an empty cache."""
    index = tmp_path / "index"
    index.mkdir()
    names = ("course-toy", "course-toy-again")
    wheels = [build_wheel(index, name) for name in names]
    described = [wheel_source(*pair) for pair in zip(wheels, names, strict=True)]
    entry = {
        "title": "Toy",
        "kind": "data",
        "licence": "none",
        "citation": "none",
        "files": {n: hashlib.sha256(d).hexdigest() for n, d in CONTENT.items()},
        "sources": [*described, {"hub": "some/toy", "bytes": 1}],
    }
    table = {"toy": assets.Asset(name="toy", **entry)}
    monkeypatch.setattr(assets, "catalogue", lambda: table)
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    for name in list(os.environ):
        if name.startswith(("COURSE_", "PIP_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", index.as_uri())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def no_hub(*_, **__):
        raise ConnectionError("the Hub is blocked")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", no_hub)
    return SimpleNamespace(
        index=index, wheels=wheels, entry=entry, cache=paths.CACHE, folder=tmp_path
    )


@pytest.fixture
def no_pip(monkeypatch):
    """Let an attempt to start pip fail the test."""

    def refuse(*_, **__):
        pytest.fail("pip was started")

    monkeypatch.setattr(download.subprocess, "Popen", refuse)


def test_a_wheel_from_the_index_is_unpacked_verified_and_cached(toy):
    folder = assets.fetch("toy", quiet=True)
    assert folder == toy.cache / "toy"
    assert is_whole(folder)
    assert assets.verify("toy") == "verified"
    assert leftovers(toy.cache) == []


def test_a_cached_asset_is_fetched_without_asking_anyone(toy, no_pip, no_network):
    lay_out(toy.cache)
    assert is_whole(assets.fetch("toy"))


def test_a_download_shows_its_progress_unless_quiet(toy, capfd):
    assets.fetch("toy")
    assert "toy" in capfd.readouterr().err
    shutil.rmtree(toy.cache)
    assets.fetch("toy", quiet=True)
    assert capfd.readouterr() == ("", "")


def test_an_unknown_asset_is_told_the_known_names(toy):
    for ask in (assets.fetch, assets.verify, assets.lookup):
        with pytest.raises(assets.AssetError, match="no asset 'tyo'; .* are toy"):
            ask("tyo")


def test_a_truncated_wheel_is_refused_and_the_second_source_used(toy):
    data = toy.wheels[0].read_bytes()
    toy.wheels[0].write_bytes(data[: len(data) // 2])
    assert is_whole(assets.fetch("toy", quiet=True))


def spoil(wheel: Path, how: str) -> None:
    data = wheel.read_bytes()
    if how == "truncated":
        wheel.write_bytes(data[: len(data) // 2])
    elif how == "altered":
        build_wheel(wheel.parent, "course-toy", CONTENT | {"a.txt": b"first fil3\n"})
    elif how == "wrong":
        build_wheel(wheel.parent, "course-toy", {"other.bin": bytes(2_000_000)})


@pytest.mark.parametrize("how", ["truncated", "altered", "wrong"])
def test_a_spoilt_wheel_alone_leaves_nothing_behind(toy, monkeypatch, no_pip, how):
    """The reason is the course's own: the wheel lies in a COURSE_ASSETS folder."""
    spoil(toy.wheels[0], how)
    toy.wheels[1].unlink()
    monkeypatch.setenv("COURSE_ASSETS", str(toy.index))
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    with pytest.raises(assets.AssetError, match="folder index: .*nor an intact wheel"):
        assets.fetch("toy", quiet=True)
    assert not (toy.cache / "toy").exists()
    assert leftovers(toy.cache) == []


@pytest.mark.parametrize(
    ("how", "reason"),
    [("truncated", r"pip could not download it \(ERROR"), ("altered", "another one")],
)
def test_a_spoilt_wheel_from_the_index_is_refused(toy, how, reason):
    spoil(toy.wheels[0], how)
    toy.wheels[1].unlink()
    with pytest.raises(assets.AssetError, match=f"wheel course-toy==1.0: .*{reason}"):
        assets.fetch("toy", quiet=True)
    assert not (toy.cache / "toy").exists()
    assert leftovers(toy.cache) == []


def test_without_network_the_error_names_each_source_and_three_ways_out(
    toy, monkeypatch
):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(assets.AssetError) as caught:
        assets.fetch("toy", quiet=True)
    message = str(caught.value)
    assert "- cache: missing" in message
    for name in ("course-toy==1.0", "course-toy-again==1.0"):
        assert f"- wheel {name}: pip could not download it (ERROR: No matching" in (
            message
        )
    assert "- Hub some/toy: the Hub is blocked" in message
    for way in ("helpers assets fetch toy", "set COURSE_ASSETS", "COURSE_SOURCE=hub"):
        assert way in message
    assert leftovers(toy.cache) == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionError("no route to host"), "no route to host"),
        (ValueError("\n401: sign in first\nand more"), "401: sign in first"),
        (RuntimeError(""), "RuntimeError"),
        (OSError(errno.EACCES, "Permission denied"), "Permission denied"),
    ],
)
def test_a_failing_source_gives_its_reason_in_a_line(toy, monkeypatch, error, reason):
    def fail(*_, **__):
        raise error

    toy.wheels[1].unlink()
    toy.wheels[0].unlink()
    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    with pytest.raises(assets.AssetError) as caught:
        assets.fetch("toy", quiet=True)
    assert f"  - Hub some/toy: {reason}\nThree" in str(caught.value)


def test_a_disk_that_fills_up_during_a_hub_download_is_a_full_disk(toy, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("COURSE_SOURCE", "hub")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", full)
    with pytest.raises(assets.AssetError, match="No space left .*: free some"):
        assets.fetch("toy", quiet=True)


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes a certificate")
def test_an_index_whose_certificate_is_not_trusted_is_called_so(toy, monkeypatch):
    """A server with a certificate of its own making; pip says "no matching"."""
    key, certificate = toy.folder / "key.pem", toy.folder / "certificate.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-keyout", key, "-out", certificate, "-subj", "/CN=127.0.0.1"],
        capture_output=True,
    )
    assert not made.returncode
    server = http.server.HTTPServer(
        ("127.0.0.1", 0), http.server.BaseHTTPRequestHandler
    )
    server.handle_error = lambda *_: None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    address = f"https://127.0.0.1:{server.server_port}/simple"
    monkeypatch.setenv("PIP_INDEX_URL", address)
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(assets.AssetError, match="does not trust the certificate of"):
        assets.fetch("toy", quiet=True)
    server.shutdown()
    server.server_close()


def test_settings_that_redirect_installation_do_not_reach_pip(toy, monkeypatch):
    for name in ("PIP_USER", "PIP_REQUIRE_VIRTUALENV"):
        monkeypatch.setenv(name, "1")
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"):
        monkeypatch.setenv(name, str(toy.folder / "elsewhere"))
    assert is_whole(assets.fetch("toy", quiet=True))
    assert not (toy.folder / "elsewhere").exists()


def test_offline_no_source_is_contacted(toy, monkeypatch, no_pip, no_network):
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    monkeypatch.setattr(
        "huggingface_hub.hf_hub_download", lambda *_, **__: pytest.fail("Hub called")
    )
    with pytest.raises(assets.AssetError) as caught:
        assets.fetch("toy")
    assert str(caught.value).count("not contacted, because COURSE_OFFLINE=1") == 3


def test_offline_a_folder_still_delivers(toy, monkeypatch, no_pip, no_network):
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    monkeypatch.setenv("COURSE_ASSETS", str(lay_out(toy.folder / "stick")))
    assert is_whole(assets.fetch("toy"))


def test_the_home_folder_is_meant_by_a_tilde(tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("COURSE_ASSETS", os.pathsep.join(["~", "~/stick", "a~b"]))
    assert assets.folders() == [tmp_path, tmp_path / "stick", Path("a~b")]


@pytest.mark.parametrize("separator", [";", os.pathsep])
def test_the_folders_of_course_assets_are_tried_in_order(
    toy, monkeypatch, no_pip, separator
):
    empty = toy.folder / "empty"
    empty.mkdir()
    damaged = lay_out(toy.folder / "damaged", CONTENT | {"a.txt": b"x"})
    folders = [toy.folder / "absent", empty, damaged, toy.index]
    monkeypatch.setenv("COURSE_ASSETS", separator.join(map(str, folders)))
    assert is_whole(assets.fetch("toy"))


def test_each_folder_of_course_assets_is_reported_with_its_problem(
    toy, monkeypatch, no_pip
):
    damaged = lay_out(toy.folder / "damaged", CONTENT | {"a.txt": b"x"})
    partial = lay_out(toy.folder / "partial", {"a.txt": CONTENT["a.txt"]})
    folders = [toy.folder / "absent", damaged, partial]
    monkeypatch.setenv("COURSE_ASSETS", os.pathsep.join(map(str, folders)))
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    with pytest.raises(assets.AssetError) as caught:
        assets.fetch("toy")
    message = str(caught.value)
    assert "folder absent: there is no such folder" in message
    assert "folder damaged: a.txt is damaged" in message
    assert "folder partial: b.bin cannot be read (No such" in message
    assert str(toy.folder) not in message  # it would end in a notebook's output
    assert leftovers(toy.cache) == []


@pytest.mark.parametrize("damage", ["altered", "emptied", "removed", "a plain file"])
def test_a_damaged_cache_is_replaced(toy, monkeypatch, damage):
    victim = lay_out(toy.cache) / "toy" / "a.txt"
    if damage == "altered":
        victim.write_bytes(b"first fil3\n")
    elif damage == "emptied":
        victim.write_bytes(b"")
    elif damage == "removed":
        victim.unlink()
    else:
        shutil.rmtree(toy.cache / "toy")
        (toy.cache / "toy").write_bytes(b"no folder")
    assert assets.verify("toy") != "verified"
    monkeypatch.setenv("COURSE_ASSETS", str(toy.index))
    assert is_whole(assets.fetch("toy"))
    assert leftovers(toy.cache) == []


def test_a_damaged_cache_is_kept_and_reported_if_nothing_better_comes(toy, monkeypatch):
    lay_out(toy.cache, CONTENT | {"a.txt": b"x"})
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    with pytest.raises(assets.AssetError, match=r"cache: a\.txt is damaged"):
        assets.fetch("toy")
    assert (toy.cache / "toy" / "a.txt").read_bytes() == b"x"
    assert leftovers(toy.cache) == []


def test_a_cached_file_that_cannot_be_read_counts_as_damaged(toy, monkeypatch):
    lay_out(toy.cache)

    def broken(path):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(download, "sha256", broken)
    assert assets.verify("toy") == "a.txt cannot be read (Input/output error)"


def test_verify_tells_missing_from_damaged(toy):
    assert assets.verify("toy") == "missing"
    lay_out(toy.cache, {"a.txt": CONTENT["a.txt"]})
    assert assets.verify("toy") == "b.bin cannot be read (No such file or directory)"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_half_way_leaves_the_old_cache(toy, monkeypatch, code):
    lay_out(toy.cache, {"a.txt": b"old"})
    monkeypatch.setenv("COURSE_ASSETS", str(toy.index))

    def half(source, target):
        target.write_bytes(b"first")
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(download.shutil, "move", half)
    with pytest.raises(assets.AssetError, match=f"{os.strerror(code)}.*free some"):
        assets.fetch("toy", quiet=True)
    assert (toy.cache / "toy" / "a.txt").read_bytes() == b"old"
    assert leftovers(toy.cache) == []


@pytest.fixture
def tiny_disk(toy):
    """A real file system of 256 KB as the cache, where the test may mount one."""
    toy.cache.mkdir()
    if not shutil.which("mount") or sys.platform != "linux":
        pytest.skip("no `mount` here")
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(toy.cache)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"may not mount a file system here ({done.stderr.strip()})")
    yield toy.cache
    subprocess.run(["umount", str(toy.cache)], check=True)


def test_a_really_full_disk_is_reported_and_left_clean(toy, tiny_disk, monkeypatch):
    monkeypatch.setenv("COURSE_ASSETS", str(lay_out(toy.folder / "stick")))
    with pytest.raises(assets.AssetError, match="No space left .*: free some"):
        assets.fetch("toy", quiet=True)
    assert leftovers(tiny_disk) == []


def test_pip_on_a_really_full_disk_is_reported_and_left_clean(
    toy, tiny_disk, monkeypatch
):
    with pytest.raises(assets.AssetError, match="No space left .*: free some"):
        assets.fetch("toy", quiet=True)
    assert leftovers(tiny_disk) == []


def test_a_cache_on_a_really_read_only_disk_is_reported(toy, tiny_disk):
    remount = ["mount", "-o", "remount,ro", str(tiny_disk)]
    subprocess.run(remount, check=True, capture_output=True)
    with pytest.raises(assets.AssetError, match="Cannot write 'toy' into data/cache"):
        assets.fetch("toy", quiet=True)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EPERM])
@pytest.mark.parametrize("step", ["folder", "lock"])
def test_a_read_only_cache_is_reported_with_what_to_do(toy, monkeypatch, code, step):
    """Permission bits do not stop root, so the calls fail here as they would."""

    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    if step == "folder":
        monkeypatch.setattr(Path, "mkdir", refuse)
    else:
        monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(assets.AssetError, match="copy the course to a folder you"):
        assets.fetch("toy", quiet=True)
    assert leftovers(toy.cache) == []


def test_a_cached_asset_is_usable_from_a_read_only_cache(toy, monkeypatch, no_pip):
    lay_out(toy.cache)

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    for call in ("mkdir", "rename", "unlink", "touch"):
        monkeypatch.setattr(Path, call, refuse)
    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    assert is_whole(assets.fetch("toy"))


def test_a_path_with_spaces_and_non_ascii_letters_works(toy, monkeypatch):
    strange = toy.folder / "Größe mit Leerzeichen 数据 é"
    index = shutil.copytree(toy.index, strange / "index")
    monkeypatch.setenv("PIP_FIND_LINKS", index.as_uri())
    monkeypatch.setattr(paths, "CACHE", strange / "cache")
    assert is_whole(assets.fetch("toy", quiet=True))
    shutil.rmtree(strange / "cache")
    monkeypatch.setenv("COURSE_ASSETS", str(index))
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    assert is_whole(assets.fetch("toy", quiet=True))


def deliver_by_hub(requested: list, content=CONTENT):
    def download(repository, name, local_dir):
        requested.append(name)
        (Path(local_dir) / name).write_bytes(content[name])
        return str(Path(local_dir) / name)

    return download


def test_with_course_source_hub_the_hub_comes_first(toy, monkeypatch, no_pip):
    requested = []
    monkeypatch.setenv("COURSE_SOURCE", "hub")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", deliver_by_hub(requested))
    assert is_whole(assets.fetch("toy"))
    assert requested == list(CONTENT)


def test_without_course_source_the_hub_comes_last(toy, monkeypatch):
    requested = []
    monkeypatch.setattr("huggingface_hub.hf_hub_download", deliver_by_hub(requested))
    assert is_whole(assets.fetch("toy", quiet=True))
    assert requested == []
    shutil.rmtree(toy.cache)
    for wheel in toy.wheels:
        wheel.unlink()
    assert is_whole(assets.fetch("toy", quiet=True))
    assert requested == list(CONTENT)


def test_a_failing_hub_falls_back_to_the_wheel(toy, monkeypatch):
    monkeypatch.setenv("COURSE_SOURCE", "hub")
    assert is_whole(assets.fetch("toy", quiet=True))


def test_another_file_from_the_hub_is_refused(toy, monkeypatch):
    requested = []
    other = deliver_by_hub(requested, CONTENT | {"a.txt": b"newer version"})
    monkeypatch.setenv("COURSE_SOURCE", "hub")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", other)
    assert is_whole(assets.fetch("toy", quiet=True))
    assert requested == list(CONTENT)


def test_an_asset_inside_an_absent_package_points_to_the_doctor(toy):
    table = assets.catalogue()
    source = {"package": "no_such_package", "folder": "data", "bytes": 0}
    table["toy"] = assets.Asset(name="toy", **toy.entry | {"sources": [source]})
    assert assets.verify("toy") == "missing"
    with pytest.raises(assets.AssetError, match="no_such_package, .*helpers doctor"):
        assets.fetch("toy")


def test_an_asset_of_the_checkout_is_verified_where_it_lies(toy, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", toy.folder)
    lay_out(toy.folder / "data")
    source = {"checkout": "data/toy", "bytes": 0}
    table = assets.catalogue()
    table["toy"] = assets.Asset(name="toy", **toy.entry | {"sources": [source]})
    assert assets.fetch("toy") == toy.folder / "data" / "toy"
    (toy.folder / "data" / "toy" / "a.txt").write_bytes(b"altered")
    with pytest.raises(assets.AssetError, match="part of data/toy, .*git checkout"):
        assets.fetch("toy")


def test_an_asset_inside_a_package_is_verified_where_it_lies(toy, monkeypatch):
    package = toy.folder / "site" / "carrier"
    lay_out(package)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(package.parent)
    source = {"package": "carrier", "folder": "toy", "bytes": 0}
    table = assets.catalogue()
    table["toy"] = assets.Asset(name="toy", **toy.entry | {"sources": [source]})
    assert assets.fetch("toy") == package / "toy"
    (package / "toy" / "a.txt").write_bytes(b"altered")
    with pytest.raises(assets.AssetError, match="part of carrier, where it is absent"):
        assets.fetch("toy")


@pytest.fixture
def slow_index(toy, monkeypatch):
    """An index over HTTP that stops half-way through a wheel until `go_on` is set."""
    state = SimpleNamespace(wheels=0, half=threading.Event(), go_on=threading.Event())
    data = toy.wheels[0].read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            is_wheel = self.path.endswith(".whl")
            name = toy.wheels[0].name
            body = data if is_wheel else f'<a href="{name}">{name}</a>'.encode()
            self.send_response(200)
            kind = "application/octet-stream" if is_wheel else "text/html"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            if is_wheel:
                state.wheels += 1
                state.half.set()
                state.go_on.wait(600)
            self.wfile.write(body[len(body) // 2 :])

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_):
            pass  # a client that was killed

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setenv("PIP_FIND_LINKS", address)
    yield state
    state.go_on.set()
    server.shutdown()
    server.server_close()


def start_child(toy) -> subprocess.Popen:
    """Fetch the toy in another process, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(toy.cache), json.dumps({"toy": toy.entry})],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_of_two_processes_one_downloads_and_both_get_the_asset(toy, slow_index):
    children = [start_child(toy), start_child(toy)]
    assert slow_index.half.wait(600)
    time.sleep(1)  # the other one has the time to start a download of its own
    slow_index.go_on.set()
    for child in children:
        out, err = child.communicate(timeout=600)
        assert (child.returncode, out.strip(), err) == (0, str(toy.cache / "toy"), "")
    assert slow_index.wheels == 1
    assert is_whole(toy.cache / "toy")
    assert leftovers(toy.cache) == []


needs_signals = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


@needs_signals
def test_ctrl_c_during_a_download_leaves_nothing_half_written(toy, slow_index):
    child = start_child(toy)
    assert slow_index.half.wait(600)
    assert leftovers(toy.cache) == [".partial-toy"]
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=600)
    assert (child.returncode, out) == (130, "")
    assert not (toy.cache / "toy").exists()
    assert leftovers(toy.cache) == []
    with pytest.raises(ProcessLookupError):  # pip has ended, too
        os.killpg(child.pid, 0)


@needs_signals
def test_what_a_killed_process_left_is_removed_by_the_next_fetch(toy, slow_index):
    child = start_child(toy)
    assert slow_index.half.wait(600)
    os.killpg(child.pid, signal.SIGKILL)  # with its pip, as when the power fails
    child.communicate(timeout=600)
    assert leftovers(toy.cache) == [".partial-toy"]
    assert assets.verify("toy") == "missing"
    slow_index.go_on.set()
    assert is_whole(assets.fetch("toy", quiet=True))
    assert leftovers(toy.cache) == []


ORIGINS = {"package", "checkout", *assets.ORIGINS}


@pytest.mark.parametrize("name", REAL)
def test_the_catalogue_entry_is_complete(name):
    asset = assets.lookup(name)
    assert asset.kind in ("model", "data")
    assert asset.title
    assert asset.licence
    assert re.search(r"\d{4}", asset.citation)
    assert asset.files
    for digest in asset.files.values():
        assert re.fullmatch("[0-9a-f]{64}", digest)
    for source in asset.sources:
        assert len(ORIGINS & set(source)) == 1
        if "wheel" in source:
            assert re.fullmatch("[0-9a-f]{64}", source["sha256"])
            assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+", source["wheel"])
            assert len({"folder", "archive", "onnx"} & set(source)) == 1
        if "sdist" in source:
            assert re.fullmatch("[0-9a-f]{64}", source["sha256"])
            assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+", source["sdist"])
            assert source["folder"].startswith(source["sdist"].replace("==", "-"))
        assert source["bytes"] > 0 or {"package", "checkout"} & set(source)


@pytest.mark.parametrize("name", REAL)
def test_every_asset_has_a_card(name):
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    cards = {
        re.search(r"`([\w-]+)`", part.splitlines()[0])[1]: part
        for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]
        if "`" in part.splitlines()[0]
    }
    assert name in cards
    for topic in ("Origin", "Licence", "Citation", "Size", "flaws", "Use it for"):
        assert f"{topic}" in cards[name], f"the card of {name} lacks {topic}"
    for source in assets.lookup(name).sources:
        (origin,) = (source[k] for k in source if k in ORIGINS)
        assert origin.split("==")[0] in cards[name]


def test_download_mb_is_that_of_the_first_source():
    assert assets.lookup("minilm").download_mb == 84
    assert assets.lookup("mni152").download_mb == 0


@pytest.mark.parametrize("name", REAL)
def test_the_real_asset_can_be_had(name):
    """Needs the cache, COURSE_ASSETS or the package index; CI has one of them."""
    folder = assets.fetch(name, quiet=True)
    assert assets.verify(name) == "verified"
    assert {path.name for path in folder.iterdir()} >= set(assets.lookup(name).files)
