"""Volumes of known orientation come out upright from both kinds of file."""

import gzip

import nibabel
import nrrd
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from helpers.data import volumes

BODY = np.arange(60, dtype=np.int16).reshape(3, 4, 5)  # to the right, front and head
UPRIGHT = BODY.transpose(2, 1, 0)[:, ::-1, ::-1]  # to the head, back and left
AFFINE = np.diag([0.5, 2, 3, 1])
AFFINE[:3, 3] = -7, 11, 100
FLIPS = {"left-posterior-superior": (-1, -1, 1), "RAS": (1, 1, 1), "LAS": (-1, 1, 1)}


def save(path, array, affine, space="left-posterior-superior"):
    """Write a NIfTI or NRRD file; `affine` is in mm to the right, front and head."""
    if ".nii" in path.name:
        nibabel.save(nibabel.Nifti1Image(array, affine), path)
    else:
        flips = np.array(FLIPS[space])
        header = {
            "space": space,
            "space directions": (affine[:3, :3] * flips[:, None]).T,
            "space origin": affine[:3, 3] * flips,
        }
        nrrd.write(str(path), array, header)
    return path


def stored_as(code: str, array=BODY):
    """Return an array with its axes in another order and direction, and the affine."""
    image = nibabel.Nifti1Image(array, AFFINE)
    turn = ornt_transform(io_orientation(AFFINE), axcodes2ornt(tuple(code)))
    turned = image.as_reoriented(turn)
    return np.asarray(turned.dataobj), turned.affine


@pytest.mark.parametrize("code", ["RAS", "LPS", "LAS", "SPL", "PIR", "AIL"])
@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz", "v.nrrd", "v.nhdr"])
def test_a_volume_comes_out_upright_however_it_is_stored(tmp_path, name, code):
    volume = volumes.load(save(tmp_path / name, *stored_as(code)))
    np.testing.assert_array_equal(volume.array, UPRIGHT)
    assert volume.array.dtype == np.float32
    assert volume.spacing == (3, 2, 0.5)


def test_left_of_the_patient_is_right_in_the_image_and_the_front_is_at_the_top(
    tmp_path,
):
    """Headers written by hand: axes to the left, back and head, as scanners do."""
    array = np.zeros((3, 4, 5))
    array[2, 0, 4] = 1  # leftmost, front, highest
    header = {"space": "left-posterior-superior", "space directions": np.eye(3)}
    nrrd.write(str(tmp_path / "v.nrrd"), array, header)
    image = nibabel.Nifti1Image(array, np.diag([-1, -1, 1, 1]))
    nibabel.save(image, tmp_path / "v.nii")
    for name in ("v.nrrd", "v.nii"):
        marked = np.argwhere(volumes.load(tmp_path / name).array)
        assert marked.tolist() == [[4, 0, 2]]  # last slice, first row, last column


@pytest.mark.parametrize("space", FLIPS)
def test_each_space_of_nrrd_means_the_same_body(tmp_path, space):
    path = save(tmp_path / "v.nrrd", BODY, AFFINE, space)
    np.testing.assert_array_equal(volumes.load(path).array, UPRIGHT)


def test_a_slanted_volume_keeps_its_spacing_and_the_nearest_axes(tmp_path):
    cos, sin = np.cos(0.3), np.sin(0.3)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    slanted = AFFINE.copy()
    slanted[:3, :3] = turn @ AFFINE[:3, :3]
    for name in ("v.nii", "v.nrrd"):
        volume = volumes.load(save(tmp_path / name, BODY, slanted))
        np.testing.assert_array_equal(volume.array, UPRIGHT)
        assert volume.spacing == (3, 2, 0.5)


def test_values_are_scaled_as_the_header_says(tmp_path):
    image = nibabel.Nifti1Image(BODY, AFFINE)
    image.header.set_slope_inter(2, -1024)
    nibabel.save(image, tmp_path / "ct.nii.gz")
    loaded = volumes.load(tmp_path / "ct.nii.gz").array
    np.testing.assert_array_equal(loaded, UPRIGHT * 2.0 - 1024)


MARKED = (BODY == 17).astype(np.uint8)


@pytest.mark.parametrize("code", ["RAS", "LPS", "SPL"])
def test_a_mask_is_turned_like_its_image_even_if_stored_another_way(tmp_path, code):
    image = save(tmp_path / "image.nrrd", BODY, AFFINE)
    mask = save(tmp_path / "mask.nii.gz", *stored_as(code, MARKED * 3))
    volume, marked = volumes.load_with_mask(image, mask)
    assert marked.dtype == bool
    assert volume.array[marked].tolist() == [17]


def moved(mm: float) -> np.ndarray:
    """Return the affine of a volume that lies further to the right."""
    return AFFINE + mm * np.outer([1, 0, 0, 0], [0, 0, 0, 1])


