"""Right and wrong augmentations for slices of MRI and for ultrasound images.

An augmentation states what does not change the label. All take a Pillow image of mode
"L" or "RGB" and return one of the same size and mode.
"""

import numpy as np
from PIL import Image as Pillow
from PIL import ImageEnhance, ImageOps

DEGREES, SHIFT, BRIGHTNESS = 10, 0.05, 0.1  # at most, either way; of the width; of 1
AREA, ASPECT, COLOUR = (0.08, 1), (3 / 4, 4 / 3), 0.8  # of ImageNet's recipes
COLOURS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
BILINEAR = Pillow.Resampling.BILINEAR


def mirror_and_shift(picture: Pillow.Image, rng: np.random.Generator) -> Pillow.Image:
    """Mirror left and right at random, turn and shift a little, change light a little.

    Right: another patient could lie like this on the same scanner, and the whole lesion
    stays in view. What comes in at the edge is black, as around a scan. Not for tasks
    in which the side is the label.
    """
    if rng.random() < 0.5:
        picture = ImageOps.mirror(picture)
    across, down = rng.uniform(-SHIFT, SHIFT, 2) * picture.size
    angle = rng.uniform(-DEGREES, DEGREES)
    picture = picture.rotate(angle, BILINEAR, translate=(across, down))
    return _recoloured(picture, rng, COLOURS[:2], BRIGHTNESS)


def crop_and_mirror(picture: Pillow.Image, rng: np.random.Generator) -> Pillow.Image:
    """Enlarge a random crop of 8 to 100 % of the area, and mirror it at random.

    The usual recipe for photographs (Szegedy et al. 2015). Doubtful here: the crop may
    miss the lesion while the label still says there is one.
    """
    picture = _cropped(picture, rng)
    return ImageOps.mirror(picture) if rng.random() < 0.5 else picture


def crop_and_enlarge(picture: Pillow.Image, rng: np.random.Generator) -> Pillow.Image:
    """Crop and mirror, turn upside down at random, and change light strongly.

    Wrong here, and exaggerated: no patient is scanned upside down, and brightness tells
    tissues apart (strong colours: Chen et al. 2020).
    """
    picture = crop_and_mirror(picture, rng)
    if rng.random() < 0.5:
        picture = ImageOps.flip(picture)
    return _recoloured(picture, rng, COLOURS, COLOUR)


def _cropped(picture: Pillow.Image, rng: np.random.Generator) -> Pillow.Image:
    """Enlarge a random crop of 8 to 100 % of the area to the size of the picture."""
    area = rng.uniform(*AREA) * picture.width * picture.height
    aspect = np.exp(rng.uniform(*np.log(ASPECT)))
    width = min(picture.width, max(1, round((area * aspect) ** 0.5)))
    height = min(picture.height, max(1, round((area / aspect) ** 0.5)))
    left = rng.integers(picture.width - width, endpoint=True)
    top = rng.integers(picture.height - height, endpoint=True)
    box = (left, top, left + width, top + height)
    return picture.resize(picture.size, BILINEAR, box)


def _recoloured(picture, rng, changes, most: float) -> Pillow.Image:
    """Change brightness and the like by a random factor in [1 - most, 1 + most]."""
    for change in changes:
        picture = change(picture).enhance(rng.uniform(1 - most, 1 + most))
    return picture
