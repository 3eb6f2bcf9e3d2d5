"""Grey and white matter in axial slices of the MNI152 template, to learn segmentation.

One brain, and an average of 152 (Fonov et al. 2011): for learning the method only.
"""

import numpy as np
from datasets import Dataset, DatasetDict, Features, Image, Value

from helpers.data import assets, volumes

CLASSES = ["background", "grey matter", "white matter"]
FILES = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
FIRST = 10  # the lowest slice with at least 2 % of grey and white matter
BLOCKS = [  # upwards from there, in slices of 1 mm
    ("train", 24),
    ("gap", 10),
    ("validation", 12),
    ("gap", 10),
    ("train", 22),
    ("gap", 10),
    ("test", 12),
    ("gap", 10),
    ("train", 30),
]
FEATURES = Features({"image": Image(), "labels": Image(), "slice": Value("int32")})


def load(size: int = 196) -> DatasetDict:
    """Return 76 training, 12 validation and 12 test slices with their label maps.

    Columns: `image` (T1, Pillow, mode L, `size` x `size`, oriented as `volumes` says),
    `labels` (mode L, same size: the index in CLASSES of each pixel) and `slice` (height
    in mm above the lowest one). A pixel belongs to the tissue that fills most of it, if
    that is at least half.

    Splits are blocks of neighbouring slices, 1 cm apart. Slices are 1 mm thick, and the
    labels of a test slice's neighbour, copied, agree with its own with an F1 of .92
    (grey) and .95 (white): a random split would reward memory. Those of the nearest
    training slice agree with .48 and .57. Raises AssetError when files are missing.
    """
    folder = assets.fetch("mni152")
    t1, grey, white = (
        volumes.load(folder / FILES.format(name)).array for name in ("t1", "gm", "wm")
    )
    tissue = np.where(grey >= white, 1, 2) * (np.maximum(grey, white) >= 255 / 2)
    names = np.repeat(*zip(*BLOCKS, strict=True))
    rows = {name: [] for name in ("train", "validation", "test")}
    for index, name in enumerate(names, start=FIRST):
        if name in rows:
            labels = volumes.square(tissue[index], size, smooth=False)
            image = volumes.square(t1[index], size)
            rows[name].append({"image": image, "labels": labels, "slice": index})
    return DatasetDict(
        {name: Dataset.from_list(own, FEATURES) for name, own in rows.items()}
    )
