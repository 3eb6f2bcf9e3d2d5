"""Open one DICOM file as a picture of 256 grey levels or colours.

The order is that of the standard (DICOM PS3.3 and PS3.4, annex N): rescale the stored
values, apply the window, and only then invert MONOCHROME1, in which 0 means white.
"""

import warnings
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import pydicom
from PIL import Image as Pillow
from pydicom import pixels

PRIVATE = ("PatientName", "PatientID", "PatientBirthDate")
LEAST, MOST = 8, 50_000_000  # pixels of the shorter side, and of the whole picture


class ImageError(ValueError):
    """A file cannot serve as a picture; the message says why and what to do."""


class ImageWarning(UserWarning):
    """A picture can be used, but the message says what to know about it."""


class Picture(NamedTuple):
    """A picture in mode "L" or "RGB", and notes on what was done to get it."""

    image: Pillow.Image
    notes: list[str]


def read(path, window: tuple[float, float] | None = None) -> Picture:
    """Return the picture of a DICOM file with one frame; colours become RGB.

    `window` is (centre, width) in units after rescaling (Hounsfield units for CT), and
    goes before the file's own. Without any window, the smallest value becomes black and
    the largest white; pixels marked as padding do not count.

    Warns with ImageWarning of tags that name a patient and of text burned into the
    pixels. Raises ImageError for a file that is no DICOM file, damaged, without pixels,
    with several frames, too small or too large, or that cannot be decoded, and for a
    window narrower than 1.
    """
    if window and not window[1] >= 1:
        raise ImageError(f"A window needs a width of at least 1, not {window[1]}.")
    dataset = None
    try:
        dataset = pydicom.dcmread(path)
        picture = _picture(path, dataset, window)
    except ImageError:
        raise
    except pydicom.errors.InvalidDicomError as error:
        raise ImageError(
            f"The file {path} is no DICOM file, or lacks the letters DICM at its byte "
            "128: save it anew, for instance with `dcmconv +F`."
        ) from error
    except Exception as error:  # of many decoders: no common ancestor
        reason = getattr(error, "strerror", None) or f"{error}".partition("\n")[0]
        raise ImageError(
            f"The file {path} cannot be decoded ({reason}){_compression(dataset)}."
        ) from error
    for note in _private(dataset):
        warnings.warn(f"A DICOM file {note}.", ImageWarning, stacklevel=2)
    return picture


def check_size(path, width: int, height: int) -> None:
    """Refuse, before it is decoded, a picture that is too small or too large."""
    if min(width, height) < LEAST:
        raise ImageError(
            f"The file {path} is {width} x {height} pixels: leave it out, since "
            f"nothing can be seen on less than {LEAST} x {LEAST}."
        )
    if width * height > MOST:
        raise ImageError(
            f"The file {path} is {width} x {height} pixels: make it smaller, or cut "
            f"it into pictures of at most {MOST // 10**6} million pixels."
        )


def scaled(values: np.ndarray, low: float, high: float) -> Pillow.Image:
    """Map numbers to 256 grey levels: `low` and less is black, `high` is white."""
    fraction = (np.asarray(values, float) - low) / ((high - low) or 1)
    return Pillow.fromarray((fraction.clip(0, 1) * 255).round().astype(np.uint8))


def _picture(path, dataset, window) -> Picture:
    if "PixelData" not in dataset:
        raise ImageError(
            f"The file {path} is a DICOM file without pixels: leave it out."
        )
    if (frames := int(dataset.get("NumberOfFrames") or 1)) > 1:
        raise ImageError(
            f"The file {path} holds {frames} frames: save each that you need as a file."
        )
    check_size(path, dataset.Columns, dataset.Rows)
    values = pixels.pixel_array(dataset)  # YBR becomes RGB
    notes = _private(dataset)
    if dataset.SamplesPerPixel == 3 or "PALETTE" in dataset.PhotometricInterpretation:
        return Picture(_colour(values, dataset), notes)
    padding = values == dataset.get("PixelPaddingValue")
    rescaled = pixels.apply_modality_lut(values, dataset)
    if not np.array_equal(rescaled, values):
        notes.append("DICOM: rescaled by the file's slope and intercept or table")
    image, note = _windowed(rescaled, padding, dataset, window)
    notes.append(f"DICOM: {note}")
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        image = Pillow.fromarray(255 - np.asarray(image))
        notes.append("DICOM: MONOCHROME1 inverted")
    return Picture(image, notes)


def _windowed(values, padding, dataset, window) -> tuple[Pillow.Image, str]:
    """Return 256 grey levels, and which window or table made them."""
    note = "the file's window"
    if window:
        dataset.WindowCenter, dataset.WindowWidth = window
        dataset.VOILUTFunction = "LINEAR"
        note = "the window that was given"
    elif "WindowWidth" in dataset and dataset["WindowWidth"].VM > 1:
        note = f"the first of the file's {dataset['WindowWidth'].VM} windows"
    if dataset.get("WindowWidth") is not None:
        with suppress(ValueError):  # a width of 0
            ends = pixels.apply_windowing(np.array([-np.inf, np.inf]), dataset)
            return scaled(pixels.apply_windowing(values, dataset), *ends), note
    if table := dataset.get("VOILUTSequence"):
        entries, first, bits = table[0].LUTDescriptor
        last = first + (entries or 2**16) - 1
        values = (
            values.round().astype(int).clip(first, last)
        )  # pydicom's would overflow
        values = pixels.apply_voi(values, dataset)
        return scaled(values, 0, 2**bits - 1), "the file's table"
    seen = values if padding.all() else values[~padding]
    return scaled(values, seen.min(), seen.max()), "smallest to largest value"


def _colour(values: np.ndarray, dataset) -> Pillow.Image:
    """Return red, green and blue with 8 bits each."""
    bits = dataset.BitsStored
    if "PALETTE" in dataset.PhotometricInterpretation:
        values = pixels.apply_color_lut(values, dataset)
        bits = values.dtype.itemsize * 8
    return Pillow.fromarray((values >> max(bits - 8, 0)).astype(np.uint8)[..., :3])


def _private(dataset) -> list[str]:
    """Say which tags name a patient, and whether text is burned into the pixels."""
    notes = []
    names = [tag for tag in PRIVATE if str(dataset.get(tag) or "").strip()]
    if names and dataset.get("PatientIdentityRemoved") != "YES":
        notes.append(
            f"names a patient in {', '.join(names)}: share pictures, not the file, or "
            "remove these tags first"
        )
    if dataset.get("BurnedInAnnotation") == "YES":
        notes.append(
            "has text burned into its pixels, perhaps a name: crop it before you share "
            "or train, since a model can read it"
        )
    return notes


def _compression(dataset) -> str:
    """Say how a file is compressed, and how to undo it."""
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    if syntax is None or not syntax.is_encapsulated:
        return ": get an intact copy of it"
    return f": it is compressed as {syntax.name}, undo that with `gdcmconv --raw`"
