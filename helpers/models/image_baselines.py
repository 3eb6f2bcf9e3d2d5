"""Baselines of a pre-trained image model: features by hand, or a small new network.

`pictures` are uint8 arrays or Pillow images of any size, grey or colour; all functions
see them in grey levels.
"""

import numpy as np
import torch
from PIL import Image as Pillow
from scipy import stats
from skimage import feature
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn
from transformers.modeling_outputs import ImageClassifierOutput

CELL, ORIENTATIONS = 14, 9  # pixels of a cell's side; as large as DINOv2's patches
LEVELS, DISTANCES = 32, (1, 2, 4)  # grey levels and pixels of a co-occurrence matrix
ANGLES = tuple(np.pi / 4 * np.arange(4))
TEXTURES = "contrast", "dissimilarity", "homogeneity", "energy", "correlation"
WIDTHS = 16, 32, 64, 64  # channels of the small network's layers


def pixels(pictures, size: int = 28) -> np.ndarray:
    """Return the grey levels themselves, from 0 to 1: -> float32 [n, size * size]."""
    return _grey(pictures, size).reshape(len(pictures), -1) / np.float32(255)


def edges(pictures, size: int = 98) -> np.ndarray:
    """Return histograms of oriented gradients (HOG): -> float32 [n, features].

    Dalal and Triggs 2005: how strong edges are in nine directions, in each cell of
    14 x 14 pixels, normalised over blocks of 2 x 2 cells. 98 pixels make 1296 features.
    """
    cells = {"pixels_per_cell": (CELL, CELL), "cells_per_block": (2, 2)}
    options = {"orientations": ORIENTATIONS} | cells
    found = [feature.hog(grey, **options) for grey in _grey(pictures, size)]
    return np.array(found, np.float32)


def texture(pictures, size: int = 98) -> np.ndarray:
    """Return nine statistics of grey levels and five of pairs: -> float32 [n, 24].

    As in radiomics (van Griethuysen et al. 2017), but of the whole picture and not of
    an outlined lesion. The pairs are those of co-occurrence matrices (Haralick et al.
    1973) of 32 levels at three distances, a mean over four directions.
    """
    found = []
    for grey in _grey(pictures, size):
        levels = grey // (256 // LEVELS)
        options = {"levels": LEVELS, "symmetric": True, "normed": True}
        pairs = feature.graycomatrix(levels, DISTANCES, ANGLES, **options)
        values = grey.ravel() / 255
        share = np.bincount(levels.ravel(), minlength=LEVELS) / levels.size
        first = [values.mean(), values.std(), stats.entropy(share)]
        if np.ptp(values):
            first += [stats.skew(values), stats.kurtosis(values)]
        else:  # one grey level: neither is defined
            first += [0, 0]
        first += np.quantile(values, (0.1, 0.5, 0.9, 0.99)).tolist()
        second = [feature.graycoprops(pairs, name).mean(1) for name in TEXTURES]
        found.append(np.concatenate([first, *second]))
    return np.array(found, np.float32)


def line(C: float = 1) -> Pipeline:
    """Return standardised features + logistic regression, to be fitted."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))


def machine(C: float = 1) -> Pipeline:
    """Return standardised features + a support vector machine (SVM), to be fitted.

    Its kernel is scikit-learn's default, RBF. `decision_function` scores images; for
    probabilities see `calibrated`.
    """
    return make_pipeline(StandardScaler(), SVC(C=C))


def calibrated(classifier, features, labels, subjects, folds: int = 5):
    """Return a classifier with probabilities (Platt 1999), fitted on n images.

    features [n, size], labels [n], subjects [n]: the images of a subject are never both
    in the fold that fits the classifier and in the one that calibrates it. Raises
    ValueError if a class has fewer subjects than there are folds.
    """
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    labels, subjects = np.asarray(labels), np.asarray(subjects)
    for name in np.unique(labels):
        if np.unique(subjects[labels == name]).size < folds:
            raise ValueError(f"Class {name} has too few subjects: take fewer folds.")
    places = list(splitter.split(features, labels, subjects))
    model = CalibratedClassifierCV(classifier, cv=places, ensemble=False)
    return model.fit(features, labels)


class SmallCNN(nn.Module):
    """A convolutional network of 61 thousand parameters, for pictures of any size.

    Four times: 3 x 3 convolution, batch normalisation, ReLU, and the maximum of each
    2 x 2 pixels (LeCun et al. 1998; Ioffe and Szegedy 2015). Then a mean over what is
    left of the picture, and a linear classifier. Trainer takes it as an image model.
    """

    def __init__(self, num_labels: int = 2):
        super().__init__()
        layers = []
        for before, after in zip((3, *WIDTHS), WIDTHS, strict=False):
            convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(WIDTHS[-1], num_labels)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.classifier.weight.device

    def forward(self, pixel_values, labels=None) -> ImageClassifierOutput:
        """[n, 3, height, width] (16 pixels or more) -> logits [n, num_labels]."""
        hidden = self.features(pixel_values).mean((2, 3))
        logits, loss = self.classifier(hidden), None
        if labels is not None:
            loss = nn.functional.cross_entropy(logits, labels)
        return ImageClassifierOutput(loss=loss, logits=logits)


def _grey(pictures, size: int) -> np.ndarray:
    """Resize pictures in grey levels: -> uint8 [n, size, size]."""
    found = []
    for picture in pictures:
        if isinstance(picture, np.ndarray):
            picture = Pillow.fromarray(picture)
        small = picture.convert("L").resize((size, size), Pillow.Resampling.BICUBIC)
        found.append(np.array(small))
    return np.stack(found)
