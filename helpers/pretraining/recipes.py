"""The recipe of a pre-training run: its settings, its start, and one of its steps."""

from dataclasses import dataclass

import torch

from helpers import hardware
from helpers.models import language_models
from helpers.models.language_models import OWN, Shape


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a run ends."""

    objective: str  # mlm or clm
    steps: int
    vocabulary: str  # hash of the tokenizer
    corpus: str  # hash of the training sequences, which also depend on the tokenizer
    seed: int = 0
    tokens: int = 2048  # per step: a small batch, since few tokens can be afforded
    learning_rate: float = 3e-3
    warmup_fraction: float = 0.03  # of all steps, then linear decay to zero
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.999)
    max_grad_norm: float = 1.0
    mlm_probability: float = 0.3  # twice BERT's: twice as many losses per sequence
    short_length: int = 32  # mlm: sequences are cut to this length for the first
    short_fraction: float = 0.2  # of all steps: attention finds neighbours sooner
    precision: str = "float32"  # of the matrix products: float32 or bfloat16

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then linear decay."""
        warmup = (step + 1) / max(1, self.warmup_fraction * self.steps)
        return self.learning_rate * min(warmup, (self.steps - step) / self.steps)

    def length_at(self, step: int, length: int) -> int:
        """Length to which sequences of a length are cut in a step."""
        short = self.objective == "mlm" and step < self.short_fraction * self.steps
        return min(self.short_length, length) if short else length


def initialise(recipe: Recipe, tokenizer, shape: Shape = OWN, device=None):
    """Return model and optimizers before the first step, equal for equal recipes.

    The layers' matrices get Muon (Jordan et al. 2024), which learns more from a token
    than AdamW does; its steps are scaled to AdamW's size, so one learning rate serves
    both. Embedding matrices and vectors get AdamW. The device changes no weight.
    """
    torch.manual_seed(recipe.seed)
    model = language_models.build(recipe.objective, tokenizer, shape)
    model = model.to(device).train()
    modules, parameters = [*model.modules()], [*model.parameters()]
    embeddings = [m.weight for m in modules if isinstance(m, torch.nn.Embedding)]
    vectors = [p for p in parameters if p.ndim < 2]  # biases and norms
    matrices = [p for p in parameters if p not in {*embeddings, *vectors}]
    groups = [{"params": embeddings}, {"params": vectors, "weight_decay": 0}]
    shared = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    muon = torch.optim.Muon(matrices, adjust_lr_fn="match_rms_adamw", **shared)
    adam = torch.optim.AdamW(groups, betas=recipe.betas, fused=True, **shared)
    return model, [muon, adam]


def step(recipe, model, optimizers, tokenizer, sequences, number: int) -> float:
    """Take one step of training and return its loss.

    Number and seed decide sequences (an epoch reads each once, in random order), masks
    and learning rate. Raises FloatingPointError, and leaves the weights as they are,
    when loss or gradient is not finite.
    """
    length, seed = sequences.shape[1], recipe.seed * 1_000_003
    size = recipe.tokens // length
    epoch, within = divmod(number, len(sequences) // size)
    generator = torch.Generator().manual_seed(seed + epoch)
    order = torch.randperm(len(sequences), generator=generator)
    batch = sequences[order[within * size : (within + 1) * size]]
    batch = batch.view(-1, recipe.length_at(number, length))
    with hardware.autocast(model, recipe.precision):
        given = model, tokenizer, batch, seed + number, recipe.mlm_probability
        loss = language_models.loss(recipe.objective, *given)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)
    if not (loss + norm).isfinite():
        raise FloatingPointError(
            f"in step {number + 1} the loss is {loss:g} and its gradient {norm:g}"
        )
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate_at(number)
        optimizer.step()
        optimizer.zero_grad()
    return loss.item()
