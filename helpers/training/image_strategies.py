"""The strategies of fine-tuning DINOv2 on images that chapter 6 compares."""

import tempfile
from functools import partial

import numpy as np
import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageClassification,
    Trainer,
    TrainingArguments,
)

from helpers import hardware
from helpers.data import augmentation, images
from helpers.models import encoders
from helpers.models.image_baselines import SmallCNN
from helpers.training import fine_tuning, freezing

MODEL, SIZE = "dinov2-small", 98  # pixels of a side: 7 x 7 patches
LAST = "last two layers"
STRATEGIES = ("LoRA", LAST, "full fine-tuning", "from scratch", "small CNN")
AUGMENTATIONS = {
    "none": None,
    "mirror and shift": augmentation.mirror_and_shift,
    "crop and mirror": augmentation.crop_and_mirror,
    "crop and enlarge": augmentation.crop_and_enlarge,
}


class StrategyError(ValueError):
    """A strategy or an augmentation does not exist; the message names those that do."""


def new_model(strategy: str, seed=0, num_labels=2, device=None, r=8, lora_alpha=16):
    """Return a classifier, ready to be trained by one of `STRATEGIES`.

    DINOv2 (Oquab et al. 2023) with a random head on [CLS] and the mean of the patches,
    but for a "small CNN"; "from scratch" has random weights in all layers. Equal seeds
    make equal weights. `r` and `lora_alpha` are LoRA's, on queries and values. With the
    last two layers the final normalisation is trained, too. Raises StrategyError.
    """
    _check(strategy, STRATEGIES)
    torch.manual_seed(seed)
    if strategy == "small CNN":
        return SmallCNN(num_labels).to(device)
    place, kind = encoders.locate(MODEL), AutoModelForImageClassification
    if strategy == "from scratch":
        options = {"num_labels": num_labels, "image_size": SIZE}
        config = AutoConfig.from_pretrained(place, **options)
        return kind.from_config(config).to(device)
    options = {"num_labels": num_labels, "dtype": torch.float32}
    model = kind.from_pretrained(place, **options).to(device)
    if strategy == LAST:
        freezing.train_only(model, LAST)
        model.base_model.layernorm.requires_grad_(True)
    if strategy == "LoRA":
        targets = {"target_modules": ["q_proj", "v_proj"]}
        targets["modules_to_save"] = ["classifier"]
        config = LoraConfig(r=r, lora_alpha=lora_alpha, **targets)
        return get_peft_model(model, config)
    return model


def fine_tune(
    model,
    pictures,
    labels,
    *,
    learning_rate: float,
    epochs: float,
    batch_size: int = 16,
    seed: int = 0,
    augment: str = "none",
    balanced: bool = False,
    bf16: bool | None = False,
    size: int = SIZE,
) -> Trainer:
    """Fine-tune a classifier in place on n pictures, and return its Trainer.

    `pictures` are Pillow images (without augmentation also uint8 arrays) of any size,
    `labels` n class numbers from 0. Settings as in `fine_tuning.arguments`. `augment`
    is one of `AUGMENTATIONS`: each picture is changed anew whenever it is read. With
    `balanced` classes have equal weight in the loss, however rare. Raises
    StrategyError.
    """
    _check(augment, AUGMENTATIONS)
    labels = np.asarray(labels)
    weight = None
    if balanced:
        count = torch.from_numpy(np.bincount(labels))
        weight = (labels.size / (count.numel() * count)).float().to(model.device)
    data = _Pictures(pictures, labels, size, AUGMENTATIONS[augment], seed)
    settings = fine_tuning.arguments(
        model.device,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        seed=seed,
        bf16=bf16,
    )
    with tempfile.TemporaryDirectory() as place:
        trainer = Trainer(
            model,
            TrainingArguments(place, logging_strategy="no", **settings),
            train_dataset=data,
            compute_loss_func=partial(_loss, weight),
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    # with bf16 the model was wrapped, and would answer differently from a reloaded one
    trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    return trainer


def logits(model, pictures, size=SIZE, batch_size=64, precision=None) -> torch.Tensor:
    """Return a classifier's logits of n pictures: -> float32 [n, classes].

    Pictures as in `images.prepare`. Dropout is off, and every module's mode comes back.
    `precision` as in `hardware.autocast`, None for float32.
    """
    found = []
    with (
        encoders.evaluating(model),
        hardware.autocast(model, precision or "float32"),
    ):
        for start in range(0, len(pictures), batch_size):
            batch = images.prepare(pictures[start : start + batch_size], size)
            found.append(model(batch.to(model.device)).logits.float().cpu())
    return torch.cat(found)


def vectors(pictures, model=None) -> np.ndarray:
    """Return frozen DINOv2's vectors of n pictures: -> float32 [n, 2 * hidden size].

    `image_baselines.line` on them is the strategy "frozen + linear"; a model of
    `encoders.load_image` may be given.
    """
    model = model or encoders.load_image(MODEL)
    return encoders.embed_images(model, images.prepare(pictures, SIZE)).numpy()


def untrained_vectors(pictures, seed=0) -> np.ndarray:
    """Return the same vectors of the same encoder with random weights, as a control."""
    torch.manual_seed(seed)
    config = AutoConfig.from_pretrained(encoders.locate(MODEL))
    return vectors(pictures, AutoModel.from_config(config).eval())


class _Pictures(torch.utils.data.Dataset):
    """Pictures prepared once, or each time anew with an augmentation."""

    def __init__(self, pictures, labels, size: int, change, seed: int):
        self.labels, self.size, self.change = labels, size, change
        self.rng = np.random.default_rng(seed)
        self.pictures = pictures if change else images.prepare(pictures, size)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index: int) -> dict:
        pixels = self.pictures[index]
        if self.change:
            changed = self.change(pixels, self.rng)
            pixels = images.prepare([changed], self.size)[0]
        return {"pixel_values": pixels, "labels": self.labels[index]}


def _loss(weight, outputs, labels, num_items_in_batch=None) -> torch.Tensor:
    """Return the cross-entropy, with weights of the classes or without."""
    return functional.cross_entropy(outputs.logits, labels, weight)


def _check(name: str, known) -> None:
    if name not in known:
        raise StrategyError(f"There is no '{name}': name one of {', '.join(known)}.")
