"""One recipe of pre-training: what it consists of, its first state, one of its steps.

Everything random in a step follows from the recipe's seed and the number of the step.
"""

from dataclasses import dataclass

import torch

from helpers.models import language_models


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a run ends."""

    kind: str  # mlm or clm
    steps: int
    vocabulary: str  # hash of the tokenizer
    corpus: str  # hash of the training rows, which also depend on the tokenizer
    seed: int = 0
    tokens: int = 2048  # per step: a small batch, since few tokens can be afforded
    learning_rate: float = 3e-3
    warmup_fraction: float = 0.03  # of all steps, then linear decay to nothing
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.999)
    max_grad_norm: float = 1.0
    mlm_probability: float = (
        0.3  # mlm: share of the pieces; twice BERT's, so twice the lessons
    )
    short_length: int = 32  # mlm: rows are read in parts of this length for the first
    short_fraction: float = (
        0.2  # of all steps: in short rows attention finds neighbours sooner
    )
    precision: str = "float32"  # of the matrix products: float32 or bfloat16

    @property
    def rows(self) -> int:
        """Rows per step."""
        return self.tokens // language_models.CONTEXT[self.kind]

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step: up in a straight line, then down in another."""
        up = max(1, self.warmup_fraction * self.steps)
        return self.learning_rate * min(
            (step + 1) / up, (self.steps - step) / self.steps
        )

    def length_at(self, step: int, length: int) -> int:
        """Length in which rows of a length are read in a step."""
        early = self.kind == "mlm" and step < self.short_fraction * self.steps
        return min(self.short_length, length) if early else length


def initialise(
    recipe: Recipe, tokenizer, shape: language_models.Shape = language_models.OWN
):
    """Return model and optimizers before the first step, equal for equal recipes.

    The layers' matrices get Muon (Jordan et al. 2024), which learns more from a token
    than AdamW does; its steps are scaled to AdamW's size, so one rate serves both.
    """
    torch.manual_seed(recipe.seed)
    model = language_models.build(recipe.kind, tokenizer, shape).train()
    tables = {m.weight for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    vectors = {p for p in model.parameters() if p.ndim < 2}  # biases and norms
    matrices = [p for p in model.parameters() if p not in tables | vectors]
    groups = [
        {"params": [p for p in model.parameters() if p in tables]},
        {"params": [p for p in model.parameters() if p in vectors], "weight_decay": 0},
    ]
    shared = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    muon = torch.optim.Muon(matrices, adjust_lr_fn="match_rms_adamw", **shared)
    adam = torch.optim.AdamW(groups, betas=recipe.betas, fused=True, **shared)
    return model, [muon, adam]


def step(recipe, model, optimizers, tokenizer, rows, number: int) -> float:
    """Take one step of training; its number decides rows, masks and rate."""
    size = recipe.tokens // rows.shape[1]
    epoch, within = divmod(number, len(rows) // size)
    dice = torch.Generator().manual_seed(recipe.seed * 1_000_003 + epoch)
    chosen = torch.randperm(len(rows), generator=dice)
    chosen = chosen[within * size : (within + 1) * size]
    batch = rows[chosen].view(-1, recipe.length_at(number, rows.shape[1]))
    seed = recipe.seed * 1_000_003 + number
    half = recipe.precision == "bfloat16"
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        loss = language_models.loss(
            recipe.kind,
            model,
            tokenizer,
            batch,
            seed,
            mlm_probability=recipe.mlm_probability,
        )
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate_at(number)
        optimizer.step()
        optimizer.zero_grad()
    return loss.item()
