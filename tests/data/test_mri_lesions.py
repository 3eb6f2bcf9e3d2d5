"""Simulated lesions: kinds, splits and masks as promised, and nothing that leaks."""

import numpy as np
import pytest
from PIL import Image as Pillow

from helpers import paths
from helpers.data import images, lesions, mri_lesions
from helpers.data.lesions import Lesion


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """Keep the cache of these tests apart from the course's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "CACHE", tmp_path_factory.mktemp("cache"))
        yield paths.CACHE


@pytest.fixture(scope="module")
def data(folder):
    return mri_lesions.load(subjects=40, difficulty=0.3, slices=3, size=56)


def rows(data):
    return [row for name in mri_lesions.SPLITS for row in data[name]]


def pixels(rows, column="image"):
    return np.stack([np.asarray(row[column]) for row in rows]).astype(float)


def pair(number, difficulty=0.0, size=98):
    """The benign and the malignant lesion of the same random numbers."""
    return [
        Lesion.random(
            np.random.default_rng(number), malignant, difficulty, size, mri_lesions.SIDE
        )
        for malignant in (False, True)
    ]


def in_white_matter(lesion, size=98, height=0):
    """A slice of nothing but white matter with a lesion in it, and its mask."""
    plane = np.full((size, size), lesions.WHITE)
    return lesion.add(plane, np.ones((size, size)), height)


def test_subjects_are_split_40_20_40_and_never_divided(data):
    subjects = {name: set(split["subject"]) for name, split in data.items()}
    assert {name: len(found) for name, found in subjects.items()} == {
        "train": 16,
        "validation": 8,
        "test": 16,
    }
    assert set.union(*subjects.values()) == set(range(40))
    assert {name: len(split) for name, split in data.items()} == {
        name: 3 * len(found) for name, found in subjects.items()
    }


def test_every_kind_is_in_each_split_in_the_same_proportion(data):
    for split in data.values():
        counts = [split["kind"][:].count(kind) for kind in mri_lesions.KINDS]
        assert counts == [len(split) / 4, len(split) / 4, len(split) / 2]


def test_a_subject_has_one_kind_one_label_and_one_scanner(data):
    facts = {(r["subject"], r["kind"], r["label"], r["scanner"]) for r in rows(data)}
    assert len(facts) == 40
    assert all(label == (kind == "malignant") for _, kind, label, _ in facts)
    assert data["test"].features["label"].names == ["not malignant", "malignant"]


def test_the_number_of_a_subject_does_not_tell_its_kind():
    plan = np.array(mri_lesions._kinds(1000, 0.5, 0))
    for step in (2, 5, 10):
        for start in range(step):
            fraction = (plan[start::step] == "malignant").mean()
            assert 0.35 < fraction < 0.65


@pytest.mark.parametrize("prevalence", [0.1, 0.35, 0.8])
def test_prevalence_is_the_fraction_of_malignant_subjects(prevalence):
    plan = mri_lesions._kinds(200, prevalence, 0)
    counts = [plan.count(kind) for kind in mri_lesions.KINDS]
    assert counts[2] == 200 * prevalence
    assert abs(counts[0] - counts[1]) <= 1


def test_pictures_and_masks_are_grey_and_square(data):
    for row in data["validation"]:
        for column in ("image", "mask"):
            assert (row[column].mode, row[column].size) == ("L", (56, 56))


def test_a_mask_is_0_or_255_and_empty_only_without_a_lesion(data):
    for row in rows(data):
        mask = np.asarray(row["mask"])
        assert set(np.unique(mask)) == ({0} if row["kind"] == "none" else {0, 255})


def test_a_subject_is_the_same_however_many_there_are(data):
    fewer = mri_lesions.load(subjects=10, difficulty=0.3, slices=3, size=56)
    more = {row["subject"]: row for row in rows(data)}  # the last slice of each
    for subject, row in {row["subject"]: row for row in rows(fewer)}.items():
        assert row["kind"] == more[subject]["kind"]
        for column in ("image", "mask"):
            np.testing.assert_array_equal(row[column], more[subject][column])


def test_another_seed_makes_other_subjects(data):
    other = mri_lesions.load(subjects=10, difficulty=0.3, slices=3, size=56, seed=1)
    mine = {row["image"].tobytes() for row in rows(data)}
    assert not mine & {row["image"].tobytes() for row in rows(other)}


def test_scanner_b_is_noisier_and_scans_every_kind(data):
    noise = {"A": [], "B": []}
    for row in rows(data):
        noise[row["scanner"]].append(np.asarray(row["image"])[:6, :6].mean())
    assert max(noise["A"]) < min(noise["B"])  # outside the head there is only noise
    kinds = {(row["scanner"], row["kind"]) for row in rows(data)}
    assert len(kinds) == 6


def test_slices_of_a_subject_are_more_alike_than_those_of_two(data):
    quiet = [row for row in rows(data) if row["scanner"] == "A"]
    pictures, subjects = pixels(quiet), np.array([row["subject"] for row in quiet])
    distance = abs(pictures[:, None] - pictures).mean((2, 3))
    same = subjects[:, None] == subjects
    np.fill_diagonal(distance, np.inf)
    assert same[np.arange(len(quiet)), distance.argmin(1)].mean() > 0.95


@pytest.mark.parametrize("slices", [2, 3, 4, mri_lesions.MOST_SLICES])
def test_slices_are_3_mm_apart_and_inside_the_template(slices):
    for middle in range(*mri_lesions.MIDDLE):
        index, height = np.transpose(mri_lesions._places(middle, slices))
        assert set(np.diff(index)) == set(np.diff(height)) == {3}
        assert 0 <= index[0] < index[-1] < mri_lesions.HIGHEST - mri_lesions.LOWEST
        assert height.mean() == 0


def test_slices_stand_upright_like_the_other_pictures():
    axial = images.pictures()["axial"][18:215, :, 0]
    small = Pillow.fromarray(axial).resize((98, 98), Pillow.Resampling.BILINEAR)
    ours = mri_lesions._template(98)[0][85 - mri_lesions.LOWEST] * 255
    assert abs(ours - np.asarray(small)).max() < 1.5


def test_benign_and_malignant_have_the_same_area_and_mean_brightness():
    measured = []
    for number in range(60):
        for lesion in pair(number):
            plane, mask = in_white_matter(lesion)
            measured.append((mask.sum(), plane[mask].mean()))
    benign, malignant = np.reshape(measured, (60, 2, 2)).transpose(1, 2, 0)
    assert malignant[0].mean() == pytest.approx(benign[0].mean(), rel=0.03)
    assert malignant[1].mean() == pytest.approx(benign[1].mean(), abs=1e-6)
    assert benign[1].mean() < 0.8 * lesions.WHITE


def test_benign_is_round_and_even_malignant_is_neither():
    for number in range(10):
        (even, smooth), (mixed, ragged) = map(in_white_matter, pair(number))
        assert mixed[ragged].std() > 2 * even[smooth].std()
        edges = [abs(np.diff(m.astype(int), axis=1)).sum() for m in (smooth, ragged)]
        assert edges[1] > edges[0]


def test_oedema_is_around_the_malignant_lesion_and_not_in_its_mask():
    for number in range(10):
        benign, malignant = map(in_white_matter, pair(number))
        darker = [
            (plane[~mask] < 0.9 * lesions.WHITE).sum()
            for plane, mask in (benign, malignant)
        ]
        assert darker[1] > 100 + darker[0]


def test_at_the_greatest_difficulty_the_kinds_do_not_differ():
    for made in zip(*map(in_white_matter, pair(0, difficulty=1)), strict=True):
        np.testing.assert_array_equal(*made)


def test_the_lesion_stays_inside_the_brain():
    brain = np.zeros((98, 98))
    brain[:, :40] = 1
    before = np.full((98, 98), lesions.WHITE)
    for number in range(10):
        after, mask = pair(number)[1].add(before, brain, 0)
        np.testing.assert_array_equal(after[:, 40:], before[:, 40:])
        assert not mask[:, 40:].any()


def test_the_lesion_goes_on_in_the_next_slice_and_shrinks_away_from_its_middle():
    for number in range(10):
        lesion = pair(number)[1]
        middle, next_one, far = (
            in_white_matter(lesion, height=lesion.height + away)[1]
            for away in (0, 3, 0.8 * lesion.half_height)
        )
        assert (middle & next_one).sum() > 0.8 * middle.sum()
        assert far.sum() < 0.5 * middle.sum()


def test_a_smooth_field_passes_through_constants():
    np.testing.assert_allclose(lesions.smooth(np.full((2, 4, 4), 3.0), 30), 3)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"difficulty": 1.1}, "difficulty is 1.1"),
        ({"difficulty": float("nan")}, "difficulty is nan"),
        ({"subjects": 9}, "9 subjects"),
        ({"slices": 0}, "0 slices"),
        ({"slices": 9}, "9 slices"),
        ({"size": 27}, "27 pixels"),
        ({"prevalence": 0}, "prevalence is 0"),
        ({"prevalence": 1}, "prevalence is 1"),
        ({"prevalence": 0.1, "subjects": 20}, "2 of 20 subjects"),
        ({"prevalence": 0.9, "subjects": 20}, "18 of 20 subjects"),
    ],
)
def test_arguments_out_of_range_are_explained(arguments, problem):
    with pytest.raises(mri_lesions.LesionsError, match=problem):
        mri_lesions.load(**arguments)


def test_what_was_made_is_read_from_the_cache(data, monkeypatch):
    monkeypatch.delattr(mri_lesions, "_subject")
    again = mri_lesions.load(subjects=40, difficulty=0.3, slices=3, size=56)
    assert again["test"][5]["image"] == data["test"][5]["image"]


@pytest.mark.filterwarnings("ignore:Exception while loading")
def test_a_damaged_cache_is_made_anew(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "CACHE", tmp_path)
    settings = {"subjects": 10, "size": 28, "slices": 1}
    first = mri_lesions.load(**settings)
    for file in tmp_path.rglob("output.pkl"):
        file.write_bytes(file.read_bytes()[:1000])
    again = mri_lesions.load(**settings)
    assert again["train"][0]["image"] == first["train"][0]["image"]
