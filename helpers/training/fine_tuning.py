"""A Trainer set up well: short batches, a warm-up, a decay, early stop, resume."""

import tempfile
from contextlib import nullcontext
from pathlib import Path

import joblib
import torch
import transformers
from datasets import Dataset
from transformers import DataCollatorWithPadding, Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from helpers import hardware, paths
from helpers.models import tokenizers
from helpers.training import freezing

RUN, FINISHED = "run", "finished"  # the file with the hash of a run, or with this word


class ResumeError(RuntimeError):
    """A training cannot use its folder; the message says why and what to do."""


def classifier(
    model,
    tokenizer,
    train: Dataset,
    *,
    epochs: float,
    learning_rate: float,
    batch_size: int = 16,
    max_length: int = 64,
    padding: str = "longest",
    seed: int = 0,
    validation: Dataset | None = None,
    patience: int | None = None,
    folder: Path | None = None,
    groups: list[dict] | None = None,
    bf16: bool | None = False,
    compute_metrics=None,
    callbacks=(),
    **options,
) -> Trainer:
    """Fine-tune a text classifier in place and return its Trainer.

    `train` and `validation` have the columns text and label. Each batch is padded to
    its longest text (`padding` "max_length": to that), and texts of similar length
    stand together; AdamW, a warm-up over a tenth of the steps, then a linear decay to
    zero, on the model's device. `bf16` multiplies matrices in bfloat16, None where that
    is faster. `options` change any of TrainingArguments. A TruncationWarning says if
    many texts are cut.

    With `validation` its loss is logged after each epoch, and `compute_metrics`, such
    as `metrics.classification`; with `patience`, too, training stops after so many
    epochs without a lower loss, and the best weights come back. `groups` are AdamW's,
    as from `freezing.layerwise`. With `folder` a checkpoint is kept there of the last
    epoch, and training goes on from it; ResumeError if the folder holds another run.
    """
    when = "epoch" if validation else "no"
    train = encode(train, model, tokenizer, max_length)
    validation = validation and encode(validation, model, tokenizer, max_length)
    settings = arguments(
        model.device,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        seed=seed,
        bf16=bf16,
    )
    settings |= {
        "train_sampling_strategy": "group_by_length",
        "eval_strategy": when,
        "logging_strategy": when,
        "save_strategy": "epoch" if folder or patience else "no",
        "save_total_limit": 1,
        "save_only_model": not folder,
        "load_best_model_at_end": bool(patience),
    } | options
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as place:
        trainer = Trainer(
            model,
            TrainingArguments(str(place), **settings),
            train_dataset=train,
            eval_dataset=validation,
            data_collator=DataCollatorWithPadding(tokenizer, padding, max_length),
            compute_metrics=compute_metrics,
            optimizers=(torch.optim.AdamW(groups), None) if groups else (None, None),
            callbacks=[*callbacks],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        if patience:
            trainer.add_callback(transformers.EarlyStoppingCallback(patience))
        if folder:
            gradual = any(isinstance(each, freezing.Gradual) for each in callbacks)
            data = train[:], validation and validation[:], padding, patience, gradual
            _claim(Path(folder), model, groups, settings, data)
        trainer.train(resume_from_checkpoint=folder and get_last_checkpoint(folder))
    if folder:
        paths.write(Path(folder) / RUN, FINISHED)
    # with bf16 the model was wrapped, and would answer differently from a reloaded one
    trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    return trainer


def arguments(device, *, epochs, learning_rate, batch_size, seed, bf16) -> dict:
    """Return the settings of TrainingArguments that texts and images share.

    A warm-up over a tenth of the steps, then a linear decay to zero; on the processor
    unless the model is on a card, in silence, and nothing is saved. `bf16` None is what
    is faster there.
    """
    on_card = hardware.is_card(device)
    return {
        "num_train_epochs": epochs,
        "learning_rate": learning_rate,
        "warmup_steps": 0.1,
        "per_device_train_batch_size": batch_size,
        "per_device_eval_batch_size": 4 * batch_size,
        "seed": seed,
        "use_cpu": not on_card,
        "bf16": hardware.bf16_is_faster(device.type) if bf16 is None else bf16,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": on_card,
    }


def _claim(folder: Path, model, groups, *others) -> None:
    """Note in a folder the hash of all that decides how a training ends."""
    weights = {name: w.cpu().float().numpy() for name, w in model.state_dict().items()}
    trainable = [name for name, p in model.named_parameters() if p.requires_grad]
    groups = [group | {"params": len(group["params"])} for group in groups or []]
    versions = torch.__version__, transformers.__version__
    run = str(model.config), weights, trainable, groups, versions, others
    file, run = folder / RUN, joblib.hash(run)
    noted = file.read_text(encoding="utf-8") if file.is_file() else ""
    if noted != run and folder.is_dir() and any(folder.iterdir()):
        found = "a finished run" if noted == FINISHED else "another run or other files"
        raise ResumeError(
            f"The folder {folder} holds {found}: name another folder, or delete it to "
            "train anew. A run goes on only with the model, data, settings and library "
            "versions that it was started with."
        )
    folder.mkdir(parents=True, exist_ok=True)
    paths.write(file, run)


def encode(data: Dataset, model, tokenizer, max_length: int) -> Dataset:
    """Replace texts by their ids, cut at `max_length`; all other columns stay."""
    encoded = tokenizers.cut(model, tokenizer, data["text"][:], max_length)
    for name, column in encoded.items():
        data = data.add_column(name, column)
    return data.remove_columns("text")
