"""Pictures: right number, shape and orientation, and pixels as DINOv2 wants them."""

import hashlib

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Image
from PIL import Image as Pillow
from sklearn.datasets import load_digits

from helpers.data import images


@pytest.fixture(scope="module")
def digits():
    return images.digits()


@pytest.fixture(scope="module")
def brain():
    return images.brain()


def test_the_digits_are_split_797_300_700(digits):
    assert {name: len(part) for name, part in digits.items()} == {
        "train": 797,
        "validation": 300,
        "test": 700,
    }


def test_every_digit_is_used_once(digits):
    original = sorted(image.tobytes() for image in load_digits().images)
    ours = sorted(
        (np.asarray(picture) * (16 / 255)).round().astype(float).tobytes()
        for part in digits.values()
        for picture in part["image"]
    )
    assert ours == original


def test_digits_carry_the_label_of_their_own_picture(digits):
    raw = load_digits()
    pairs = zip(raw.images, raw.target, strict=True)
    known = {image.tobytes(): label for image, label in pairs}
    for row in digits["validation"]:
        grey = (np.asarray(row["image"]) * (16 / 255)).round().astype(float)
        assert known[grey.tobytes()] == row["label"]


def test_the_split_of_the_digits_never_changes(digits):
    def fingerprint(part):
        return hashlib.sha256(bytes(digits[part]["label"][:])).hexdigest()[:16]

    assert fingerprint("train") == "c33367e9baa62b5c"
    assert fingerprint("validation") == "14f575ac5b6a648e"
    assert fingerprint("test") == "1bec7637889388cd"


def test_each_class_has_its_share_of_every_split(digits):
    for part in digits.values():
        share = np.bincount(part["label"], minlength=10) / len(part)
        assert 0.09 < share.min() <= share.max() < 0.11


def test_digits_are_pictures_with_named_classes(digits):
    for part in digits.values():
        assert isinstance(part.features["image"], Image)
        assert part.features["label"] == ClassLabel(names=list("0123456789"))
    picture = digits["train"][0]["image"]
    assert (picture.size, picture.mode) == ((8, 8), "L")
    brightest = max(np.asarray(p).max() for p in digits["train"][:50]["image"])
    assert brightest == 255


def test_the_brain_is_one_cubic_millimetre_per_voxel_from_0_to_1(brain):
    assert (brain.shape, brain.dtype) == ((197, 233, 189), np.float64)
    assert (brain.min(), brain.max()) == (0, 1)


def test_the_axes_of_the_brain_run_left_right_back_front_bottom_top():
    from nilearn.image import load_img

    from helpers.data import assets

    affine = load_img(assets.fetch("mni152", quiet=True) / images.T1).affine
    np.testing.assert_array_equal(affine[:3, :3], np.eye(3))  # +x right, +y, +z up


def test_the_template_is_symmetric_as_its_card_says(brain):
    np.testing.assert_array_equal(brain, brain[::-1])


def test_six_pictures_in_colour(brain):
    pictures = images.pictures()
    assert list(pictures) == [
        "temple",
        "flower",
        "portrait",
        "axial",
        "coronal",
        "sagittal",
    ]
    for picture in pictures.values():
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
        assert picture.std() > 10
    for plane in ("axial", "coronal", "sagittal"):
        red, green, blue = np.moveaxis(pictures[plane], 2, 0)
        assert (red == green).all()
        assert (green == blue).all()
    assert pictures["axial"].shape == (233, 197, 3)
    assert pictures["coronal"].shape == (189, 197, 3)
    assert pictures["sagittal"].shape == (189, 233, 3)


def test_a_slice_is_turned_upright():
    plane = np.zeros((3, 5))
    plane[0, -1] = 1  # leftmost column, highest
    upright = images._grey(plane)
    assert upright.shape == (5, 3, 3)
    assert upright[0, 0].tolist() == [255, 255, 255]
    assert upright.sum() == 3 * 255


def test_prepared_pixels_are_scaled_and_normalised_per_channel():
    colour = np.empty((20, 30, 3), np.uint8)
    colour[:] = 255, 0, 51
    pixels = images.prepare([colour], size=14)
    assert (pixels.shape, pixels.dtype) == ((1, 3, 14, 14), torch.float32)
    expected = [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]
    torch.testing.assert_close(pixels[0].mean((1, 2)), torch.tensor(expected))
    assert pixels[0].std((1, 2)).max() < 1e-6


def test_prepare_agrees_with_the_processor_of_transformers():
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

    processor = BitImageProcessorPil(
        size={"height": 98, "width": 98}, do_center_crop=False, resample=3
    )
    processor.image_mean, processor.image_std = (
        [0.485, 0.456, 0.406],
        [0.229, 0.224, 0.225],
    )
    picture = images.pictures()["temple"]
    theirs = processor(Pillow.fromarray(picture), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(images.prepare([picture]), theirs, atol=1e-5, rtol=0)


def test_all_kinds_of_pictures_can_be_prepared_together():
    grey = np.full((8, 8), 100, np.uint8)
    colour = np.repeat(grey[..., None], 3, axis=2)
    kinds = [grey, colour, Pillow.fromarray(grey), Pillow.fromarray(colour)]
    kinds.append(Pillow.fromarray(colour).convert("RGBA"))
    pixels = images.prepare(kinds)
    assert pixels.shape == (5, 3, 98, 98)
    for other in pixels[1:]:
        torch.testing.assert_close(other, pixels[0])


def test_prepare_keeps_up_up_and_left_left():
    corner = np.zeros((98, 98), np.uint8)
    corner[:10, :20] = 255
    pixels = images.prepare([corner])[0, 0]
    assert (pixels[:10, :20] > 0).all()
    assert (pixels[10:] < 0).all()
    assert (pixels[:, 20:] < 0).all()
