"""Experiments of chapter 6: DINOv2 and its baselines on medical images.

Settings are chosen by the AUC on validation, a learning rate by one training of each
value. Intervals cover the choice of subjects where the data tell which they are.
"""

from functools import cache, partial

import numpy as np
from datasets import Dataset
from sklearn.model_selection import train_test_split

from helpers.data import medmnist, mri_lesions
from helpers.experiments import ch06_segmentation
from helpers.experiments.ch04_lora import (
    DECADES,
    FROZEN,
    FULL,
    HALF_DECADES,
    LAST,
    MAJORITY,
    SCRATCH,
)
from helpers.experiments.diagnoses import AUC, METRICS, diagnoses
from helpers.experiments.runner import remembered, timed
from helpers.experiments.tuning import climbed
from helpers.models import image_baselines
from helpers.training import image_strategies

BREAST, LESIONS = "BreastMNIST", "MRI lesions"
CNN, HOG = "small CNN", "HOG + SVM"
RANDOM = "random weights + linear"
PIXELS, TEXTURE = "pixels + logistic regression", "texture + SVM"
FIRST, LATER = ("LoRA", FULL, CNN), (LAST, SCRATCH)  # the former are measured first
CLASSICAL = {  # features, classifier, and the C to begin with
    PIXELS: (image_baselines.pixels, image_baselines.line, 0.01),
    TEXTURE: (image_baselines.texture, image_baselines.machine, 1.0),
    HOG: (image_baselines.edges, image_baselines.machine, 1.0),
    FROZEN: (image_strategies.vectors, image_baselines.line, 0.01),
    RANDOM: (image_strategies.untrained_vectors, image_baselines.line, 0.01),
}
LEARNING_RATES = (1e-6, 3e-6, *HALF_DECADES)
STARTS = {"LoRA": 1e-3, FULL: 3e-5, LAST: 1e-4, SCRATCH: 3e-4, CNN: 3e-3}
EPOCHS = {"LoRA": 4, FULL: 4, LAST: 4, SCRATCH: 6, CNN: 20}  # with all subjects
SEEDS = range(3)

ALL = 192  # subjects of the training split
SMALLER = {12: 8, 48: 3}  # subjects -> times as many epochs
CURVES = FROZEN, HOG, "LoRA", LAST, CNN, SCRATCH
AUGMENTED = 48  # subjects
DIFFICULTIES = 0.0, 0.3, 0.6, 0.9
HARDER = HOG, FROZEN, "LoRA", CNN
STEADY = 1e-3, 3e-3  # learning rates
LONGER = 24  # epochs from scratch, four times as many
AGAIN = "LoRA", LAST  # on BreastMNIST, longer and with augmentation
TURNED = {"augmentation": "mirror and shift", "epochs": 8}


def experiments(record):
    """Yield the experiments, in the order of what the chapter needs."""
    both = BREAST, LESIONS
    for data in both:
        own = {"seed": 0} | base(data, MAJORITY)
        yield from tests([(classical, own)])
        yield from compared(record, [plan(base(data, name)) for name in CLASSICAL])
    for data in both:
        for strategies in (FIRST, LATER):
            plans = [plan(base(data, name, record)) for name in strategies]
            yield from compared(record, plans)
    yield from learning_curves(record)
    yield from augmentations(record)
    yield from difficulties(record)
    yield from steadiness(record)
    own = {"experiment": "augmented benchmark"} | TURNED
    yield from compared(
        record, [plan(base(BREAST, name, record) | own) for name in AGAIN]
    )
    longer = {"experiment": "longer", "epochs": LONGER, "seed": 0}
    scratch = best(record, [plan(base(LESIONS, SCRATCH, record))])
    yield from tests([(function, one | longer) for function, one in scratch])
    yield from ch06_segmentation.experiments(record)


def base(data: str, strategy: str, record=None) -> dict:
    """Return the settings of a strategy on one of the two data sets."""
    own = {"experiment": "benchmark", "data": data}
    if data == LESIONS:
        own |= {"experiment": "strategies", "difficulty": mri_lesions.DIFFICULTY}
        own |= {"subjects": ALL, "simulation": mri_lesions.VERSION}
    own |= {"strategy": strategy, "split": "test", "metric": AUC}
    if strategy in EPOCHS:
        own |= {"epochs": EPOCHS[strategy], "batch_size": 16, "augmentation": "none"}
        own |= {"precision": record.precision}
    return own | ({"r": 8, "lora_alpha": 16} if strategy == "LoRA" else {})


def plan(settings: dict, start=None) -> tuple:
    """Return what `climbed` takes; it begins with the usual value, or with `start`."""
    strategy = settings["strategy"]
    if strategy in CLASSICAL:
        run, usual = remembered(classical), CLASSICAL[strategy][-1]
        return run, settings, "C", DECADES, start or usual
    run, usual = remembered(fine_tuned), STARTS[strategy]
    return run, settings, "learning_rate", LEARNING_RATES, start or usual


def best(record, plans: list[tuple]) -> list[tuple]:
    """Return function and settings of plans with the value best on validation."""
    found = [(each, record.best(each[2], each[1])) for each in plans]
    return [
        (function, settings | {name: value})
        for (function, settings, name, *_), value in found
        if value is not None
    ]


def compared(record, plans: list[tuple]):
    """Yield runs that tune some strategies on validation, then test them."""
    yield from climbed(record, plans)
    yield from tests([run for each in best(record, plans) for run in seeded(*each)])


def seeded(function, settings: dict) -> list[tuple]:
    """Return a run for each seed; of a classical one it decides the subset alone."""
    whole = settings.get("subjects", ALL) == ALL
    once = settings["strategy"] in CLASSICAL and whole
    return [(function, settings | {"seed": seed}) for seed in ([0] if once else SEEDS)]


