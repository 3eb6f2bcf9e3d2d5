"""Volumes (CT, MR) from NIfTI and NRRD files, turned as radiologists look at them.

Files store the three axes in any order and direction, and say in the header how they
lie in the patient. Here every volume comes out the same way: slice 0 is the lowest
(towards the feet); in each axial slice the front of the body (anterior) is at the top
and the patient's left at the right of the image, as if seen from the feet (radiological
convention). A volume that lies at a slant is turned to the nearest axes, not resampled.
"""

from itertools import product
from pathlib import Path
from typing import NamedTuple

import nibabel
import nrrd
import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from PIL import Image, ImageOps

AXES = ("S", "P", "L")  # slices run to the head, rows to the back, columns to the left
NIFTI, NRRD = (".nii", ".nii.gz"), (".nrrd", ".nhdr")


class VolumeError(ValueError):
    """A file is no volume that can be used; the message says what to do."""


class Volume(NamedTuple):
    """Intensities, float32 [slices, height, width], and the distances between voxels.

    `spacing` is in mm: from slice to slice, from row to row, from column to column.
    """

    array: np.ndarray
    spacing: tuple[float, float, float]


def load(path: str | Path) -> Volume:
    """Read a volume from a `.nii`, `.nii.gz`, `.nrrd` or `.nhdr` file.

    Values are as scaled by the header (Hounsfield units for CT). Raises VolumeError
    when the file cannot be read, does not have three axes, does not say how they lie in
    the patient, or holds values that are not finite.
    """
    return _volume(_upright(Path(path)))


def load_with_mask(
    image_path: str | Path, mask_path: str | Path
) -> tuple[Volume, np.ndarray]:
    """Read a volume and its mask: -> (Volume, bool [slices, height, width]).

    Every value of the mask above 0 counts as marked. Raises VolumeError as `load`, and
    when the mask marks nothing or does not cover the same place as the image: another
    shape, or a corner that lies more than half a voxel off.
    """
    image, mask = _upright(Path(image_path)), _upright(Path(mask_path))
    volume, marked = _volume(image), _volume(mask).array > 0
    names = f"The mask {Path(mask_path).name} does not fit {Path(image_path).name}"
    if image.shape != mask.shape:
        raise VolumeError(
            f"{names}: it has {_times(mask.shape)} voxels instead of "
            f"{_times(image.shape)}; outline the lesion on that image."
        )
    off = np.linalg.norm(_corners(image) - _corners(mask), axis=1).max()
    if off > min(volume.spacing) / 2:
        raise VolumeError(
            f"{names}: by their headers they lie {off:.1f} mm apart; export it with "
            "the position and spacing of that image."
        )
    if not marked.any():
        raise VolumeError(
            f"The mask {Path(mask_path).name} marks nothing: all its voxels are 0; "
            "export it again, or leave it away."
        )
    return volume, marked


def square(plane: np.ndarray, size: int, smooth: bool = True) -> Image.Image:
    """Turn one slice with values from 0 to 255 into a grey picture, `size` x `size`.

    Proportions are kept and the rest is 0. Masks and label maps need `smooth=False`:
    then no value arises that was not there.
    """
    picture = Image.fromarray(plane.round().astype(np.uint8))
    method = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    return ImageOps.pad(picture, (size, size), method)


def _upright(path: Path) -> nibabel.Nifti1Image:
    """Read a file and bring its axes into the order and direction of AXES."""
    name = path.name.lower()
    if not name.endswith(NIFTI + NRRD):
        raise VolumeError(
            f"{path.name} is not called {', '.join(NIFTI + NRRD)}: convert it to NIfTI "
            "or NRRD first, for instance in 3D Slicer."
        )
    read = _read_nifti if name.endswith(NIFTI) else _read_nrrd
    try:
        array, affine = read(path)
    except Exception as error:  # of nibabel, pynrrd, zlib, the disk: no common ancestor
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = reason.splitlines()[0].replace(str(path), path.name)
        raise VolumeError(
            f"{path.name} cannot be read ({reason}): download or export it again."
        ) from error
    if array.ndim != 3:
        raise VolumeError(
            f"{path.name} has {array.ndim} axes ({_times(array.shape)}) and not 3: "
            "export one volume, such as one point in time, in grey."
        )
    if affine is None or not np.isfinite(affine).all() or not np.linalg.det(affine):
        raise VolumeError(
            f"{path.name} does not say how its axes lie in the patient: export it with "
            "orientation and spacing in its header."
        )
    if not np.isfinite(array).all():
        raise VolumeError(
            f"{path.name} holds values that are not finite: replace them, for instance "
            "by 0, and save it again."
        )
    image = nibabel.Nifti1Image(array, affine)
    turn = ornt_transform(io_orientation(affine), axcodes2ornt(AXES))
    return image.as_reoriented(turn)


def _read_nifti(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the voxels and where they lie in mm (right, anterior, superior)."""
    image = nibabel.load(path)
    stated = image.header["sform_code"] > 0 or image.header["qform_code"] > 0
    return image.get_fdata(dtype=np.float32), image.affine if stated else None


def _read_nrrd(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the voxels and where they lie in mm (right, anterior, superior)."""
    array, header = nrrd.read(str(path))
    space = header.get("space", "")
    letters = space.upper() if len(space) == 3 else _initials(space)
    directions = header.get("space directions")
    if sorted(letters) not in (["A", "L", "S"], ["A", "R", "S"], ["L", "P", "S"]):
        directions = None
    if directions is None or array.ndim != 3:
        return np.asarray(array), None
    signs = [1 if letter in "RAS" else -1 for letter in letters]
    affine = np.eye(4)
    affine[:3, :3] = np.transpose(directions) * np.reshape(signs, (3, 1))
    affine[:3, 3] = header.get("space origin", np.zeros(3)) * np.array(signs)
    return array.astype(np.float32), affine


def _initials(space: str) -> str:
    return "".join(word[0] for word in space.upper().split("-") if word)


def _volume(image: nibabel.Nifti1Image) -> Volume:
    spacing = voxel_sizes(image.affine).round(4).tolist()
    return Volume(np.ascontiguousarray(image.dataobj), tuple(spacing))


def _corners(image: nibabel.Nifti1Image) -> np.ndarray:
    """Return where the eight outermost voxels lie: [8, 3] in mm."""
    ends = [(0, length - 1) for length in image.shape]
    return apply_affine(image.affine, list(product(*ends)))


def _times(shape) -> str:
    return " x ".join(map(str, shape))
