"""Experiments of chapter 3: how much to unfreeze, what helps against over-fitting.

`choose_…` are accuracies on the validation sentences; all others are on the test
sentences, with settings that the former chose. `tuning` says what is trained and how.
"""

import time
from functools import cache, partial

import torch
from datasets import Dataset
from torch.nn import functional

from helpers import hardware, metrics
from helpers.experiments import intermediate
from helpers.models import baselines, encoders
from helpers.training import strategies

SEEDS, SUBSETS = range(3), range(5)
ASKED = ("validation", "test")
LABELS = 1000
LEARNING_RATES = {
    "head": (1e-3, 3e-3, 1e-2),
    "last two layers": (1e-4, 3e-4, 1e-3),
    "all but embeddings": (5e-5, 1e-4, 2e-4),
    "all": (5e-5, 1e-4, 2e-4),
    "gradual": (1e-4, 2e-4, 4e-4),
    "layer-wise learning rates": (1e-4, 2e-4, 4e-4),
    "everything": (5e-5, 1e-4),
    "transfer": (2e-5, 5e-5, 1e-4),
}
STRENGTHS = (1, 10, 100)  # of word counts, alone and beside a MiniLM
FEW, LONG, LEARNING_RATE = 200, 10, 1e-4  # labels, epochs and rate that over-fit
REMEDIES = {
    "none": {},
    "dropout 0.3": {"dropout": 0.3},
    "weight decay 0.1": {"weight_decay": 0.1},
    "early stopping": {"patience": 2},
    "3 epochs": {"epochs": 3},
    "rate 2e-5": {"learning_rate": 2e-5},
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
            "articles": strategies.articles,
            "course": strategies.course_recipe,
        }.items()
    }


def _ways() -> dict:
    found = {
        f"{name}_{subset}": partial(_linear, name, subset)
        for name in baselines.LINEAR
        for subset in SUBSETS
    }
    found |= {f"nothing_{subset}": partial(_untrained, subset) for subset in SUBSETS}
    for way in strategies.STRATEGIES:
        for learning_rate in LEARNING_RATES[way]:
            name = f"choose_{way}_{learning_rate:g}"
            found[name] = partial(_choose, way, learning_rate)
        found |= {
            f"{way}_{subset}": partial(_chosen, way, subset) for subset in SUBSETS
        }
    return found


def _remedies() -> dict:
    return {
        f"{name}_{subset}": partial(_remedied, name, subset)
        for name in REMEDIES
        for subset in SUBSETS
    }


def _everything() -> dict:
    found = {}
    for learning_rate in LEARNING_RATES["everything"]:
        found[f"choose_everything_{learning_rate:g}"] = partial(
            _choose_everything, learning_rate
        )
    found |= {f"everything_{s}": partial(_chosen_everything, s) for s in SEEDS}
    found |= {
        f"choose_shown_{s}": partial(_choose_shown, s) for s in intermediate.SHOWN
    }
    for learning_rate in LEARNING_RATES["transfer"]:
        found[f"choose_transfer_{learning_rate:g}"] = partial(
            _choose_transfer, learning_rate
        )
    found |= {f"transfer_{s}": partial(_chosen_transfer, s) for s in SEEDS}
    found |= {f"choose_counts_{c}": partial(_choose_counts, c) for c in STRENGTHS}
    found |= {"counts_0": _chosen_counts}
    found |= {f"choose_beside_{c}": partial(_choose_beside, c) for c in STRENGTHS}
    found |= {f"choose_team_{team}": partial(_choose_team, team) for team in TEAMS}
    found |= {f"team_{s}": partial(_chosen_team, s) for s in SEEDS}
    return found | {"gain_of_team": _gain_of_team}


def best(scores: dict, kind: str) -> str:
    """Return what was best on the validation sentences, such as a learning rate."""
    prefix = f"choose_{kind}_"
    tried = [name for name in scores if name.startswith(prefix)]
    return max(tried, key=scores.get).removeprefix(prefix)


def _timed(recipe, seed, scores) -> dict[str, float]:
    data, begin = strategies.subset(LABELS, seed), time.perf_counter()
    trainer = recipe(data, seed)
    seconds = time.perf_counter() - begin
    return {
        "accuracy": strategies.accuracy(trainer.model, strategies.sentences()["test"]),
        "seconds": seconds,
    }


def _linear(name, seed, scores) -> float:
    data = strategies.subset(LABELS, seed)
    return baselines.linear(name, data, strategies.sentences())[1]


def _untrained(seed, scores) -> float:
    return strategies.accuracy(
        strategies.new_classifier(seed), strategies.sentences()["test"]
    )


def _choose(way, learning_rate, scores) -> float:
    return strategies.accuracy(
        strategies.fine_tune(way, strategies.subset(LABELS, 0), 0, learning_rate).model,
        strategies.sentences()["validation"],
    )


def _chosen(way, seed, scores) -> float:
    trained = strategies.fine_tune(
        way, strategies.subset(LABELS, seed), seed, float(best(scores, way))
    )
    return strategies.accuracy(trained.model, strategies.sentences()["test"])


