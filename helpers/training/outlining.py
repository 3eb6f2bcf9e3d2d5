"""Train networks that outline: DINOv2 with a head or a U-Net, or a U-Net alone."""

import tempfile

import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import AutoModel, Trainer, TrainingArguments

from helpers import hardware
from helpers.models import encoders, segmentation
from helpers.training import fine_tuning

LINEAR, ALONE = "frozen + linear head", "U-Net from scratch"
FROZEN, LORA = "frozen + U-Net", "LoRA + U-Net"
FULL = "full fine-tuning + U-Net"
STRATEGIES = LINEAR, ALONE, FROZEN, LORA, FULL
HEAD = 3e-3  # learning rate of what is new, beside an encoder that is trained, too


def new_model(strategy: str, seed: int = 0, device=None):
    """Return a network of `segmentation`, ready to be trained by one of `STRATEGIES`.

    Equal seeds make equal weights. LoRA has rank 8, on queries and values. Raises
    ValueError for an unknown strategy.
    """
    if strategy not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise ValueError(f"There is no strategy '{strategy}': name one of {known}.")
    torch.manual_seed(seed)
    if strategy == ALONE:
        return segmentation.UNet().to(device)
    place = encoders.locate("dinov2-small")
    encoder = AutoModel.from_pretrained(place, dtype=torch.float32)
    if strategy in (LINEAR, FROZEN):
        encoders.freeze(encoder)
    if strategy == LORA:
        config = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"])
        encoder = get_peft_model(encoder, config)
    kind = segmentation.LinearHead if strategy == LINEAR else segmentation.UNet
    return kind(encoder).to(device)


def groups(model, learning_rate: float, head: float = HEAD) -> list[dict]:
    """Return AdamW's parameter groups: `learning_rate` is the encoder's, `head` new's.

    Where no encoder is trained all has `learning_rate`.
    """
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    inside = [p for n, p in trained.items() if n.startswith("patches.encoder.")]
    new = [p for n, p in trained.items() if not n.startswith("patches.encoder.")]
    if not inside:
        return [{"params": new, "lr": learning_rate}]
    return [{"params": inside, "lr": learning_rate}, {"params": new, "lr": head}]


def fit(
    model,
    pixels,
    masks,
    *,
    learning_rate: float,
    epochs: float,
    batch_size: int = 16,
    seed: int = 0,
    bf16: bool | None = False,
) -> Trainer:
    """Train a network of `segmentation` in place, and return its Trainer.

    `pixels` [n, 3, side, side] as from `images.prepare`, `masks` [n, side, side] of 0
    and 1. Each time that a slice is read a coin decides whether it is mirrored, with
    its mask. Groups as in `groups`, all else as in `fine_tuning.arguments`.
    """
    settings = fine_tuning.arguments(
        model.device,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        seed=seed,
        bf16=bf16,
    )
    optimizer = torch.optim.AdamW(groups(model, learning_rate), weight_decay=0.01)
    with tempfile.TemporaryDirectory() as place:
        trainer = Trainer(
            model,
            TrainingArguments(place, logging_strategy="no", **settings),
            train_dataset=_Mirrored(pixels, masks, seed),
            optimizers=(optimizer, None),
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    # with bf16 the model was wrapped, and would answer differently from a reloaded one
    trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    return trainer


def logits(model, pixels, batch_size: int = 64, precision=None) -> torch.Tensor:
    """Return logits: [n, 3, side, side] -> float32 [n, side, side]; dropout is off.

    `precision` as in `hardware.autocast`, None for float32.
    """
    found, precision = [], precision or "float32"
    with encoders.evaluating(model), hardware.autocast(model, precision):
        for batch in pixels.split(batch_size):
            found.append(model(batch.to(model.device)).logits.float().cpu())
    return torch.cat(found)


class _Mirrored(torch.utils.data.Dataset):
    """Slices with their masks; half of them are mirrored, left to right."""

    def __init__(self, pixels, masks, seed: int):
        self.pixels, self.masks = pixels, masks
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, index: int) -> dict:
        pixels, mask = self.pixels[index], self.masks[index]
        if torch.rand(1, generator=self.generator) < 0.5:
            pixels, mask = pixels.flip(-1), mask.flip(-1)
        return {"pixel_values": pixels, "labels": mask}
