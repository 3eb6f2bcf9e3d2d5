"""Load a model, and refuse files that do not fit: the libraries say nothing of it."""

from pathlib import Path

import torch
from transformers import AutoConfig, AutoTokenizer

PADDING = 128  # rows at most that make the number of rows a round one
USUAL = ("config.json", "tokenizer.json", "model.safetensors")


class CheckpointError(RuntimeError):
    """A checkpoint cannot be used; the message says why and what to do."""


def load(architecture, folder, device=None, text=True, padding=PADDING, **options):
    """Return (model, tokenizer), the model in float32 and evaluation mode.

    `folder` may be a model on the Hub; without `text` there is no tokenizer, which may
    have `padding` fewer tokens than the embedding matrix rows. Raises
    CheckpointError when the files cannot be read or are not of one such model.
    """
    settings = {"dtype": torch.float32, "output_loading_info": True} | options
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder) if text else None
        config = AutoConfig.from_pretrained(folder)
        wanted = getattr(architecture, "config_class", None) or type(config)
        if not isinstance(config, wanted):
            raise TypeError(f"a {config.model_type}, not a {wanted.model_type} model")
        model, report = architecture.from_pretrained(folder, **settings)
        if misfit := _misfit(model, report, tokenizer, padding):
            raise ValueError(misfit)
    except Exception as error:  # of safetensors, json, transformers: no common base
        there = Path(folder).is_dir()
        lacks = [f for f in USUAL if there and not Path(folder, f).exists()]
        why = "; ".join([first_line(error), *(f"there is no {file}" for file in lacks)])
        raise CheckpointError(
            f"{folder} cannot be used ({why}): the name is wrong, or a file missing, "
            "damaged or of another model; save or get all of them again."
        ) from error
    return model.eval().to(device), tokenizer


def _misfit(model, report: dict, tokenizer, padding: int) -> str:
    """Return what is missing or does not fit, or nothing.

    An encoder may lack its pooler and leave out the head of another model.
    """
    children = dict(model.named_children())
    prefix = f"{model.base_model_prefix}."
    whole = prefix[:-1] in children  # a model with a head, and not the encoder alone
    missing = {key for key in report["missing_keys"] if not key.startswith("pooler.")}
    left_over = {
        key
        for key in report["unexpected_keys"]
        if whole or key.removeprefix(prefix).partition(".")[0] in children
    }
    if missing:
        return f"it lacks {len(missing)} weights, as {min(missing)}"
    if left_over:
        return f"{len(left_over)} weights would be left out, as {min(left_over)}"
    if not tokenizer:
        return ""
    known, rows = len(tokenizer), model.get_input_embeddings().num_embeddings
    if not max(rows - padding, rows / 2) <= known <= rows:
        return f"its tokenizer has {known} tokens and its embedding matrix {rows} rows"
    pads = tokenizer.pad_token_id, getattr(model.config, "pad_token_id", None)
    if None not in pads and pads[0] != pads[1]:
        return f"padding is token {pads[0]} in its tokenizer, {pads[1]} in its config"
    return ""


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its type; at most 120 letters."""
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else type(error).__name__