def _remedied(name, number, scores) -> dict[str, float]:
    """Fit 200 labelled sentences with one remedy; score known and unseen ones."""
    options = {"epochs": LONG, "learning_rate": LEARNING_RATE} | REMEDIES[name]
    model = strategies.over_fit(strategies.subset(FEW, number), number, **options).model
    said = encoders.logits(
        model, strategies.tokenizer(), strategies.sentences()["test"]["text"]
    )
    truth = torch.tensor(strategies.sentences()["test"]["label"][:])
    return {
        "accuracy": float((said.argmax(1) == truth).double().mean()),
        "loss": float(functional.cross_entropy(said, truth)),
        "train": strategies.accuracy(model, strategies.subset(FEW, number)),
    }


def _choose_everything(learning_rate, scores) -> float:
    return _right(_answers(0, learning_rate), "validation")


def _chosen_everything(seed, scores) -> float:
    return _right(_answers(seed, float(best(scores, "everything"))), "test")


def _choose_shown(shown, scores) -> float:
    """Begin from a reviewer that was shown so much of each review, at one rate."""
    learning_rate = LEARNING_RATES["transfer"][1]
    right = [
        _right(_answers(seed, learning_rate, shown), "validation") for seed in SEEDS
    ]
    return sum(right) / len(right)


def _choose_transfer(learning_rate, scores) -> float:
    return _right(_answers(0, learning_rate, best(scores, "shown")), "validation")


def _chosen_transfer(seed, scores) -> float:
    return _right(_transferred(seed, scores), "test")


def _transferred(seed, scores) -> dict[str, torch.Tensor]:
    return _answers(seed, float(best(scores, "transfer")), best(scores, "shown"))


def _choose_counts(strength, scores) -> float:
    return _right(_counted(strength), "validation")


def _chosen_counts(scores) -> float:
    return _right(_counted(int(best(scores, "counts"))), "test")


def _choose_beside(strength, scores) -> float:
    """Let word counts of one strength answer beside a transferred MiniLM."""
    return _right(_mean([_transferred(0, scores), _counted(strength)]), "validation")


def _choose_team(name, scores) -> float:
    right = [_right(TEAMS[name](seed, scores), "validation") for seed in SEEDS]
    return sum(right) / len(right)


def _chosen_team(seed, scores) -> float:
    return _right(TEAMS[best(scores, "team")](seed, scores), "test")


def _gain_of_team(scores) -> dict[str, float]:
    """How much more the team has right than the transferred model alone.

    Of each test sentence the mean of the seeds counts; the interval is over sentences.
    """
    team = TEAMS[best(scores, "team")]
    both = [(team(seed, scores), _transferred(seed, scores)) for seed in SEEDS]
    right, alone = (
        sum(_hits(said, "test") for said in one) / len(SEEDS)
        for one in zip(*both, strict=True)
    )
    gain = metrics.paired(right, alone)
    return {"value": gain.value, "low": gain.low, "high": gain.high}


def _three(seed, scores) -> dict[str, torch.Tensor]:
    """Return what one model of each reviewer answer together."""
    learning_rate = float(best(scores, "transfer"))
    return _mean([_answers(seed, learning_rate, shown) for shown in intermediate.SHOWN])


def _with_counts(seed, scores) -> dict[str, torch.Tensor]:
    """Return what one transferred model and word counts answer together."""
    counted = _counted(int(best(scores, "beside")))
    return _mean([_transferred(seed, scores), counted])


TEAMS = {"three MiniLMs": _three, "MiniLM and word counts": _with_counts}


def _mean(team) -> dict[str, torch.Tensor]:
    return {part: sum(said[part] for said in team) / len(team) for part in ASKED}


def _right(said: dict[str, torch.Tensor], part: str) -> float:
    """Return the accuracy on one part."""
    return float(_hits(said, part).mean())


def _hits(said: dict[str, torch.Tensor], part: str) -> torch.Tensor:
    """Return 1 for each sentence of a part that is answered rightly, else 0."""
    truth = torch.tensor(strategies.sentences()[part]["label"][:])
    return (said[part].argmax(1) == truth).double()


@cache
def _answers(
    seed: int, learning_rate: float, shown: str | None = None
) -> dict[str, torch.Tensor]:
    """Fine-tune on all sentences, from MiniLM itself or a reviewer; ask once.

    Returned are the probabilities of the parts that ask, (sentences, classes).
    """
    source, known = shown and str(intermediate.train(shown)), strategies.sentences()
    fitted = strategies.fine_tune(
        "all",
        known["train"],
        seed,
        learning_rate,
        source,
        bf16=hardware.bf16_is_faster(),
    )
    return {
        part: encoders.logits(
            fitted.model, strategies.tokenizer(), known[part]["text"]
        ).softmax(1)
        for part in ASKED
    }


@cache
def _counted(strength: int) -> dict[str, torch.Tensor]:
    """Return what word counts of IMDB's parts and all sentences answer.

    Parts and sentences weigh alike, few as the sentences are.
    """
    parts, known = (
        intermediate.parts(intermediate.reviews()),
        strategies.sentences()["train"],
    )
    both = Dataset.from_dict(
        {name: [*parts[name], *known[name]] for name in known.column_names}
    )
    weights = [1] * len(parts) + [len(parts) / len(known)] * len(known)
    asked = [strategies.sentences()[part] for part in ASKED]
    model = baselines.tfidf(strength)
    model.fit(
        both["text"][:], both["label"][:], logisticregression__sample_weight=weights
    )
    said = [model.predict_proba(data["text"][:]) for data in asked]
    return dict(zip(ASKED, map(torch.tensor, said), strict=True))
