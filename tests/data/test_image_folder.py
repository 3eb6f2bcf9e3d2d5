"""A reader's own images: whole subjects in one split, bad files named, leaks too."""

import shutil
import warnings

import numpy as np
import pytest
from PIL import Image as Pillow
from pydicom.data import get_testdata_file

from helpers.data import image_folder, subjects
from helpers.data.image_files import ImageError, ImageWarning

pytestmark = pytest.mark.filterwarnings("ignore::helpers.data.dicom.ImageWarning")
RNG = np.random.default_rng(0)


def save(path, picture=None, **options):
    """Write a picture, by default one of noise."""
    if picture is None:
        picture = RNG.integers(256, size=(24, 32), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(picture).save(path, **options)


def fill(folder, classes=("benign", "malignant"), subjects=6, slices=3, first=0):
    """Write noise for each class, subject and slice."""
    for number, name in enumerate(classes):
        for subject in range(subjects):
            for one in range(slices):
                who = first + subjects * number + subject
                save(folder / name / f"patient{who}_slice{one}.png")
    return folder


def told(folder, *arguments, **options) -> list[str]:
    """Load, and return what was warned of; nothing else may be."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        data = image_folder.load(folder, *arguments, **options)
    assert {warning.category for warning in seen} <= {ImageWarning}
    messages = [str(warning.message) for warning in seen]
    assert all(message in image_folder.report(data) for message in messages)
    return messages


def of_split(data, column) -> dict:
    return {name: sorted(set(rows[column])) for name, rows in data.items()}


def test_whole_subjects_lie_in_one_split_and_each_split_has_both_classes(tmp_path):
    data = image_folder.load(fill(tmp_path))
    assert list(data) == ["train", "validation", "test"]
    assert list(data["train"].features) == ["image", "label", "subject", "file"]
    assert data["train"].features["label"].names == ["benign", "malignant"]
    found = of_split(data, "subject")
    assert sum(map(len, found.values())) == len(set().union(*found.values())) == 12
    assert all(labels == [0, 1] for labels in of_split(data, "label").values())
    assert len(data["test"]) <= 9 and len(data["train"]) >= 18


def test_every_image_has_its_own_label_subject_and_pixels(tmp_path):
    data = image_folder.load(fill(tmp_path))
    files = set()
    for rows in data.values():
        for row in rows:
            with Pillow.open(tmp_path / row["file"]) as expected:
                np.testing.assert_array_equal(row["image"], expected)
            assert row["file"].split("/")[0] == ["benign", "malignant"][row["label"]]
            assert f"/{row['subject']}_" in row["file"]
            files.add(row["file"])
    assert len(files) == 36


def test_the_seed_decides_and_rows_are_shuffled(tmp_path):
    fill(tmp_path)
    once, again, other = (image_folder.load(tmp_path, seed=seed) for seed in (0, 0, 1))
    assert once["test"]["file"][:] == again["test"]["file"][:]
    assert of_split(once, "subject") != of_split(other, "subject")
    assert once["train"]["label"][:] != sorted(once["train"]["label"][:])


def test_the_report_counts_images_and_subjects(tmp_path):
    fill(tmp_path)
    assert told(tmp_path) == []
    report = image_folder.report(image_folder.load(tmp_path))
    assert "patient0 for benign/patient0_slice0.png" in report
    row = next(line for line in report.splitlines() if line.startswith("malignant"))
    counts = [int(cell) for cell in row.split()[1:]]
    assert (sum(counts[:3]), sum(counts[3:])) == (18, 6)


def test_bad_files_are_named_and_the_good_ones_kept(tmp_path):
    fill(tmp_path)
    (tmp_path / "benign" / "notes.txt").write_text("a note")
    (tmp_path / "benign" / "empty.png").touch()
    (tmp_path / "benign" / ".DS_Store").write_text("of a Mac")
    save(tmp_path / "malignant" / "patient7_slice0_mask.png")
    (message,) = told(tmp_path)
    assert message.startswith("3 of 39 files are left out. ")
    assert "The file benign/empty.png is empty" in message
    assert "benign/notes.txt is no image" in message
    assert "malignant/patient7_slice0_mask.png is a mask" in message
    data = image_folder.load(tmp_path)
    assert sum(map(len, data.values())) == 36


def test_of_many_bad_files_five_are_named(tmp_path):
    fill(tmp_path)
    for number in range(7):
        (tmp_path / "benign" / f"{number}.png").touch()
    (message,) = told(tmp_path)
    assert message.startswith("7 of 43 files")
    assert message.count("is empty") == 5
    assert message.endswith("And so on.")


def test_conversions_are_counted(tmp_path):
    fill(tmp_path)
    colour = RNG.integers(256, size=(24, 32, 3), dtype=np.uint8)
    save(tmp_path / "benign" / "patient1_slice8.png", colour)
    source = get_testdata_file("CT_small.dcm", download=False)
    shutil.copy(source, tmp_path / "benign" / "patient1_slice9.dcm")
    messages = told(tmp_path)
    assert "Of 1 images: colours turned into grey." in messages
    assert any("names a patient in PatientName" in message for message in messages)
    data = image_folder.load(tmp_path, grey=False)
    assert {image.mode for image in data["train"]["image"]} == {"RGB"}


@pytest.mark.parametrize("validation", ["validation", "val", None])
def test_splits_that_are_there_stay_and_a_missing_one_is_taken_from_train(
    tmp_path, validation
):
    fill(tmp_path / "train")
    fill(tmp_path / "Test", subjects=2, first=50)
    if validation:
        fill(tmp_path / validation, subjects=2, first=70)
    data = image_folder.load(tmp_path)
    assert {file.split("/")[0] for file in data["test"]["file"]} == {"Test"}
    folder = {file.split("/")[0] for file in data["validation"]["file"]}
    assert folder == {validation or "train"}
    assert len(data["test"]) == 12
    assert set(data["train"]["subject"]).isdisjoint(data["validation"]["subject"])


def test_a_subject_in_two_given_splits_and_a_copy_are_told(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test", subjects=2, first=5)  # 5, 6, 7 and 8 are in train too
    shutil.copy(
        tmp_path / "train" / "benign" / "patient0_slice0.png",
        tmp_path / "test" / "malignant" / "patient99_slice0.png",
    )
    messages = told(tmp_path)
    assert any(
        message.startswith("4 subjects have images in two splits, such as patient5")
        for message in messages
    )
    assert any(
        message.startswith("1 images have a near-duplicate in another split, and 1 of")
        for message in messages
    )


def test_images_that_do_not_tell_their_subject_are_told(tmp_path):
    for name in ("benign", "malignant"):
        for number in range(6):
            save(tmp_path / name / f"{name} ({number}).png")
    (message,) = told(tmp_path)
    assert message.startswith("12 of 12 images, such as benign/benign (0).png, do not")


def test_a_pattern_of_ones_own(tmp_path):
    for name, first in (("a", 0), ("b", 6)):
        for number in range(12):
            save(tmp_path / name / f"2024-{number}_ID{first + number // 2:03}x.png")
    assert told(tmp_path, subject_pattern=r"ID(\d{3})") == []
    data = image_folder.load(tmp_path, subject_pattern=r"ID(\d{3})")
    found = of_split(data, "subject")
    assert set().union(*found.values()) == {f"{number:03}" for number in range(12)}
    assert sum(map(len, found.values())) == 12
    for pattern in ("(", "nobody"):
        with pytest.raises(ImageError, match="The pattern"):
            image_folder.load(tmp_path, subject_pattern=pattern)


def test_a_csv_file_goes_before_names(tmp_path):
    fill(tmp_path / "images", subjects=6, slices=2)
    rows = ["File;Subject", "readme.txt;x"]
    for path in sorted((tmp_path / "images").rglob("*.png")):
        who = int(path.stem.partition("_")[0].removeprefix("patient"))
        named = path.name if who % 2 else f"{path.parent.name}/{path.name}"
        rows.append(f"{named};{'abcdefghijkl'[who]}")
    listed = tmp_path / "subjects.csv"
    listed.write_text("\n".join(rows), encoding="utf-8-sig")
    data = image_folder.load(tmp_path / "images", listed)
    found = of_split(data, "subject")
    assert sorted(sum(found.values(), [])) == [*"abcdefghijkl"]
    assert f"Subjects are from {listed}" in image_folder.report(data)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("name,who\na.png,1\n", "has the columns name, who"),
        ("file,subject\na/x.png,1\n", "no subject for 1 of 2 images, .* b/x.png"),
        ("file,subject\nx.png,1\n", "no subject for 2 of 2 images"),
        ("file,subject\na/x.png,1\na/x.png,2\n", "two subjects for a/x.png"),
        ("", "cannot be read"),
        (None, "No such file"),
    ],
)
def test_a_csv_file_that_cannot_be_used_is_refused(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "s.csv").write_text(content)
    with pytest.raises(ImageError, match=reason):
        subjects.from_csv(["a/x.png", "b/x.png"], tmp_path / "s.csv")


@pytest.mark.parametrize(
    ("path", "subject"),
    [
        ("patient12_slice3.png", "patient12"),
        ("Slice3_Patient12.png", "patient12"),
        ("sub-01_ses-2_T1w.dcm", "sub-01"),
        ("case 7.png", "case 7"),
        ("P0031.png", "p0031"),
        ("pat7/slice_1.png", "pat7"),
        ("00123/1.png", "00123"),
        ("benign (12).png", None),
        ("slice12.png", None),
        ("crop1.png", None),
    ],
)
def test_the_default_pattern(path, subject):
    assert subjects.from_paths([path]) == [subject]


@pytest.mark.parametrize(
    ("classes", "subjects", "reason"),
    [
        (("benign",), 9, "two or more classes, but only benign has files"),
        (("benign", "malignant"), 4, "Class benign has 4 of at least 5 subjects"),
        ((), 9, "two or more classes: name the folder"),
    ],
)
def test_too_little_is_refused(tmp_path, classes, subjects, reason):
    with pytest.raises(ImageError, match=reason):
        image_folder.load(fill(tmp_path, classes, subjects))


def test_other_folders_are_refused_with_the_reason(tmp_path):
    with pytest.raises(ImageError, match="There is no folder"):
        image_folder.load(tmp_path / "absent")
    fill(tmp_path / "train")
    fill(tmp_path / "test", ("benign", "Malignant"))
    with pytest.raises(ImageError, match="Not every class has an image in test"):
        image_folder.load(tmp_path)
    (tmp_path / "other").mkdir()
    with pytest.raises(ImageError, match="holds other, test, train: name them"):
        image_folder.load(tmp_path)


def test_a_class_without_a_usable_image_is_refused(tmp_path):
    fill(tmp_path, ("benign", "malignant"))
    (tmp_path / "normal").mkdir()
    (tmp_path / "normal" / "a.png").touch()
    with pytest.raises(ImageError, match="Class normal has no image .*a.png is empty"):
        image_folder.load(tmp_path)
