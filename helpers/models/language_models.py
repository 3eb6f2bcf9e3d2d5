"""Language models in two kinds: build, load, loss and scores on held-out text."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    GPT2Config,
    GPT2LMHeadModel,
)

from helpers.models.encoders import source

CONTEXT = {"mlm": 128, "clm": 256}  # tokens that the course's own models read at once
KINDS = {"mlm": BertForMaskedLM, "clm": GPT2LMHeadModel}
ROWS_AT_ONCE = 16  # when nothing is trained
SHARE = 0.15  # of the pieces asked for by BERT's rule
FROZEN = 1  # the seed of the masks on which every masked model is scored


class CheckpointError(RuntimeError):
    """A checkpoint cannot be used; the message says why and what to do."""


class Shape(NamedTuple):
    """How large a model is; the default is the course's own size."""

    layers: int = 4
    width: int = 256
    heads: int = 4
    context: int = 0  # 0 means CONTEXT of the kind


OWN = Shape()


def build(kind: str, tokenizer, shape: Shape = OWN):
    """Return a newborn model: a BERT for `mlm`, a GPT-2 for `clm`.

    No dropout: no text is seen often enough to be learned by heart. GELU is the exact
    one in both, and attention is written out: at this size both are the fastest here.
    """
    context = shape.context or CONTEXT[kind]
    if kind == "mlm":
        config = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=4 * shape.width,
            max_position_embeddings=context,
            hidden_dropout_prob=0,
            attention_probs_dropout_prob=0,
            pad_token_id=tokenizer.pad_token_id,
            attn_implementation="eager",
        )
    else:
        config = GPT2Config(
            vocab_size=len(tokenizer),
            n_embd=shape.width,
            n_layer=shape.layers,
            n_head=shape.heads,
            n_positions=context,
            activation_function="gelu",
            resid_pdrop=0,
            embd_pdrop=0,
            attn_pdrop=0,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            attn_implementation="eager",
        )
    return KINDS[kind](config)


def load(kind: str, name: str):
    """Return (model, tokenizer) of a checkpoint, in float32 and evaluation mode.

    `name` is an asset, a folder, or a model on the Hub. Raises CheckpointError when the
    files are damaged, hold another kind of model, or another vocabulary.
    """
    folder = source(str(name))
    try:
        config = AutoConfig.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        wanted = KINDS[kind].config_class
        if not isinstance(config, wanted):
            raise CheckpointError(
                f"{name} holds a {config.model_type} model, but `{kind}` needs a "
                f"{wanted.model_type}: name another checkpoint."
            )
        if len(tokenizer) != config.vocab_size:
            raise CheckpointError(
                f"{name} has {config.vocab_size} word pieces in its model and "
                f"{len(tokenizer)} in its tokenizer: they are not of one checkpoint, "
                "so take all of its files from the same place."
            )
        model, report = KINDS[kind].from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True
        )
    except CheckpointError:
        raise
    except Exception as error:  # of safetensors, json, transformers: no common kin
        raise CheckpointError(
            f"{name} cannot be read ({first_line(error)}): it is missing, damaged or "
            "cut short, so fetch or make it again."
        ) from error
    if report["missing_keys"]:
        raise CheckpointError(
            f"{name} lacks {len(report['missing_keys'])} of the model's weights: it is "
            "damaged or of another model, so fetch or make it again."
        )
    return model.eval(), tokenizer


def mask(rows: torch.Tensor, tokenizer, seed: int, share: float = SHARE):
    """Return (input, labels), both [rows, tokens], of BERT's masking rule.

    Labels are -100 where nothing is to be guessed. One seed makes one set of masks.
    """
    collator = DataCollatorForLanguageModeling(
        tokenizer, mlm_probability=share, seed=seed
    )
    special = torch.zeros_like(rows)
    for number in tokenizer.all_special_ids:
        special |= rows == number
    collator.create_rng()
    return collator.torch_mask_tokens(rows.clone(), special_tokens_mask=special)


def masked_logits(model, ids: torch.Tensor, labels: torch.Tensor):
    """Return (logits [masked, pieces], targets [masked]) of the masked positions alone.

    The output layer is skipped where there is nothing to guess: a third of the work.
    """
    hidden = model.bert(input_ids=ids).last_hidden_state  # [rows, tokens, width]
    guessed = labels != -100
    return model.cls(hidden[guessed]).float(), labels[guessed]


def loss(kind, model, tokenizer, rows, seed: int, share=SHARE) -> torch.Tensor:
    """Return the training loss of rows [rows, tokens], in nats per guessed token.

    For `mlm` a share of the tokens is asked for, chosen by the seed.
    """
    if kind == "clm":
        return model(input_ids=rows, labels=rows).loss
    masked = mask(rows, tokenizer, seed, share)
    return functional.cross_entropy(*masked_logits(model, *masked))


@torch.no_grad()
def masked_scores(model, tokenizer, rows: torch.Tensor):
    """Return (losses, hits), both [masked], on rows whose masks never change."""
    losses, hits = [], []
    ids, labels = mask(rows, tokenizer, FROZEN)
    for some, wanted in zip(
        ids.split(ROWS_AT_ONCE), labels.split(ROWS_AT_ONCE), strict=True
    ):
        logits, targets = masked_logits(model, some, wanted)
        losses.append(functional.cross_entropy(logits, targets, reduction="none"))
        hits.append(logits.argmax(-1) == targets)
    return torch.cat(losses), torch.cat(hits)


@torch.no_grad()
def next_token_losses(model, tokens: torch.Tensor) -> torch.Tensor:
    """Return -ln p of each token but the first: [n] -> [n - 1], in nats.

    The text is read through windows as long as the model's context that move on by half
    of it, so each token is scored once and, past the first window, with at least half
    a context before it. Every model is scored on exactly the same tokens.
    """
    context = model.config.n_positions
    step = context // 2
    starts = range(0, max(1, len(tokens) - step), step)
    padded = functional.pad(tokens, (0, context))
    windows = torch.stack([padded[s : s + context] for s in starts])
    losses = []
    for some in windows.split(ROWS_AT_ONCE):
        logits = model(input_ids=some).logits[:, :-1]  # [windows, context - 1, pieces]
        losses.append(
            functional.cross_entropy(
                logits.flatten(0, 1), some[:, 1:].flatten(), reduction="none"
            ).view(len(some), -1)
        )
    losses = torch.cat(losses)
    scored = torch.cat([losses[0], losses[1:, context - step - 1 :].flatten()])
    return scored[: len(tokens) - 1]


def first_line(error: Exception) -> str:
    """Return the first line of what an error says, or its kind, at most 120 letters."""
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else type(error).__name__


def files(folder: Path) -> list[Path]:
    """Return the files of a saved model and its tokenizer."""
    names = ("config.json", "model.safetensors", "tokenizer.json")
    return [folder / name for name in (*names, "tokenizer_config.json")]
