"""Language models of two pre-training objectives: build, load, losses on text."""

from typing import NamedTuple

import torch
from torch.nn import functional
from transformers import (
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    GPT2LMHeadModel,
)

from helpers.models import checkpoints, encoders

CONTEXT = {"mlm": 128, "clm": 256}  # tokens that the course's own models read at once
ARCHITECTURES = {"mlm": BertForMaskedLM, "clm": GPT2LMHeadModel}
BATCH_SIZE = 16  # sequences at once when nothing is trained
MLM_PROBABILITY = 0.15  # BERT's masking probability
MASK_SEED = 1  # of the masks on which every masked model is evaluated


class Shape(NamedTuple):
    """How large a model is; the default is the course's own size."""

    num_layers: int = 4
    hidden_size: int = 256
    num_heads: int = 4
    context: int = 0  # 0 means CONTEXT of the objective


OWN = Shape()


def build(objective: str, tokenizer, shape: Shape = OWN):
    """Return a randomly initialised model: a BERT for `mlm`, a GPT-2 for `clm`.

    No dropout: no text is seen often enough to be learned by heart. GELU is the exact
    one in both, and attention is written out: at this size both are the fastest here.
    """
    common = {
        "vocab_size": len(tokenizer),
        "hidden_size": shape.hidden_size,
        "num_hidden_layers": shape.num_layers,
        "num_attention_heads": shape.num_heads,
        "max_position_embeddings": shape.context or CONTEXT[objective],
        "pad_token_id": tokenizer.pad_token_id,
        "attn_implementation": "eager",
    }
    own = {
        "mlm": {
            "intermediate_size": 4 * shape.hidden_size,
            "hidden_dropout_prob": 0,
            "attention_probs_dropout_prob": 0,
        },
        "clm": {
            "activation_function": "gelu",
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        }
        | dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0),
    }
    architecture = ARCHITECTURES[objective]
    return architecture(architecture.config_class(**common, **own[objective]))


def load(objective: str, name: str, device=None):
    """Return (model, tokenizer) of a checkpoint, in float32 and evaluation mode.

    `name` is an asset, a folder, or a model on the Hub. Raises CheckpointError when the
    files are damaged, or of a model of another objective or another vocabulary.
    """
    folder = encoders.locate(str(name))
    return checkpoints.load(ARCHITECTURES[objective], folder, device, padding=0)


def mask(sequences, tokenizer, seed: int, mlm_probability: float = MLM_PROBABILITY):
    """Return (input, labels), both [sequences, tokens], of BERT's masking rule.

    Labels are -100 where nothing is to be predicted. One seed makes one set of masks,
    the same on every device, since they are chosen on the processor.
    """
    collator = DataCollatorForLanguageModeling(
        tokenizer, mlm_probability=mlm_probability, seed=seed
    )
    sequences = sequences.detach().cpu()
    special = torch.isin(sequences, torch.tensor(tokenizer.all_special_ids))
    collator.create_rng()
    return collator.torch_mask_tokens(sequences.clone(), special_tokens_mask=special)


def masked_logits(model, ids: torch.Tensor, labels: torch.Tensor):
    """Return (logits [masked, vocabulary], labels [masked]) of masked positions alone.

    The output layer is skipped where nothing is predicted: a third of the work.
    """
    ids, labels = ids.to(model.device), labels.to(model.device)
    hidden = model.bert(input_ids=ids).last_hidden_state  # [sequences, tokens, hidden]
    selected = labels != -100
    return model.cls(hidden[selected]).float(), labels[selected]


def loss(objective, model, tokenizer, sequences, seed, mlm_probability=MLM_PROBABILITY):
    """Return the training loss of sequences [sequences, tokens], in nats per token.

    For `mlm` these are the tokens that the seed selects, for `clm` all but the first.
    """
    if objective == "clm":
        sequences = sequences.to(model.device)
        return model(input_ids=sequences, labels=sequences).loss
    masked = mask(sequences, tokenizer, seed, mlm_probability)
    return functional.cross_entropy(*masked_logits(model, *masked))


def masked_scores(model, tokenizer, sequences: torch.Tensor):
    """Return (losses, hits), both [masked] on the processor, by masks that stay."""
    losses, hits = [], []
    both = mask(sequences, tokenizer, MASK_SEED)
    with encoders.evaluating(model):
        for batch in zip(*(tensor.split(BATCH_SIZE) for tensor in both), strict=True):
            logits, labels = masked_logits(model, *batch)
            losses.append(functional.cross_entropy(logits, labels, reduction="none"))
            hits.append(logits.argmax(-1) == labels)
    return torch.cat(losses).cpu(), torch.cat(hits).cpu()


def next_token_losses(model, tokens: torch.Tensor) -> torch.Tensor:
    """Return -ln p of each token but the first: [n] -> [n - 1], in nats.

    The text is read through windows as long as the model's context that move on by half
    of it, so each token is scored once and, past the first window, with at least half a
    context before it.
    """
    context = model.config.n_positions
    step = context // 2
    count = max(1, (len(tokens) - 1) // step)
    windows = functional.pad(tokens, (0, context)).unfold(0, context, step)[:count]
    losses = []
    with encoders.evaluating(model):
        for batch in windows.split(BATCH_SIZE):
            batch = batch.to(model.device)
            logits = model(input_ids=batch).logits[:, :-1]
            each = functional.cross_entropy(
                logits.flatten(0, 1), batch[:, 1:].flatten(), reduction="none"
            )
            losses.append(each.view(len(batch), -1).cpu())
    losses = torch.cat(losses)
    scored = torch.cat([losses[0], losses[1:, context - step - 1 :].flatten()])
    return scored[: len(tokens) - 1]
