"""MedMNIST: published facts, and a file that is intact or refused in one sentence."""

import hashlib
import io
import os
import re
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import paths
from helpers.data import medmnist
from helpers.data.medmnist import About, MedmnistError

SPLITS = {"train": 6, "val": 2, "test": 3}


def arrays(channels: int = 1) -> dict[str, np.ndarray]:
    """Return the arrays of a small set: the image of label k is brighter than k - 1."""
    found = {}
    for split, number in SPLITS.items():
        labels = np.arange(number, dtype=np.uint8)[:, None] % 2
        shape = (number, 28, 28, 3)[: 3 + (channels == 3)]
        found[f"{split}_images"] = np.full(shape, 100, np.uint8)
        found[f"{split}_images"][labels.ravel() == 1] += 50
        found[f"{split}_labels"] = labels
    return found


def packed(content, save=np.savez_compressed) -> bytes:
    file = io.BytesIO()
    save(file, **content)
    return file.getvalue()


def described(file: bytes, **changes) -> About:
    entry = {
        "title": "Toy",
        "task": "binary-class",
        "licence": "none",
        "citation": "none",
        "labels": ["ill", "well"],
        "channels": 1,
        "splits": SPLITS,
        "md5": {"28": hashlib.md5(file).hexdigest(), "64": "0" * 32},
    }
    return About(**entry | changes)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A set with an empty cache, a folder in COURSE_ASSETS and a publisher."""
    file = packed(arrays())
    places = SimpleNamespace(file=file, table={"toy": described(file)})
    for name in ("cache", "stick", "publisher"):
        setattr(places, name, tmp_path / name / "toy.npz")
        if name != "cache":
            (tmp_path / name).mkdir()
    monkeypatch.setattr(medmnist, "catalogue", lambda: places.table)
    monkeypatch.setattr(medmnist, "ADDRESS", (tmp_path / "publisher").as_uri() + "/{}")
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("COURSE_ASSETS", str(tmp_path / "stick"))
    monkeypatch.delenv("COURSE_OFFLINE", raising=False)
    return places


def test_the_disease_is_the_positive_class_where_there_are_two():
    named = {
        name: entry.labels[entry.positive]
        for name, entry in medmnist.catalogue().items()
        if entry.positive is not None
    }
    assert named == {"breastmnist": "malignant", "pneumoniamnist": "pneumonia"}
    assert medmnist.about("breastmnist").positive == 0


def test_twelve_sets_are_listed_with_licence_and_md5_of_each_size():
    assert len(medmnist.catalogue()) == 12
    sums = []
    for entry in medmnist.catalogue().values():
        assert list(entry.md5) == ["28", "64", "128", "224"]
        assert entry.licence.startswith("CC BY")
        sums += entry.md5.values()
    assert len(set(sums)) == 48
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in sums)
    assert medmnist.about("dermamnist").licence == "CC BY-NC 4.0"


def test_breastmnist_as_published():
    if not medmnist.available():
        pytest.skip("breastmnist.npz is not here")
    data = medmnist.load()
    assert {name: len(rows) for name, rows in data.items()} == {
        "train": 546,
        "validation": 78,
        "test": 156,
    }
    assert data["test"].features["label"].names == ["malignant", "normal, benign"]
    malignant = {name: rows["label"][:].count(0) for name, rows in data.items()}
    assert malignant == {"train": 147, "validation": 21, "test": 42}
    assert (data["test"][0]["image"].mode, data["test"][0]["image"].size) == (
        "L",
        (28, 28),
    )


@pytest.mark.parametrize("place", ["cache", "stick", "publisher"])
def test_a_file_is_found_in_each_place_and_cached(toy, place):
    getattr(toy, place).parent.mkdir(exist_ok=True)
    getattr(toy, place).write_bytes(toy.file)
    assert medmnist.available("toy") == (place != "publisher")
    data = medmnist.load("toy")
    assert toy.cache.read_bytes() == toy.file
    assert data["train"]["label"][:] == [0, 1, 0, 1, 0, 1]
    values = [np.asarray(image).max() for image in data["train"]["image"]]
    assert values == [100, 150, 100, 150, 100, 150]


def test_what_is_cached_needs_neither_stick_nor_network(toy, no_network):
    toy.stick.write_bytes(toy.file)
    medmnist.load("toy")
    toy.stick.unlink()
    assert medmnist.load("toy")["test"].num_rows == 3


def test_offline_contacts_nobody(toy, monkeypatch):
    toy.publisher.write_bytes(toy.file)
    monkeypatch.setenv("COURSE_OFFLINE", "1")
    with pytest.raises(MedmnistError) as error:
        medmnist.load("toy")
    message = str(error.value)
    assert "in the cache it is missing; from stick it is missing" in message
    assert "its publisher it was not fetched, because COURSE_OFFLINE=1" in message
    assert "put an intact toy.npz into a folder of COURSE_ASSETS" in message
    assert os.listdir(paths.CACHE) in ([], ["toy.npz.lock"])


def test_a_damaged_file_is_passed_over_and_the_cache_is_mended(toy):
    toy.cache.parent.mkdir()
    toy.cache.write_bytes(b"half")
    toy.stick.write_bytes(toy.file[:-9])
    toy.publisher.write_bytes(toy.file)
    assert not medmnist.available("toy")
    medmnist.load("toy")
    assert toy.cache.read_bytes() == toy.file


def changed(**changes) -> bytes:
    return packed(arrays() | changes)


def bomb() -> bytes:
    """Return a file whose first array goes on for 30 MB after what its header says."""
    file = io.BytesIO(packed(arrays(), np.savez))
    unpacked = {}
    with zipfile.ZipFile(file) as archive:
        unpacked = {name: archive.read(name) for name in archive.namelist()}
    unpacked["train_images.npy"] += bytes(30_000_000)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in unpacked.items():
            archive.writestr(name, content)
    return out.getvalue()


def claiming() -> bytes:
    """Return a file whose first array is said to have 10 ** 12 images."""
    file = io.BytesIO(packed(arrays(), np.savez))
    out = io.BytesIO()
    with (
        zipfile.ZipFile(file) as archive,
        zipfile.ZipFile(out, "w") as written,
    ):
        for name in archive.namelist():
            content = archive.read(name)
            if name == "train_images.npy":
                content = content.replace(
                    b"(6, 28, 28), }            ", b"(1000000000000, 28, 28), }"
                )
            written.writestr(name, content)
    return out.getvalue()


FAULTS = {
    "truncated": (lambda: packed(arrays())[:-30], "damaged or no .npz"),
    "a web page": (lambda: b"<html>log in</html>", "damaged or no .npz"),
    "other keys": (lambda: packed({"x": np.zeros(3)}), "holds other arrays than train"),
    "bomb": (bomb, r"train_images would unpack to 300\d+ bytes"),
    "claims": (claiming, r"train_images is uint8 \[1000000000000, 28, 28\], not"),
    "pickled": (
        lambda: changed(test_labels=np.array([{}, {}, {}], object)),
        "test_labels holds pickled objects",
    ),
    "dtype": (
        lambda: changed(val_images=np.zeros((2, 28, 28), np.float32)),
        r"val_images is float32 \[2, 28, 28\], not uint8",
    ),
    "shape": (
        lambda: changed(val_images=np.zeros((2, 64, 64), np.uint8)),
        r"val_images is uint8 \[2, 64, 64\], not uint8 \[2, 28, 28\]",
    ),
    "labels swapped": (
        lambda: changed(test_labels=1 - arrays()["test_labels"]),
        "not the published one",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_file_is_refused_and_named(toy, fault):
    make, reason = FAULTS[fault]
    toy.stick.write_bytes(make())
    assert not medmnist.available("toy")
    with pytest.raises(MedmnistError, match=f"from stick [^;]*{reason}") as error:
        medmnist.load("toy")
    assert "\n" not in str(error.value)
    assert not toy.cache.exists()
    assert not [x for x in os.listdir(paths.CACHE) if x.startswith(".partial")]


def test_a_file_compressed_anew_is_known_by_its_content(toy):
    flat = {key: x.ravel() if "labels" in key else x for key, x in arrays().items()}
    toy.stick.write_bytes(packed(flat, np.savez))
    assert not medmnist.available("toy")
    digest = hashlib.sha256(b"".join(x.tobytes() for x in arrays().values()))
    content = {"28": digest.hexdigest()}
    toy.table["toy"] = described(toy.file, content=content)
    assert medmnist.load("toy")["validation"]["label"][:] == [0, 1]


def test_grades_in_colour_keep_their_published_names(toy):
    toy.file = packed(arrays(channels=3))
    ordinal = {"task": "ordinal-regression", "labels": ["0", "1"], "channels": 3}
    toy.table["toy"] = described(toy.file, **ordinal)
    toy.stick.write_bytes(toy.file)
    data = medmnist.load("toy")
    assert data["test"].features["label"].names == ["0", "1"]
    assert data["test"][0]["image"].mode == "RGB"


@pytest.mark.parametrize(
    ("name", "size", "reason"),
    [
        ("lungmnist", 28, "no 2-D set 'lungmnist': choose one of toy"),
        ("toy", 32, "no images of 32 pixels: choose 28, 64"),
        ("many", 28, "several labels per image"),
        ("huge", 28, "needs 157 GB of memory"),
    ],
)
def test_what_cannot_be_loaded_is_refused_before_anybody_is_contacted(
    toy, no_network, name, size, reason
):
    toy.table["many"] = described(b"", task="multi-label, binary-class")
    toy.table["huge"] = described(b"", splits={"train": 10**8})
    with pytest.raises(MedmnistError, match=reason):
        medmnist.load(name, size)


def test_a_full_disk_is_called_so(toy, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    toy.stick.write_bytes(toy.file)
    monkeypatch.setattr(medmnist.shutil, "copyfile", full)
    with pytest.raises(MedmnistError, match="No space left on device.*free some space"):
        medmnist.load("toy")
