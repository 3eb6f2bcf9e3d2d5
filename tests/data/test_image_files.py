"""One image file: what is converted is noted, and what cannot be used is refused."""

import shutil

import numpy as np
import pytest
from PIL import Image as Pillow
from pydicom.data import get_testdata_file

from helpers.data import dicom, image_files
from helpers.data.image_files import ImageError

GREY = np.arange(600, dtype=np.uint16).reshape(20, 30)  # more than 256 levels
SMALL = (GREY % 256).astype(np.uint8)
COLOUR = np.stack([SMALL, SMALL // 2, 255 - SMALL], 2)


@pytest.fixture
def saved(tmp_path):
    """Return a function that saves an array or a Pillow image and returns its path."""

    def save(picture, name: str, **options):
        if isinstance(picture, np.ndarray):
            picture = Pillow.fromarray(picture)
        picture.save(tmp_path / name, **options)
        return tmp_path / name

    return save


@pytest.mark.parametrize("ending", ["png", "tif", "bmp"])
def test_a_grey_picture_comes_as_it_is(saved, ending):
    picture = image_files.read(saved(SMALL, f"a.{ending}"))
    assert picture.image.mode == "L"
    np.testing.assert_array_equal(picture.image, SMALL)
    assert picture.notes == []


def test_equal_channels_are_grey_without_a_note(saved):
    path = saved(np.repeat(SMALL[..., None], 3, 2), "a.png")
    picture = image_files.read(path)
    np.testing.assert_array_equal(picture.image, SMALL)
    assert picture.notes == []


def test_colours_become_grey_or_stay(saved):
    path = saved(COLOUR, "a.png")
    picture = image_files.read(path)
    assert picture.notes == ["colours turned into grey"]
    luminance = COLOUR @ [0.299, 0.587, 0.114]
    assert np.abs(np.asarray(picture.image) - luminance).max() <= 1
    kept = image_files.read(path, grey=False)
    assert (kept.image.mode, kept.notes) == ("RGB", [])
    np.testing.assert_array_equal(kept.image, COLOUR)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_more_than_256_levels_are_scaled_by_percentiles(saved, kind):
    values = GREY.astype(kind) * 2
    values[0, 0] = 60_000  # one bright pixel must not darken the rest
    picture = image_files.read(saved(values, "a.tif"))
    low, high = np.percentile(values, (0.5, 99.5))
    expected = ((values - low) / (high - low)).clip(0, 1) * 255
    assert np.abs(np.asarray(picture.image, float) - expected).max() <= 0.5
    assert picture.notes == [
        "more than 256 levels: percentiles .5 to 99.5 became 0 to 255"
    ]


def test_missing_values_are_black(saved):
    values = GREY.astype(np.float32)
    values[5, 5] = np.nan
    assert np.asarray(image_files.read(saved(values, "a.tif")).image)[5, 5] == 0


def test_transparency_lies_over_black(saved):
    seen = np.full((20, 30, 4), 200, np.uint8)
    seen[..., 3] = 255
    seen[:, :10, 3] = 0
    picture = image_files.read(saved(seen, "a.png"))
    assert "transparency laid over black" in picture.notes
    assert np.unique(np.asarray(picture.image)[:, :10]).tolist() == [0]
    assert np.unique(np.asarray(picture.image)[:, 10:]).tolist() == [200]
    seen[..., 3] = 255
    assert image_files.read(saved(seen, "b.png")).notes == ["the same grey everywhere"]


def test_cmyk_and_colour_tables(saved):
    picture = image_files.read(saved(Pillow.new("CMYK", (9, 9), (0, 0, 0, 0)), "a.jpg"))
    assert "CMYK turned into RGB" in picture.notes
    assert np.asarray(picture.image).min() == 255  # no ink is white
    table = Pillow.fromarray(COLOUR).quantize(16)
    picture = image_files.read(saved(table, "a.gif"), grey=False)
    np.testing.assert_array_equal(picture.image, table.convert("RGB"))


def test_the_orientation_of_a_camera_is_applied(saved):
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    picture = image_files.read(saved(SMALL, "a.png", exif=exif))
    np.testing.assert_array_equal(picture.image, np.rot90(SMALL, -1))
    assert picture.notes == ["turned upright, as its EXIF orientation says"]


def test_the_content_counts_and_not_the_ending(saved):
    picture = image_files.read(saved(SMALL, "a.png", format="BMP"))
    assert picture.notes == ["named as PNG, but it is BMP"]
    np.testing.assert_array_equal(picture.image, SMALL)
    picture = image_files.read(saved(SMALL, "a.dcm", format="PNG"))
    assert picture.notes == ["named as DICOM, but it is PNG"]


def test_dicom_is_known_by_its_content(tmp_path):
    source = get_testdata_file("CT_small.dcm", download=False)
    path = shutil.copy(source, tmp_path / "IM0001")
    with pytest.warns(dicom.ImageWarning):
        picture = image_files.read(path, window=(40, 400))
        expected = dicom.read(source, (40, 400))
    np.testing.assert_array_equal(picture.image, expected.image)
    assert picture.notes == expected.notes


def test_a_home_folder_may_be_written_with_a_tilde(saved, monkeypatch):
    monkeypatch.setenv("HOME", str(saved(SMALL, "a.png").parent))
    assert image_files.read("~/a.png").image.size == (30, 20)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.png", r"cannot be read \(No such file"),
        ("folder", "cannot be read"),
        ("empty.png", "is empty"),
        ("text.png", "no image that can be read here: save it as PNG"),
        ("short.png", "damaged or incomplete"),
        ("short.jpg", "damaged or incomplete"),
        ("tiny.png", "1 x 1 pixels: leave it out"),
        ("narrow.png", "30 x 7 pixels: leave it out"),
        ("moving.gif", "holds 3 frames"),
        ("pages.tif", "holds 3 frames"),
        ("large.png", "9000 x 9000 pixels: make it smaller"),
        ("huge.png", "far too many pixels"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(saved, tmp_path, name, reason):
    frames = [Pillow.fromarray(SMALL + shift) for shift in range(3)]
    more = {"save_all": True, "append_images": frames[1:]}
    if name == "folder":
        (tmp_path / name).mkdir()
    elif name == "empty.png":
        (tmp_path / name).touch()
    elif name == "text.png":
        (tmp_path / name).write_text("no picture")
    elif name.startswith("short"):
        whole = saved(COLOUR, f"whole{name[5:]}").read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 3])
    elif name in ("moving.gif", "pages.tif"):
        saved(frames[0], name, **more)
    elif name == "large.png":
        saved(Pillow.new("1", (9000, 9000)), name)
    elif name == "huge.png":
        saved(Pillow.new("1", (20000, 20000)), name)
    elif name != "absent.png":
        saved(SMALL[:1, :1] if name == "tiny.png" else SMALL[:7], name)
    with pytest.raises(ImageError, match=reason) as error:
        image_files.read(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_large_picture_is_not_decoded(saved, monkeypatch):
    path = saved(Pillow.new("1", (9000, 9000)), "large.png")
    monkeypatch.setattr(Pillow.Image, "load", lambda _: pytest.fail("decoded"))
    with pytest.raises(ImageError, match="9000 x 9000"):
        image_files.read(path)


def test_a_file_that_may_not_be_opened(saved, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    path = saved(SMALL, "a.png")
    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(ImageError, match="Permission denied.*that you may open"):
        image_files.read(path)
