"""Open one image file of a user's own as a picture of 256 grey levels or colours.

Whatever is converted is noted; what cannot be used is refused in one sentence. The
content of a file decides what it is, not the ending of its name.
"""

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from helpers.data import dicom
from helpers.data.dicom import ImageError as ImageError
from helpers.data.dicom import ImageWarning as ImageWarning
from helpers.data.dicom import Picture as Picture

MIDDLE = (0.5, 99.5)  # percentiles of a picture with more than 256 levels
SAVE = "save it as PNG, JPEG, TIFF or DICOM"


def read(path, grey: bool = True, window: tuple | None = None) -> Picture:
    """Return the picture of a file in mode "L", or "RGB" without `grey`, and notes.

    Reads DICOM (with `window` as in `dicom.read`) and what Pillow reads: PNG, JPEG,
    TIFF, BMP, WebP … The orientation that a camera notes is applied, transparency laid
    over black, CMYK and colour tables turned into RGB, and colours into grey where grey
    is wanted (ITU-R 601). Of more than 256 levels the .5th percentile of the picture
    becomes black and the 99.5th white, so brightness does not compare between pictures.

    Raises ImageError for a file that is missing, unreadable, empty, no image, damaged,
    with several frames, with sides below 8 pixels, or with more than 50 million pixels
    (refused before it is decoded).
    """
    path = Path(os.path.expanduser(path))
    start = _start(path)
    if start[128:] == b"DICM":
        kind, (image, notes) = "DICOM", dicom.read(path, window)
    else:
        kind, image, notes = _decoded(path)
    known = Pillow.registered_extensions() | {".dcm": "DICOM"}
    named = known.get(path.suffix.lower(), kind)
    if named != kind and {named, kind} != {"JPEG", "MPO"}:
        notes.append(f"named as {named}, but it is {kind}")
    image, more = _plain(image)
    if grey and image.mode == "RGB":
        red, green, blue = image.split()
        if not red.tobytes() == green.tobytes() == blue.tobytes():
            more.append("colours turned into grey")
    image = image.convert("L" if grey else "RGB")
    low, high = image.convert("L").getextrema()
    if low == high:
        more.append("the same grey everywhere")
    return Picture(image, notes + more)


def _start(path: Path) -> bytes:
    """Return the first 132 bytes of a file, or say why it cannot be read."""
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError as error:
        raise ImageError(
            f"The file {path} cannot be read ({error.strerror}): name an image file "
            "that you may open."
        ) from error
    if not start:
        raise ImageError(f"The file {path} is empty: copy it again, or leave it out.")
    return start


def _decoded(path: Path) -> tuple[str, Pillow.Image, list[str]]:
    """Return the format, the upright picture and notes of a file that Pillow reads."""
    notes = []
    try:
        with warnings.catch_warnings():  # our own limit is smaller
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
            file = Pillow.open(path)
        with file:
            dicom.check_size(path, *file.size)
            frames = getattr(file, "n_frames", 1)
            if frames > 1 and file.format != "MPO":  # a telephone adds a second to JPEG
                raise ImageError(
                    f"The file {path} holds {frames} frames: save each that you need "
                    "as a file."
                )
            file.load()
            image = ImageOps.exif_transpose(file)
            if file.getexif().get(0x0112, 1) != 1:
                notes.append("turned upright, as its EXIF orientation says")
            return file.format, image, notes
    except ImageError:
        raise
    except Pillow.UnidentifiedImageError as error:
        raise ImageError(
            f"The file {path} is no image that can be read here: {SAVE}."
        ) from error
    except Pillow.DecompressionBombError as error:
        raise ImageError(
            f"The file {path} has far too many pixels ({error}): make it smaller."
        ) from error
    except Exception as error:  # of many decoders: no common ancestor
        raise ImageError(
            f"The file {path} is damaged or incomplete ({error}): copy it again, or "
            "leave it out."
        ) from error


def _plain(image: Pillow.Image) -> tuple[Pillow.Image, list[str]]:
    """Return a picture in mode "L" or "RGB", and what was done for it."""
    notes = []
    if image.mode[0] in "IF":  # integers of 16 or 32 bits, or floats
        values = np.asarray(image).astype(float)
        finite = values[np.isfinite(values)]
        low, high = np.percentile(finite, MIDDLE) if finite.size else (0, 0)
        notes.append("more than 256 levels: percentiles .5 to 99.5 became 0 to 255")
        return dicom.scaled(np.nan_to_num(values, nan=low), low, high), notes
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < 255:
            notes.append("transparency laid over black")
        black = Pillow.new("RGBA", image.size, "black")
        return Pillow.alpha_composite(black, image).convert("RGB"), notes
    if image.mode == "1":
        return image.convert("L"), notes
    if image.mode not in ("L", "RGB"):
        if image.mode != "P":
            notes.append(f"{image.mode} turned into RGB")
        image = image.convert("RGB")
    return image, notes