@pytest.mark.parametrize(
    ("mask", "affine", "reason"),
    [
        (MARKED[:, :, 1:], AFFINE, "has 4 x 4 x 3 voxels instead of 5 x 4 x 3"),
        (MARKED, moved(0.3), "by their headers they lie 0.3 mm apart"),
        (MARKED, AFFINE @ np.diag([1, 1.2, 1, 1]), "they lie 1.2 mm apart"),
        (MARKED, AFFINE @ np.diag([1, 1, -1, 1]), "they lie 12.0 mm apart"),
    ],
)
def test_a_mask_of_another_place_is_refused(tmp_path, mask, affine, reason):
    image = save(tmp_path / "image.nii", BODY, AFFINE)
    save(tmp_path / "mask.nii", mask, affine)
    refusal = f"The mask mask.nii does not fit image.nii: .*{reason}"
    with pytest.raises(volumes.VolumeError, match=refusal):
        volumes.load_with_mask(image, tmp_path / "mask.nii")


def test_rounding_in_a_header_is_no_other_place(tmp_path):
    image = save(tmp_path / "image.nii", BODY, AFFINE)
    mask = save(tmp_path / "mask.nii", MARKED, moved(0.2))  # half a voxel is 0.25 mm
    assert volumes.load_with_mask(image, mask)[1].sum() == 1


def test_an_empty_mask_is_refused(tmp_path):
    image = save(tmp_path / "image.nii", BODY, AFFINE)
    mask = save(tmp_path / "mask.nrrd", MARKED * 0, AFFINE)
    with pytest.raises(volumes.VolumeError, match="mask.nrrd marks nothing"):
        volumes.load_with_mask(image, mask)


def many_axes(folder):
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 3, 4, 5)), AFFINE), folder / "v.nii")
    return folder / "v.nii"


def many_axes_nrrd(folder):
    nrrd.write(str(folder / "v.nrrd"), np.zeros((2, 3, 4, 5)))
    return folder / "v.nrrd"


def without_orientation(folder):
    image = nibabel.Nifti1Image(BODY, None)
    nibabel.save(image, folder / "v.nii")
    return folder / "v.nii"


def without_orientation_nrrd(folder):
    nrrd.write(str(folder / "v.nrrd"), BODY)
    return folder / "v.nrrd"


def in_scanner_space(folder):
    header = {"space": "scanner-xyz", "space directions": np.eye(3)}
    nrrd.write(str(folder / "v.nrrd"), BODY, header)
    return folder / "v.nrrd"


def not_finite(folder):
    return save(folder / "v.nii", np.full((2, 3, 4), np.nan), AFFINE)


def cut_short(folder):
    path = save(folder / "v.nrrd", BODY, AFFINE)
    path.write_bytes(path.read_bytes()[:-20])
    return path


def cut_short_nifti(folder):
    path = save(folder / "v.nii", BODY, AFFINE)
    (folder / "v.nii.gz").write_bytes(gzip.compress(path.read_bytes())[:-30])
    return folder / "v.nii.gz"


def text(folder):
    (folder / "v.nrrd").write_text("hello")
    return folder / "v.nrrd"


def text_nifti(folder):
    (folder / "v.nii").write_text("hello")
    return folder / "v.nii"


def absent(folder):
    return folder / "v.nrrd"


def picture(folder):
    return folder / "v.png"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (many_axes, r"v\.nii has 4 axes \(2 x 3 x 4 x 5\) and not 3: export one"),
        (many_axes_nrrd, r"v\.nrrd has 4 axes \(2 x 3 x 4 x 5\) and not 3"),
        (without_orientation, "does not say how its axes lie in the patient: export"),
        (without_orientation_nrrd, "does not say how its axes lie in the patient"),
        (in_scanner_space, "does not say how its axes lie in the patient"),
        (not_finite, "holds values that are not finite: replace"),
        (cut_short, r"v\.nrrd cannot be read \(.+\): download or export"),
        (cut_short_nifti, r"v\.nii\.gz cannot be read \(.+\): download or export"),
        (text, r"v\.nrrd cannot be read \(.+\): download or export"),
        (text_nifti, r"v\.nii cannot be read \(.+\): download or export"),
        (absent, r"v\.nrrd cannot be read \(No such file or directory\)"),
        (picture, r"v\.png is not called \.nii, \.nii\.gz, \.nrrd, \.nhdr: convert"),
    ],
)
def test_what_is_no_volume_is_refused_in_a_sentence(tmp_path, make, reason):
    with pytest.raises(volumes.VolumeError, match=reason) as caught:
        volumes.load(make(tmp_path))
    assert str(tmp_path) not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_strip_is_padded_not_stretched():
    plane = np.zeros((40, 20))
    plane[10:20, 5:15] = 255  # a square
    small = np.asarray(volumes.square(plane, 80, smooth=False))
    inside = np.argwhere(small)
    assert inside.min(0).tolist() == [20, 30]
    assert inside.max(0).tolist() == [39, 49]


def test_only_a_smooth_picture_has_values_in_between():
    labels = np.random.default_rng(0).integers(0, 3, (50, 50))
    assert set(np.unique(volumes.square(labels, 30, smooth=False))) == {0, 1, 2}
    assert len(np.unique(volumes.square(labels * 100, 30))) > 20