def tests(runs: list[tuple]):
    """Yield tests by each metric; only the first has to be waited for."""
    for metric in METRICS:
        for function, settings in runs:
            yield function, settings | {"metric": metric}


def learning_curves(record):
    """Yield tests with fewer subjects, tuned anew from the value that was best."""
    whole = best(record, [plan(base(LESIONS, name, record)) for name in CURVES])
    curve, plans = {"experiment": "learning curves"}, []
    yield from tests([run for f, one in whole for run in seeded(f, one | curve)])
    for _, settings in whole:
        start = settings.get("C") or settings.get("learning_rate")
        one = base(LESIONS, settings["strategy"], record) | curve
        plans += [plan(fewer(one, subjects), start) for subjects in SMALLER]
    yield from compared(record, plans)


def fewer(settings: dict, subjects: int) -> dict:
    """Return settings with fewer subjects, and the epochs for them."""
    epochs = settings.get("epochs")
    more = {"epochs": SMALLER[subjects] * epochs} if epochs else {}
    return settings | more | {"subjects": subjects}


def augmentations(record):
    """Yield LoRA with few subjects without, with right and with wrong augmentations."""
    own = fewer(base(LESIONS, "LoRA", record), AUGMENTED)
    tuned = best(record, [plan(own | {"experiment": "learning curves"})])
    yield from tests(
        [
            run
            for function, one in tuned
            for name in image_strategies.AUGMENTATIONS
            for run in seeded(
                function, one | {"experiment": "augmentation", "augmentation": name}
            )
        ]
    )


def difficulties(record):
    """Yield strategies on easier and harder lesions; a C is tuned anew, once each."""
    known = best(record, [plan(base(LESIONS, name, record)) for name in HARDER])
    runs, plans = [], []
    for function, settings in known:
        for difficulty in DIFFICULTIES:
            own = {"experiment": "difficulty", "difficulty": difficulty}
            one = settings | own
            if start := one.pop("C", None):
                plans.append(plan(one, start))
            else:
                runs.append((function, one | {"seed": 0}))
    yield from compared(record, plans)
    yield from tests(runs)


def steadiness(record):
    """Yield LoRA's seeds at two learning rates: the choice looked at one training."""
    runs = [
        run
        for function, one in best(record, [plan(base(LESIONS, "LoRA", record))])
        for value in STEADY
        for run in seeded(
            function, one | {"experiment": "seeds", "learning_rate": value}
        )
    ]
    yield from [(function, one | {"split": "validation"}) for function, one in runs]
    yield from tests(runs)


@cache
def splits(data: str, difficulty: float | None = None) -> dict[str, Dataset]:
    """Return labelled images in three splits."""
    if data == BREAST:
        return dict(medmnist.load("breastmnist"))
    return dict(mri_lesions.load(difficulty=difficulty))


def read(data, difficulty, subjects, seed) -> tuple[Dataset, dict, int]:
    """Return training images, the held-out splits, and the label of the disease.

    Fewer than all subjects are a random subset, equal for equal seeds, with all their
    images and with both classes as frequent as in all.
    """
    positive = medmnist.about("breastmnist").positive if data == BREAST else 1
    train, *held_out = splits(data, difficulty).items()
    rows = train[1]
    if subjects not in (None, ALL):
        known = dict(zip(rows["subject"], rows["label"], strict=True))
        numbers, labels = list(known), list(known.values())
        options = {"train_size": subjects, "random_state": seed, "stratify": labels}
        chosen = set(train_test_split(numbers, **options)[0])
        own = [i for i, subject in enumerate(rows["subject"]) if subject in chosen]
        rows = rows.select(own)
    return rows, dict(held_out), positive


def classical(
    strategy, data, seed, difficulty=None, subjects=None, simulation=None, C=None
) -> dict:
    """A classifier on features that nothing is trained for; or the majority.

    `simulation` is there so that no result of older pictures is remembered.
    """
    train, held_out, positive = read(data, difficulty, subjects, seed)
    labels = np.array(train["label"]) == positive
    if strategy == MAJORITY:
        score = labels.mean() - 0.5
        return diagnoses(lambda rows: np.full(len(rows), score), held_out, positive)
    _, classifier, _ = CLASSICAL[strategy]
    see = partial(seen, strategy)
    model = classifier(C).fit(see(train["image"][:]), labels)
    return diagnoses(
        lambda rows: model.decision_function(see(rows)), held_out, positive
    )


def seen(strategy: str, pictures: list) -> np.ndarray:
    """Return features of pictures, computed once."""
    arrays = [np.asarray(picture.convert("L")) for picture in pictures]
    return remembered(CLASSICAL[strategy][0])(arrays)


def fine_tuned(
    strategy,
    data,
    seed,
    precision,
    augmentation,
    difficulty=None,
    subjects=None,
    simulation=None,
    r=8,
    lora_alpha=16,
    **options,
) -> dict:
    """Fine-tune DINOv2 or a small network, and test it; as in `classical`."""
    train, held_out, positive = read(data, difficulty, subjects, seed)
    model = image_strategies.new_model(strategy, seed, r=r, lora_alpha=lora_alpha)
    options |= {"seed": seed, "augment": augmentation, "bf16": precision == "bfloat16"}
    given = model, train["image"][:], train["label"][:]
    _, seconds = timed(partial(image_strategies.fine_tune, *given, **options))

    def scores(pictures) -> np.ndarray:
        logits = image_strategies.logits(model, pictures, precision=precision)
        return (logits[:, positive] - logits[:, 1 - positive]).numpy()

    return diagnoses(scores, held_out, positive, seconds)
