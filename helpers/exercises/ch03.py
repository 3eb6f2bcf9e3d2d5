"""Checks of the exercises of chapter 3."""

import copy

import torch

from helpers.exercises.verdicts import OPEN, Verdict, choose, compare


class _Watched(torch.nn.Module):
    """A linear model that remembers in which mode each of its calls was."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
        self.modes = []

    def forward(self, x, labels):
        self.modes.append(self.training)
        loss = ((self.layer(x)[:, 0] - labels) ** 2).mean()
        return type("Output", (), {"loss": loss})


def _batches(seed: int = 3):
    generator = torch.Generator().manual_seed(seed)
    return [
        {
            "x": torch.randn(4, 3, generator=generator),
            "labels": torch.randn(4, generator=generator),
        }
        for _ in range(3)
    ]


def _walked(model, *, forget=True, step_first=False, only_last=False):
    """Return weights and mean loss after one epoch, done right by default."""
    model = copy.deepcopy(model)
    optimizer, losses = torch.optim.SGD(model.parameters(), 0.1), []
    for number, batch in enumerate(_batches()):
        loss = model(**batch).loss
        losses.append(loss.item())
        if step_first:
            optimizer.step()
        loss.backward()
        if not step_first and (not only_last or number == 2):
            optimizer.step()
        if forget and not only_last:
            optimizer.zero_grad()
    return model.layer.weight.detach().clone(), sum(losses) / len(losses)


def train_epoch(function) -> Verdict:
    """One epoch, (model, optimizer, batches) -> mean loss of the batches."""
    torch.manual_seed(4)
    fresh = _Watched().eval()
    model = copy.deepcopy(fresh)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    answer = function(model, optimizer, _batches())
    weights = model.layer.weight.detach()
    if torch.equal(weights, _walked(fresh, forget=False, step_first=True)[0]):
        return Verdict("open", "Not repaired yet.")
    right, mean_loss = _walked(fresh)
    mistakes = {
        "The gradients of earlier batches are still there: forget them.": "forget",
        "No weight has moved: step after the gradient is there, and before you "
        "forget it.": "step_first",
        "There must be a step for every batch.": "only_last",
    }
    verdict = compare(
        weights,
        right,
        {
            hint: _walked(fresh, **{name: name != "forget"})[0]
            for hint, name in mistakes.items()
        },
    )
    if verdict.state != "right":
        return verdict
    if not all(model.modes):
        return Verdict(
            "wrong", "Not yet: dropout is off. Call `model.train()` before the epoch."
        )
    if isinstance(answer, torch.Tensor) and answer.requires_grad:
        return Verdict(
            "wrong",
            "Not yet: the answer is a tensor that still holds on to the graph of its "
            "computation. Use `.item()`.",
        )
    if answer is None or abs(float(answer) - mean_loss) > 1e-5:
        return Verdict("wrong", "Not yet: return the mean of the batches' losses.")
    return Verdict("right", "Right.")


def accumulated(function) -> Verdict:
    """The loss of a batch from its micro-batches' mean losses and sizes."""
    losses, sizes = torch.tensor([2.0, 0.5, 1.0]), torch.tensor([8, 8, 2])
    answer = function(losses, sizes)
    if answer is None:
        return OPEN
    if isinstance(answer, float):
        answer = torch.tensor(answer)
    return compare(
        answer,
        (losses * sizes).sum() / sizes.sum(),
        {
            "Two texts must weigh less than a micro-batch of eight.": losses.mean(),
            "A sum, and the step, grow with the micro-batches.": losses.sum(),
            "Divide by the number of texts.": (losses * sizes).sum(),
        },
    )


def temperature(function) -> Verdict:
    """The number that logits are divided by, for calibrated probabilities."""
    generator = torch.Generator().manual_seed(5)
    logits = 2 * torch.randn(4000, 3, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    answer = function(1.6 * logits, labels)  # too sure by that factor
    if answer is None:
        return OPEN
    try:
        answer = float(answer)
    except (TypeError, ValueError, RuntimeError):
        return Verdict("wrong", "Not yet: return one number for all texts.")
    meant = {
        0.5: "Choose the lowest cross-entropy, of logits (not of probabilities).",
        0.6: "Logits are divided by t, not multiplied.",
        1.6: "",
        11: "Return the temperature, not its place in the list.",
    }
    near = min(meant, key=lambda number: abs(number - answer))
    if abs(near - answer) > 0.06:
        return Verdict(
            "wrong", "Not yet: these logits are too large by more than half."
        )
    if near == 1.6:
        return Verdict("right", "Right.")
    return Verdict("wrong", f"Not yet. {meant[near]}")


def which_epoch(answer) -> Verdict:
    """Which accuracy to report."""
    return choose(
        answer,
        "b",
        {
            "a": "The best of five test accuracies is the luckiest: picking it means "
            "choosing on the test set.",
            "b": "the epoch was chosen on validation sentences, so its test "
            "accuracy is an honest one.",
            "c": "Validation was used to choose, so its accuracy is a lucky one, too.",
        },
    )


def better_model(answer) -> Verdict:
    """Is a model with 14 more of 1 000 right the better one?"""
    return choose(
        answer,
        "c",
        {
            "a": "An average says nothing about chance: of the 106 sentences on which "
            "they differ, how many would a coin give to one of them?",
            "b": "The intervals of the two accuracies ignore that both met the same "
            "sentences; a paired test can see more. What does it say here?",
            "c": "A coin thrown 106 times is so far from 53 in one of five tries: more "
            "sentences must decide.",
        },
    )
