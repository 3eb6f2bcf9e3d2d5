"""The 2-D sets of MedMNIST v2 (Yang et al. 2023) as `datasets.DatasetDict`.

A file is looked for in the cache, in each folder of COURSE_ASSETS and at its publisher,
and is compared with what is published before anything in it is used. COURSE_OFFLINE=1
contacts nobody. The facts about each set are in `data/medmnist.toml`.
"""

import hashlib
import math
import os
import shutil
import tomllib
import urllib.request
import zipfile
from dataclasses import dataclass, field
from functools import cache, partial
from http.client import HTTPException
from pathlib import Path

import numpy as np
import psutil
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image
from filelock import FileLock
from numpy.lib import format as npy
from PIL import Image as Pillow

from helpers import paths
from helpers.data import assets, download

ADDRESS = "https://zenodo.org/records/10519652/files/{}?download=1"
SPLITS = {"train": "train", "validation": "val", "test": "test"}  # ours -> theirs
PATIENCE = 60  # seconds without an answer
HEADER = 1024  # bytes of an array's header, at most
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class MedmnistError(ValueError):
    """A set cannot be had, or its file is damaged; the message says what to do."""


@dataclass(frozen=True)
class About:
    """What is published about a set; `positive` is the label of the disease."""

    title: str
    task: str
    licence: str
    citation: str
    labels: list[str]
    channels: int
    splits: dict[str, int]
    md5: dict[str, str]
    positive: int | None = None  # only where there are two classes
    content: dict[str, str] = field(default_factory=dict)


@cache
def catalogue() -> dict[str, About]:
    """Return what is known about each set, by name."""
    table = tomllib.loads((paths.DATA / "medmnist.toml").read_text(encoding="utf-8"))
    return {name: About(**entry) for name, entry in table.items()}


def about(name: str) -> About:
    """Return what is published about a set. Raises MedmnistError if there is none."""
    if name not in catalogue():
        known = ", ".join(catalogue())
        raise MedmnistError(f"MedMNIST has no 2-D set '{name}': choose one of {known}.")
    return catalogue()[name]


def available(name: str = "breastmnist", size: int = 28) -> bool:
    """Return whether an intact file of a set is here; contacts nobody."""
    about(name)
    return any(_fault(path, name, size) is None for path in _places(name, size))


def load(name: str = "breastmnist", size: int = 28) -> DatasetDict:
    """Return train, validation and test of a set, with `image` and `label`.

    Images are Pillow images of `size` x `size` pixels (28, 64, 128 or 224), grey or
    RGB, and the classes have their published names. In breastmnist 0 is malignant: see
    `about(name).positive` for the label of the disease.

    Raises MedmnistError for an unknown set or size, for several labels per image
    (chestmnist), for more pixels than fit into the memory, and when no intact file can
    be had.
    """
    entry = about(name)
    if entry.task.startswith("multi-label"):
        raise MedmnistError(
            f"{name} has several labels per image, which this course does not treat: "
            "choose another set."
        )
    if str(size) not in entry.md5:
        sizes = ", ".join(entry.md5)
        raise MedmnistError(f"{name} has no images of {size} pixels: choose {sizes}.")
    shapes = _shapes(entry, size)
    needed = 2 * sum(map(math.prod, shapes.values()))  # as arrays and as Pillow images
    if needed > psutil.virtual_memory().available:
        raise MedmnistError(
            f"{name} at {size} pixels needs {needed / 1e9:.0f} GB of memory: choose a "
            "smaller size."
        )
    with np.load(_fetch(name, size), allow_pickle=False) as arrays:
        names = ClassLabel(names=entry.labels)
        features = Features({"image": Image(), "label": names})
        data = {}
        for ours, theirs in SPLITS.items():
            pictures = [*map(Pillow.fromarray, arrays[f"{theirs}_images"])]
            rows = {"image": pictures, "label": arrays[f"{theirs}_labels"].ravel()}
            data[ours] = Dataset.from_dict(rows, features)
    return DatasetDict(data)


def _file(name: str, size: int) -> str:
    return f"{name}.npz" if size == 28 else f"{name}_{size}.npz"


