"""Experiments of chapter 3: how much to unfreeze, what helps against over-fitting.

`choose_…` are accuracies on the validation sentences; all others are on the test
sentences, with settings that the former chose. `tuning` says what is trained and how.
"""

import time
from functools import partial

import torch
from datasets import concatenate_datasets
from torch.nn import functional

from helpers import baselines, encoders, reviewer, tuning

SEEDS, DRAWS = range(3), range(5)
LABELS = 1000
RATES = {
    "head": (1e-3, 3e-3, 1e-2),
    "last two layers": (1e-4, 3e-4, 1e-3),
    "all but embeddings": (5e-5, 1e-4, 2e-4),
    "all": (5e-5, 1e-4, 2e-4),
    "gradual": (1e-4, 2e-4, 4e-4),
    "layer-wise rates": (1e-4, 2e-4, 4e-4),
    "everything": (5e-5, 1e-4),
    "transfer": (2e-5, 5e-5, 1e-4),
}
# the parts that teach, and the part that asks; what has chosen may teach at the end
TOGETHER = {
    "choose_together": (("train",), "validation"),
    "together": (("train", "validation"), "test"),
}
FEW, LONG, RATE = 200, 10, 1e-4  # labels, epochs and rate that over-fit
REMEDIES = {
    "none": {},
    "dropout 0.3": {"dropout": 0.3},
    "weight decay 0.1": {"weight_decay": 0.1},
    "early stopping": {"patience": 2},
    "3 epochs": {"epochs": 3},
    "rate 2e-5": {"rate": 2e-5},
    "augmentation": {"augment": True},
    "epochs by cross-validation": {"folds": 3},
}


def experiments() -> dict:
    """Return the experiments by name, in order; each takes the scores so far."""
    return _recipes() | _ways() | _remedies() | _everything()


def _recipes() -> dict:
    """The recipe of the articles and the course's: accuracy and seconds."""
    return {
        f"{name}_{seed}": partial(_timed, recipe, seed)
        for seed in SEEDS
        for name, recipe in {
            "articles": tuning.articles,
            "course": tuning.course_recipe,
        }.items()
    }


def _ways() -> dict:
    found = {
        f"{name}_{draw}": partial(_linear, name, draw)
        for name in baselines.LINEAR
        for draw in DRAWS
    }
    found |= {f"nothing_{draw}": partial(_untrained, draw) for draw in DRAWS}
    for way in tuning.WAYS:
        for rate in RATES[way]:
            name = f"choose_{way}_{rate:g}"
            found[name] = partial(_choose, way, rate)
        found |= {f"{way}_{draw}": partial(_chosen, way, draw) for draw in DRAWS}
    return found


def _remedies() -> dict:
    return {
        f"{name}_{draw}": partial(_remedied, name, draw)
        for name in REMEDIES
        for draw in DRAWS
    }


def _everything() -> dict:
    found = {f"choose_shown_{s}": partial(_choose_shown, s) for s in reviewer.SHOWN}
    for kind in ("everything", "transfer"):
        for rate in RATES[kind]:
            found[f"choose_{kind}_{rate:g}"] = partial(_choose_everything, kind, rate)
        found |= {f"{kind}_{s}": partial(_chosen_everything, kind, s) for s in SEEDS}
    for name, (known, asked) in TOGETHER.items():
        found |= {f"{name}_{s}": partial(_together, s, known, asked) for s in SEEDS}
    return found


def best(scores: dict, kind: str) -> str:
    """Return what was best on the validation sentences, such as a learning rate."""
    prefix = f"choose_{kind}_"
    tried = [name for name in scores if name.startswith(prefix)]
    return max(tried, key=scores.get).removeprefix(prefix)


def _timed(recipe, seed, scores) -> dict[str, float]:
    data, begin = tuning.draw(LABELS, seed), time.perf_counter()
    trainer = recipe(data, seed)
    seconds = time.perf_counter() - begin
    return {"accuracy": tuning.score(trainer.model), "seconds": seconds}


def _linear(name, seed, scores) -> float:
    data = tuning.draw(LABELS, seed)
    return baselines.linear(name, data, tuning.sentences())[1]


def _untrained(seed, scores) -> float:
    return tuning.score(tuning.newborn(seed))


def _choose(way, rate, scores) -> float:
    return tuning.score(
        tuning.fine_tune(way, tuning.draw(LABELS, 0), 0, rate).model, "validation"
    )


def _chosen(way, seed, scores) -> float:
    trained = tuning.fine_tune(
        way, tuning.draw(LABELS, seed), seed, float(best(scores, way))
    )
    return tuning.score(trained.model)


def _remedied(name, number, scores) -> dict[str, float]:
    """Fit 200 labelled sentences with one remedy; score known and unseen ones."""
    options = {"epochs": LONG, "rate": RATE} | REMEDIES[name]
    model = tuning.over_fit(tuning.draw(FEW, number), number, **options).model
    said = encoders.logits(
        model, tuning.tokenizer(), tuning.sentences()["test"]["text"]
    )
    truth = torch.tensor(tuning.sentences()["test"]["label"][:])
    return {
        "accuracy": float((said.argmax(1) == truth).double().mean()),
        "loss": float(functional.cross_entropy(said, truth)),
        "train": tuning.accuracy(model, tuning.draw(FEW, number)),
    }


def _choose_shown(shown, scores) -> float:
    """Begin from a reviewer that was shown so much of each review, at one rate."""
    rate = RATES["transfer"][1]
    fitted = [_on_everything(seed, rate, shown).model for seed in SEEDS]
    return sum(tuning.score(model, "validation") for model in fitted) / len(fitted)


def _choose_everything(kind, rate, scores) -> float:
    return tuning.score(
        _on_everything(0, rate, _begin(kind, scores)).model, "validation"
    )


def _chosen_everything(kind, seed, scores) -> float:
    rate = float(best(scores, kind))
    return tuning.score(_on_everything(seed, rate, _begin(kind, scores)).model)


def _begin(kind, scores) -> str | None:
    """Return what the reviewer was shown that training begins from, if from any."""
    return best(scores, "shown") if kind == "transfer" else None


def _together(seed, known, asked, scores) -> float:
    """Ask three transferred models, one of each reviewer: their mean probability."""
    rate, said = float(best(scores, "transfer")), []
    for shown in reviewer.SHOWN:
        model = _on_everything(seed, rate, shown, known).model
        texts = tuning.sentences()[asked]["text"]
        said.append(encoders.logits(model, tuning.tokenizer(), texts).softmax(1))
    right = sum(said).argmax(1) == torch.tensor(tuning.sentences()[asked]["label"][:])
    return float(right.double().mean())


def _on_everything(seed: int, rate: float, shown: str | None, known=("train",)):
    """Fine-tune on all sentences of some parts, from a reviewer or MiniLM itself."""
    source = shown and str(reviewer.train(shown))
    data = concatenate_datasets([tuning.sentences()[part] for part in known])
    return tuning.fine_tune("all", data, seed, rate, source, bf16=tuning.half())
