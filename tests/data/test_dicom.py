"""DICOM: rescaled, windowed, then inverted; private tags and other pitfalls named."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from helpers.data import dicom
from helpers.data.dicom import ImageError, ImageWarning

pytestmark = pytest.mark.filterwarnings("ignore::helpers.data.dicom.ImageWarning")


def example(name: str) -> str:
    """Return a file that comes with pydicom."""
    return get_testdata_file(name, download=False)


@pytest.fixture
def altered(tmp_path):
    """Return a function that writes CT_small with other tags; None removes one."""

    def write(name="CT_small.dcm", **tags) -> Path:
        dataset = pydicom.dcmread(example(name))
        for tag, value in tags.items():
            if value is None:
                delattr(dataset, tag)
            else:
                setattr(dataset, tag, value)
        dataset.save_as(tmp_path / "altered.dcm")
        return tmp_path / "altered.dcm"

    return write


def levels(path, window=None) -> np.ndarray:
    return np.asarray(dicom.read(path, window).image, int)


def stored(path) -> np.ndarray:
    return pydicom.dcmread(path).pixel_array.astype(float)


def test_a_window_counts_in_hounsfield_units():
    hounsfield = stored(example("CT_small.dcm")) - 1024  # slope 1
    shown = levels(example("CT_small.dcm"), (40, 400))
    expected = ((hounsfield - 39.5) / 399 + 0.5).clip(0, 1) * 255
    assert np.abs(shown - expected).max() <= 0.5
    assert 0 < (shown == 0).mean() < 1


def test_the_window_of_the_file_is_used_and_a_given_one_goes_before_it():
    values = stored(example("MR_small.dcm"))
    expected = ((values - 599.5) / 1599 + 0.5).clip(0, 1) * 255  # 600, 1600
    assert np.abs(levels(example("MR_small.dcm")) - expected).max() <= 0.5
    expected = ((values - 299.5) / 199 + 0.5).clip(0, 1) * 255
    given = levels(example("MR_small.dcm"), (300, 200))
    assert np.abs(given - expected).max() <= 0.5


def test_without_a_window_the_range_counts_but_not_padding(altered):
    values = stored(example("CT_small.dcm"))
    low, high = values.min(), values.max()
    expected = (values - low) / (high - low) * 255
    assert np.abs(levels(example("CT_small.dcm")) - expected).max() <= 0.5
    low = np.unique(values)[1]
    padded = altered(PixelPaddingValue=int(values.min()))
    expected = ((values - low) / (high - low)).clip(0) * 255
    assert np.abs(levels(padded) - expected).max() <= 0.5


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm"])
def test_monochrome1_is_inverted_after_the_window(altered, name):
    path = altered(name, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(levels(path), 255 - levels(example(name)))
    assert "DICOM: MONOCHROME1 inverted" in dicom.read(path).notes


def test_monochrome1_with_a_slope_and_a_window(altered):
    tags = {"RescaleSlope": 2, "RescaleIntercept": -100, "WindowCenter": 1000}
    tags |= {"WindowWidth": 500, "PhotometricInterpretation": "MONOCHROME1"}
    path = altered(**tags)
    values = 2 * stored(path) - 100
    expected = 255 - ((values - 999.5) / 499 + 0.5).clip(0, 1) * 255
    assert np.abs(levels(path) - expected).max() <= 1


def test_of_several_windows_the_first_is_taken():
    picture = dicom.read(example("examples_overlay.dcm"))
    assert "DICOM: the first of the file's 2 windows" in picture.notes
    first = dicom.read(example("examples_overlay.dcm"), (450, 790))
    np.testing.assert_array_equal(picture.image, first.image)


def test_a_window_of_width_0_in_the_file_is_passed_over(altered):
    path = altered(WindowCenter=0, WindowWidth=0)
    np.testing.assert_array_equal(levels(path), levels(example("CT_small.dcm")))


def test_a_table_in_place_of_a_window(altered):
    table = pydicom.Dataset()
    table.LUTDescriptor = [2, 500, 8]  # up to 500: first entry; above: second
    table.LUTData = np.array([10, 200], "<u2").tobytes()
    path = altered(VOILUTSequence=[table], RescaleIntercept=0)
    expected = np.where(stored(path) > 500, 200, 10)
    np.testing.assert_array_equal(levels(path), expected)


def test_colours_stay_colours():
    path = example("examples_rgb_color.dcm")
    picture = dicom.read(path)
    assert picture.image.mode == "RGB"
    np.testing.assert_array_equal(picture.image, pydicom.dcmread(path).pixel_array)
    palette = dicom.read(example("examples_palette.dcm"))
    assert (palette.image.mode, palette.image.size) == ("RGB", (800, 350))
    sixteen = dicom.read(example("SC_rgb_rle_16bit.dcm")).image
    np.testing.assert_array_equal(sixteen, dicom.read(example("SC_rgb_rle.dcm")).image)


def test_tags_that_name_a_patient_are_named(altered):
    with pytest.warns(ImageWarning, match="names a patient in PatientName, PatientID:"):
        picture = dicom.read(example("CT_small.dcm"))
    assert any("PatientName, PatientID" in note for note in picture.notes)
    path = altered(PatientName="", PatientID=None, PatientBirthDate="19600101")
    with pytest.warns(ImageWarning, match="in PatientBirthDate:"):
        dicom.read(path)


def test_nothing_is_warned_of_where_nobody_is_named(altered, recwarn):
    picture = dicom.read(altered(PatientName="", PatientID=""))
    assert not [warning for warning in recwarn if warning.category is ImageWarning]
    assert not [note for note in picture.notes if "patient" in note]
    assert dicom.read(altered(PatientIdentityRemoved="YES")).notes == picture.notes


def test_text_in_the_pixels_is_warned_of(altered):
    with pytest.warns(ImageWarning, match="text burned into its pixels"):
        dicom.read(altered(BurnedInAnnotation="YES"))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("examples_ybr_color.dcm", "holds 30 frames: save each"),
        ("rtplan.dcm", "a DICOM file without pixels"),
        ("no_meta.dcm", "lacks the letters DICM"),
        ("MR_truncated.dcm", "8130 vs 8192 bytes.*get an intact copy"),
        ("JPEGLSNearLossless_08.dcm", "compressed as JPEG-LS.*gdcmconv --raw"),
        ("SC_rgb_small_odd.dcm", "3 x 3 pixels: leave it out"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(name, reason):
    with pytest.raises(ImageError, match=reason) as error:
        dicom.read(example(name))
    assert "\n" not in str(error.value)


def test_a_huge_picture_is_refused_before_it_is_decoded(altered, monkeypatch):
    monkeypatch.setattr(dicom.pixels, "pixel_array", lambda _: pytest.fail("decoded"))
    with pytest.raises(ImageError, match="20000 x 20000 pixels: make it smaller"):
        dicom.read(altered(Rows=20000, Columns=20000))


@pytest.mark.parametrize("width", [0, -5, float("nan")])
def test_a_window_that_is_none_is_refused(width):
    with pytest.raises(ImageError, match="a width of at least 1"):
        dicom.read(example("CT_small.dcm"), (40, width))
