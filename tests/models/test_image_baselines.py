"""Features by hand tell what they are for, and no subject stands on two sides."""

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from sklearn.model_selection import cross_val_score

from helpers.models import encoders, image_baselines

RNG = np.random.default_rng(0)


def stripes(across: bool, size: int = 98) -> np.ndarray:
    """A picture of stripes, from top to bottom or from left to right."""
    wave = (np.arange(size) // 7 % 2 * 200).astype(np.uint8)
    picture = np.tile(wave, (size, 1))
    return picture.T.copy() if across else picture


@pytest.mark.parametrize("features", ["pixels", "edges", "texture"])
def test_arrays_and_pillow_images_grey_or_colour_give_the_same(features):
    see = getattr(image_baselines, features)
    grey = RNG.integers(0, 256, (2, 60, 60), np.uint8)
    images = [Pillow.fromarray(picture) for picture in grey]
    colour = [np.repeat(picture[..., None], 3, 2) for picture in grey]
    found = see(grey)
    assert found.dtype == np.float32
    assert not np.array_equal(found[0], found[1])
    for others in (images, colour):
        assert np.array_equal(found, see(others))


def test_pixels_are_grey_levels_from_0_to_1_row_by_row():
    picture = np.zeros((28, 28), np.uint8)
    picture[0, 1] = 255
    found = image_baselines.pixels([picture])
    assert found.shape == (1, 784)
    assert np.flatnonzero(found[0]).tolist() == [1]
    assert found.max() == 1


def test_edges_tell_directions_and_not_contrast():
    upright, across = image_baselines.edges([stripes(False), stripes(True)])
    assert upright.shape == (1296,)  # 6 x 6 blocks of 2 x 2 cells with 9 directions
    assert upright @ across < 0.1 * (upright @ upright)
    fainter = image_baselines.edges([stripes(False) // 2 + 50])[0]
    assert np.allclose(upright, fainter, atol=0.01)


def test_texture_of_a_chessboard_and_of_one_grey_level():
    board = (np.indices((98, 98)).sum(0) % 2 * 255).astype(np.uint8)
    grey, chess = image_baselines.texture([np.full((98, 98), 51, np.uint8), board])
    assert grey[0] == pytest.approx(0.2)
    assert grey[1:5] == pytest.approx(0)  # spread, entropy, skewness, kurtosis
    contrast, dissimilarity, homogeneity, energy = grey[9:21].reshape(4, 3)
    assert (contrast == 0).all() and (dissimilarity == 0).all()
    assert (homogeneity == 1).all() and (energy == 1).all()
    assert chess[2] == pytest.approx(np.log(2))  # entropy of two equal levels
    # 1 pixel away: 31 levels apart in two directions, none in the two diagonal ones
    assert chess[9:12] == pytest.approx([31**2 / 2, 0, 0])
    assert np.isfinite([grey, chess]).all()


@pytest.mark.parametrize("name", ["line", "machine"])
def test_the_unit_of_a_feature_does_not_matter(name):
    X = RNG.normal(size=(60, 3))
    y = X[:, 0] > 0
    model = getattr(image_baselines, name)
    scores = model().fit(X, y).decision_function(X)
    again = X * [1, 1000, 0.001]
    assert np.allclose(scores, model().fit(again, y).decision_function(again))


def test_the_machine_finds_what_no_line_does():
    X = RNG.normal(size=(300, 2))
    y = X[:, 0] * X[:, 1] > 0
    assert cross_val_score(image_baselines.line(), X, y).mean() < 0.65
    assert cross_val_score(image_baselines.machine(10), X, y).mean() > 0.9


def test_calibration_never_splits_a_subject():
    """Labels are random: only who recognises a subject could be sure."""
    rng = np.random.default_rng(1)
    subjects = np.repeat(range(60), 4)
    X = np.repeat(rng.normal(size=(60, 30)), 4, axis=0)
    y = np.repeat(rng.permutation(60) < 30, 4)
    model = image_baselines.calibrated(image_baselines.machine(100), X, y, subjects)
    unseen = rng.normal(size=(500, 30))
    sure = np.abs(model.predict_proba(unseen)[:, 1] - 0.5)
    leaky = image_baselines.calibrated(
        image_baselines.machine(100), X, y, range(240)
    ).predict_proba(X)
    assert sure.mean() < 0.1
    assert np.abs(leaky[:, 1] - 0.5).mean() > 0.3


def test_calibrated_probabilities_are_frequencies():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(400, 1))
    y = rng.random(400) < 1 / (1 + np.exp(-2 * X[:, 0]))
    model = image_baselines.calibrated(image_baselines.line(), X, y, range(400))
    expected = 1 / (1 + np.exp([2.0, 0.0, -2.0]))
    found = model.predict_proba([[-1], [0], [1]])[:, 1]
    assert found == pytest.approx(expected, abs=0.08)


def test_too_few_subjects_cannot_be_calibrated():
    with pytest.raises(ValueError, match="Class 1 has too few subjects"):
        image_baselines.calibrated(
            image_baselines.line(),
            np.eye(20),
            [0] * 12 + [1] * 8,
            np.arange(20) // 2,
        )


def test_the_small_network_is_small_and_takes_any_size():
    model = image_baselines.SmallCNN(3).eval()
    assert encoders.count(image_baselines.SmallCNN()) == (60818, 60818)
    for size in (16, 28, 98):
        assert model(torch.zeros(2, 3, size, size)).logits.shape == (2, 3)
    assert model.device == torch.zeros(1).device
    labels = torch.tensor([0, 2])
    output = model(torch.randn(2, 3, 28, 28), labels)
    logits = output.logits.log_softmax(1)
    assert output.loss.item() == pytest.approx(-logits[[0, 1], labels].mean().item())


@pytest.mark.usefixtures("one_thread")
def test_the_small_network_learns_directions():
    torch.manual_seed(0)
    noise = torch.randn(32, 3, 28, 28) * 40
    both = torch.stack([torch.tensor(stripes(a, 28)) for a in (False, True)])
    labels = torch.arange(32) % 2
    pictures = (both[labels][:, None] + noise) / 100
    model = image_baselines.SmallCNN()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(12):
        model(pictures[:16], labels[:16]).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    found = model(pictures[16:]).logits.argmax(1)
    assert (found == labels[16:]).float().mean() > 0.9
