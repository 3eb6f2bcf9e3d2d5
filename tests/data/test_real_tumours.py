"""The five patients: numbers, windows, orientation, and squares that fit the masks."""

import numpy as np
import pytest

from helpers.data import real_tumours

LESIONS = {"brain1": 7, "brain2": 3, "breast1": 3, "lung1": 3, "lung2": 11}


@pytest.fixture(scope="module")
def patients():
    return real_tumours.patients()


@pytest.fixture(scope="module")
def rows(patients):
    """All slices; the volumes are read once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(real_tumours, "patients", lambda: patients)
        return real_tumours.dataset(size=98)


def test_27_of_178_slices_show_a_lesion(patients, rows):
    shown = {n: int(p.mask.any((1, 2)).sum()) for n, p in patients.items()}
    assert shown == LESIONS
    assert (len(rows), sum(rows["has_tumour"])) == (178, 27)
    names = rows.filter(lambda found: found, input_columns="has_tumour")["patient"][:]
    assert {name: names.count(name) for name in LESIONS} == LESIONS


def test_images_are_windowed_and_masks_fit(patients):
    for patient in patients.values():
        assert patient.image.dtype == np.float32
        assert (patient.image.min(), patient.image.max()) == (0, 1)
        assert patient.mask.dtype == bool
        assert patient.mask.shape == patient.image.shape
        between, row, column = patient.spacing
        assert between > row == column
    assert {n: p.modality for n, p in patients.items()} == real_tumours.MODALITIES


def test_the_solid_lesion_stands_out_from_the_lung(patients):
    """Soft tissue is at about 40 Hounsfield units, so at .74 of the window."""
    patient = patients["lung2"]
    assert patient.image[patient.mask].mean() == pytest.approx(0.74, abs=0.05)


def test_the_table_is_below_the_patient_and_the_liver_on_the_left(patients):
    """lung2, lowest slice: air above the chest; the right half holds more air."""
    lowest = patients["lung2"].image[0]
    assert lowest[:40].mean() < 0.05 < lowest[-40:].mean()
    left, right = lowest[100:300, :256], lowest[100:300, 256:]
    assert (left > 0.7).mean() > (right > 0.7).mean()


def test_the_face_is_at_the_top(patients):
    """brain2, level of the eyes: a dark globe on either side, bright fat behind."""
    eyes = patients["brain2"].image[8]
    assert patients["brain2"].mask[8].any()
    globes, fat = eyes[22:32, [*range(92, 104), *range(176, 186)]], eyes[44:54, 92:104]
    assert globes.mean() < 0.25 < 0.8 < fat.mean()


def test_ct_has_one_window_and_mr_that_of_its_volume():
    array = np.array([-2000.0, -1000, -300, 400, 3000])
    assert real_tumours.windowed(array, "CT").tolist() == [0, 0, 0.5, 1, 1]
    mr = np.linspace(50, 250, 201)
    assert real_tumours.windowed(mr, "MR")[[0, 100, 200]].tolist() == [0, 0.5, 1]
    assert real_tumours.windowed(mr * 7, "MR")[30] == pytest.approx(
        real_tumours.windowed(mr, "MR")[30]
    )


def test_rows_are_grey_squares_with_masks_of_0_and_255(rows):
    for row in rows:
        image, mask = row["image"], row["mask"]
        assert (image.size, image.mode, mask.size, mask.mode) == ((98, 98), "L") * 2
        values = set(np.unique(mask))
        assert values == ({0, 255} if row["has_tumour"] else {0})
