"""Image data as `datasets.DatasetDict`, and pixels prepared for an image encoder."""

import numpy as np
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image
from matplotlib.cbook import get_sample_data
from PIL import Image as Pillow
from sklearn.datasets import load_digits, load_sample_image
from sklearn.model_selection import train_test_split

from helpers.data import assets

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)  # of ImageNet, red green blue
SPREAD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
T1 = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"


def digits() -> DatasetDict:
    """Return handwritten digits of 8 x 8 pixels: 797 train, 300 validation, 700 test.

    Part of the UCI data set that scikit-learn carries (Alpaydin and Kaynak 1998),
    split at random within each class, once and for all.
    """
    raw = load_digits()
    grey = (raw.images * (255 / 16)).astype(np.uint8)  # 16 grey levels -> 256
    features = Features({"image": Image(), "label": ClassLabel(names=[*"0123456789"])})
    pictures = [Pillow.fromarray(picture) for picture in grey]
    data = Dataset.from_dict({"image": pictures, "label": raw.target}, features)
    train, rest = train_test_split(
        np.arange(len(data)), train_size=797, stratify=raw.target, random_state=0
    )
    validation, test = train_test_split(
        rest, train_size=300, stratify=raw.target[rest], random_state=0
    )
    rows = {"train": train, "validation": validation, "test": test}
    return DatasetDict({name: data.select(chosen) for name, chosen in rows.items()})


def brain() -> np.ndarray:
    """Return the T1 volume of the MNI152 template, float64 [197, 233, 189] in [0, 1].

    One voxel is 1 mm; the axes run left to right, back to front, bottom to top. For
    teaching anatomy and methods only: it is an average of 152 people, no patient.
    """
    from nilearn.image import load_img

    volume = load_img(assets.fetch("mni152") / T1).get_fdata()
    return volume / volume.max()


def pictures() -> dict[str, np.ndarray]:
    """Return six pictures by name: three photographs and three planes of a brain.

    uint8 [height, width, 3] each. The temple is by danielbuechele, the flower by
    vultilion (Flickr, CC BY 2.0, carried by scikit-learn); the portrait of Grace Hopper
    is in the public domain (matplotlib); the planes are slices of `brain()`.
    """
    volume = brain()
    with get_sample_data("grace_hopper.jpg") as file:
        portrait = np.array(Pillow.open(file).convert("RGB"))
    return {
        "temple": load_sample_image("china.jpg"),
        "flower": load_sample_image("flower.jpg"),
        "portrait": portrait,
        "axial": _grey(volume[:, :, 85]),
        "coronal": _grey(volume[:, 110]),
        "sagittal": _grey(volume[85]),
    }


def prepare(pictures, size: int = 98) -> torch.Tensor:
    """Resize, scale and normalise pictures as DINOv2 expects: -> float32 [n, 3, s, s].

    `pictures` are uint8 arrays or Pillow images of any size, grey or colour.
    """
    prepared = []
    for picture in pictures:
        if isinstance(picture, np.ndarray):
            picture = Pillow.fromarray(picture)
        small = picture.convert("RGB").resize((size, size), Pillow.Resampling.BICUBIC)
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1)  # [3, size, size]
        prepared.append((pixels / 255 - MEAN) / SPREAD)
    return torch.stack(prepared)


def _grey(plane: np.ndarray) -> np.ndarray:
    """Turn a slice with values in [0, 1] upright and into three equal channels."""
    upright = (np.rot90(plane) * 255).astype(np.uint8)
    return np.repeat(upright[..., None], 3, axis=2)
