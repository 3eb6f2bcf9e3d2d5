"""Checks of the exercises of chapter 3."""

import copy
from types import SimpleNamespace

import torch

from helpers.exercises.verdicts import RIGHT, choice, compare, wrong


class _Watched(torch.nn.Linear):
    """A linear model that remembers in which mode each of its calls was."""

    modes = ()

    def forward(self, x, labels):
        self.modes += (self.training,)
        return SimpleNamespace(loss=((super().forward(x)[:, 0] - labels) ** 2).mean())


def _batches():
    numbers = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(3))
    return [{"x": batch[:, :3], "labels": batch[:, 3]} for batch in numbers]


def _epoch(model, *orders: str):
    """Return weights and mean loss after an epoch of these calls for each batch."""
    model, losses = copy.deepcopy(model), []
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for batch, order in zip(_batches(), orders, strict=True):
        losses.append(model(**batch).loss)
        for call in order.split():
            getattr(losses[-1] if call == "backward" else optimizer, call)()
    return model.weight, torch.stack(losses).mean().item()


def train_epoch(function):
    """One epoch, (model, optimizer, batches) -> mean loss of the batches."""
    torch.manual_seed(4)
    fresh = _Watched(3, 1).eval()
    model = copy.deepcopy(fresh)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    answer = function(model, optimizer, _batches())
    right, mean_loss = _epoch(fresh, *["backward step zero_grad"] * 3)
    given, _ = _epoch(fresh, *["step backward"] * 3)
    summed, _ = _epoch(fresh, *["backward step"] * 3)
    once, _ = _epoch(fresh, "backward", "backward", "backward step")
    mistakes = {
        "The gradients of earlier batches are still there: forget them.": summed,
        "No weight has moved: step between gradient and zero.": fresh.weight,
        "There must be a step for every batch.": once,
    }
    verdict = compare(model.weight, right, mistakes, as_given=given)
    if verdict != RIGHT:
        return verdict
    if not all(model.modes):
        return wrong("Dropout is off. Call `model.train()` before the epoch.")
    if isinstance(answer, torch.Tensor) and answer.requires_grad:
        return wrong("The answer still holds the graph of its computation: `.item()`.")
    if answer is None or abs(float(answer) - mean_loss) > 1e-5:
        return wrong("Return the mean of the batches' losses.")
    return RIGHT


def accumulated(function):
    """The loss of a batch from its micro-batches' mean losses and sizes."""
    losses, sizes = torch.tensor([2.0, 0.5, 1.0]), torch.tensor([8, 8, 2])
    mistakes = {
        "Two texts must weigh less than a micro-batch of eight.": losses.mean(),
        "A sum, and the step, grow with the micro-batches.": losses.sum(),
        "Divide by the number of texts.": (losses * sizes).sum(),
    }
    right = (losses * sizes).sum() / sizes.sum()
    return compare(function(losses, sizes), right, mistakes)


def temperature(function):
    """The number that logits are divided by, for calibrated probabilities."""
    generator = torch.Generator().manual_seed(5)
    logits = 2 * torch.randn(4000, 3, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    answer = function(1.6 * logits, labels)  # too sure by that factor
    mistakes = {
        "Choose the lowest cross-entropy, of logits (not of probabilities).": 0.5,
        "Logits are divided by t, not multiplied.": 0.6,
        "Return the temperature, not its place in the list.": 11,
    }
    other = "These logits are too large by more than half."
    return compare(answer, 1.6, mistakes, other=other, atol=0.06)


which_epoch = choice(  # which accuracy to report
    a="The best of five test accuracies is the luckiest: do not choose on test data.",
    b="Right: the epoch was chosen on validation sentences, so its test accuracy is an "
    "honest one.",
    c="Validation was used to choose, so its accuracy is a lucky one, too.",
)

better_model = choice(  # 14 more of 1 000 are right
    a="Of the 106 sentences on which they differ, how many would a coin give to one?",
    b="The intervals ignore that both met the same sentences: use a paired test.",
    c="Right: A coin thrown 106 times is so far from 53 in one of five tries: more "
    "sentences must decide.",
)