def _shapes(entry: About, size: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array in a set's file."""
    picture = (size, size, 3) if entry.channels == 3 else (size, size)
    return {
        f"{split}_{kind}": (number, *shape)
        for split, number in entry.splits.items()
        for kind, shape in (("images", picture), ("labels", (1,)))
    }


def _places(name: str, size: int) -> list[Path]:
    """Return where the file may lie: the cache first."""
    return [folder / _file(name, size) for folder in (paths.CACHE, *assets.folders())]


def _fetch(name: str, size: int) -> Path:
    """Return the verified file in the cache, from wherever it can be had."""
    file = _file(name, size)
    home, *others = _places(name, size)
    if _fault(home, name, size) is None:
        return home
    try:
        paths.CACHE.mkdir(parents=True, exist_ok=True)
        with FileLock(paths.CACHE / f"{file}.lock"):
            return _obtain(home, [*others, ADDRESS.format(file)], name, size)
    except OSError as error:
        raise MedmnistError(
            f"Cannot write {file} into data/cache ({error.strerror}): free some space "
            "on its disk, or copy the course to a folder you may write to."
        ) from error


def _obtain(home: Path, places: list[Path | str], name: str, size: int) -> Path:
    """Try every place; move the first copy that is intact to `home`."""
    fault = _fault(home, name, size)
    if fault is None:  # another process was faster
        return home
    failures = [f"in the cache {fault}"]
    arriving = home.with_name(f".partial-{home.name}")
    try:
        for place in places:
            try:
                _deliver(place, arriving)
                fault = _fault(arriving, name, size)
            except (OSError, HTTPException) as error:
                if getattr(error, "errno", None) in download.DISK_FULL:
                    raise
                fault = getattr(error, "strerror", None) or error
                fault = getattr(error, "reason", fault)  # of a failed connection
            if fault is None:
                os.replace(arriving, home)
                return home
            where = place.parent.name if isinstance(place, Path) else "its publisher"
            failures.append(f"from {where} {fault}")
    finally:
        arriving.unlink(missing_ok=True)
    raise MedmnistError(
        f"Cannot get {home.name} ({'; '.join(failures)}): put an intact {home.name} "
        "into a folder of COURSE_ASSETS, or connect to the network, and try again."
    )


def _deliver(place: Path | str, arriving: Path) -> None:
    """Copy a file from a folder or from its publisher. Raises OSError."""
    arriving.unlink(missing_ok=True)
    if isinstance(place, Path):
        if not place.is_file():
            raise OSError("it is missing")
        shutil.copyfile(place, arriving)
    elif os.environ.get("COURSE_OFFLINE") == "1":
        raise OSError("it was not fetched, because COURSE_OFFLINE=1")
    else:
        with (
            urllib.request.urlopen(place, timeout=PATIENCE) as answer,
            arriving.open("wb") as file,
        ):
            shutil.copyfileobj(answer, file)


def _fault(path: Path, name: str, size: int) -> str | None:
    """Return why a file is not the published one, or None if it is.

    A file that was compressed anew has another MD5: its content decides if we know it.
    """
    entry = about(name)
    if not path.is_file():
        return "it is missing"
    try:
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False))
        if md5.hexdigest() == entry.md5.get(str(size)):
            return None
        with zipfile.ZipFile(path) as archive:
            if fault := _misfit(archive, _shapes(entry, size)):
                return fault
        content = hashlib.sha256()
        with np.load(path, allow_pickle=False) as arrays:
            for key in _shapes(entry, size):
                content.update(arrays[key].tobytes())
    except PermissionError:
        return "it may not be opened"
    except Exception as error:  # of zipfile, zlib, numpy: no common ancestor
        return f"it is damaged or no .npz file ({error})"
    if content.hexdigest() != entry.content.get(str(size)):
        return "it is not the published one (by its MD5)"
    return None


def _misfit(archive: zipfile.ZipFile, shapes: dict[str, tuple]) -> str | None:
    """Return what does not fit in a file, from its headers: nothing is unpacked."""
    members = {info.filename: info.file_size for info in archive.infolist()}
    if members.keys() != {f"{key}.npy" for key in shapes}:
        return f"it holds other arrays than {', '.join(shapes)}"
    for key, wanted in shapes.items():
        with archive.open(f"{key}.npy") as file:
            header = HEADERS[npy.read_magic(file)]
            shape, _, dtype = header(file)
        if dtype.hasobject:
            return f"{key} holds pickled objects, which are never opened"
        flat = tuple(n for n in wanted if n != 1)  # labels, in some copies
        if dtype != np.uint8 or shape not in (wanted, flat):
            return f"{key} is {dtype} {list(shape)}, not uint8 {list(wanted)}"
        if members[f"{key}.npy"] > math.prod(wanted) + HEADER:
            return f"{key} would unpack to {members[f'{key}.npy']} bytes"
    return None
