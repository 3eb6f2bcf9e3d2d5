"""A Trainer set up well: short batches, a warm-up, a decay, and nothing hidden."""

import tempfile

import numpy as np
from datasets import Dataset, disable_progress_bars
from transformers import (
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

disable_progress_bars()  # of encoding texts: it takes under a second


def classifier(
    model,
    tokenizer,
    train: Dataset,
    *,
    epochs: float,
    rate: float,
    batch: int = 16,
    max_length: int = 64,
    seed: int = 0,
) -> Trainer:
    """Fine-tune a text classifier in place and return its Trainer.

    `train` has the columns text and label. Each batch is padded to its longest text,
    and texts of similar length stand together; AdamW, a warm-up over a tenth of the
    steps, then a straight line down to nothing. Nothing is written to disk.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            folder,
            num_train_epochs=epochs,
            learning_rate=rate,
            per_device_train_batch_size=batch,
            per_device_eval_batch_size=4 * batch,
            warmup_steps=0.1,
            train_sampling_strategy="group_by_length",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=model.device.type == "cpu",
            seed=seed,
        )
        trainer = Trainer(
            model,
            settings,
            train_dataset=encode(train, tokenizer, max_length),
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    settings.train_sampling_strategy = "random"  # else it predicts in another order
    return trainer


def encode(data: Dataset, tokenizer, max_length: int) -> Dataset:
    """Replace texts by their ids, cut at `max_length`; labels stay."""
    return data.map(
        lambda rows: tokenizer(rows["text"], truncation=True, max_length=max_length),
        batched=True,
        remove_columns="text",
    )


def predictions(
    trainer: Trainer, data: Dataset, tokenizer, max_length=64
) -> np.ndarray:
    """Return the class that the trained model finds most probable: int [n]."""
    encoded = encode(data, tokenizer, max_length)
    return trainer.predict(encoded).predictions.argmax(-1)
