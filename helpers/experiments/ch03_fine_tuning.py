"""Experiments of chapter 3: how much to train, what regularises, what adds accuracy."""

from functools import partial

import numpy as np
from datasets import Dataset
from scipy.special import softmax
from transformers import AutoTokenizer

from helpers import metrics
from helpers.data import corpora
from helpers.experiments.runner import answers, remembered, timed
from helpers.experiments.tuning import tuned
from helpers.models import baselines, encoders
from helpers.training import fine_tuning, strategies
from helpers.training.strategies import EPOCHS_TRIED

SEEDS, SUBSETS = range(3), range(5)
LABELS, FEW, ALL = 1000, 200, 6354  # training sentences
TEST = {"split": "test", "metric": "accuracy"}
TRAINING = {"epochs": 3, "batch_size": 16, "max_length": 64, "precision": "float32"}
LEARNING_RATES = {
    "head": (1e-3, 3e-3, 1e-2),
    "last two layers": (1e-4, 3e-4, 1e-3),
    "all but embeddings": (5e-5, 1e-4, 2e-4),
    "all": (5e-5, 1e-4, 2e-4),
    "gradual": (1e-4, 2e-4, 4e-4),
    "layer-wise learning rates": (1e-4, 2e-4, 4e-4),
}
ARTICLES = {"learning_rate": 5e-5, "batch_size": 8, "max_length": 128}
OVER_FITTING = {"strategy": "all but embeddings", "epochs": 10, "learning_rate": 1e-4}
REGULARISATION = {
    "none": {},
    "dropout": {"dropout": 0.3},
    "weight decay": {"weight_decay": 0.1},
    "early stopping": {"patience": 2},
    "fewer epochs": {"epochs": 3},
    "smaller learning rate": {"learning_rate": 2e-5},
    "augmentation": {"dropped_words": 0.15},
    "cross-validation": {"epochs": None, "folds": 3, "tried": str(EPOCHS_TRIED)},
}
# what of each IMDB review is read: so many tokens at its end, or its last passages
INTERMEDIATE = {"last 64 tokens": 64, "last 128 tokens": 128, "last passages": None}
PASSAGES, WORDS = 4, 45  # of a review, and of each passage
TFIDF, THREE = "TF-IDF + logistic regression", "three MiniLMs"
WITH_REVIEWS = {"strategy": TFIDF, "intermediate": "last passages", "train_size": ALL}


def experiments(record):
    """Yield the experiments in order; those on test sentences use what was chosen."""
    own = {"experiment": "recipes", "strategy": "all", "train_size": LABELS} | TEST
    course = {"learning_rate": 1e-4, "precision": record.precision}
    for seed in SEEDS:
        for recipe, options in {"articles": ARTICLES, "course": course}.items():
            one = {"recipe": recipe, "seed": seed} | TRAINING | options
            yield remembered(fine_tuned), own | one
    own = {"experiment": "strategies", "train_size": LABELS} | TEST
    for seed in SUBSETS:
        for strategy, (_, tried) in baselines.LINEAR.items():
            one = {"strategy": strategy, "seed": seed, "tried": str(tried)}
            yield remembered(linear), own | one
        yield untrained, own | {"strategy": "nothing", "train_size": 0, "seed": seed}
    for strategy, values in LEARNING_RATES.items():
        run = remembered(fine_tuned), own | TRAINING | {"strategy": strategy}
        yield from tuned(record, *run, "learning_rate", values, SUBSETS)
    own = {"experiment": "regularisation", "train_size": FEW} | TRAINING | OVER_FITTING
    measured = TEST, TEST | {"metric": "loss"}, TEST | {"split": "train"}
    for name, options in REGULARISATION.items():
        for seed in SUBSETS:
            one = own | {"regularisation": name, "seed": seed} | options
            yield from ((remembered(fine_tuned), one | each) for each in measured)
    # with all sentences: which text beside them helps, and which ensemble
    own, run = {"experiment": "all sentences"} | TEST, remembered(fine_tuned)
    texts = remembered(tfidf), own | WITH_REVIEWS
    yield from tuned(record, *texts, "C", (1, 10, 100), [0])
    own |= TRAINING | {"strategy": "all", "train_size": ALL}
    own |= {"precision": record.precision}
    yield from tuned(record, run, own, "learning_rate", (5e-5, 1e-4), SEEDS)
    own |= {"experiment": "intermediate text"}
    same = run, own | {"learning_rate": 5e-5}
    yield from tuned(record, *same, "intermediate", INTERMEDIATE, [], SEEDS)
    own |= {"intermediate": record.best("intermediate", own)}
    own |= {"experiment": "intermediate fine-tuning"}
    yield from tuned(record, run, own, "learning_rate", (2e-5, 5e-5, 1e-4), SEEDS)
    own |= {"learning_rate": record.best("learning_rate", own)}
    own |= {"experiment": "ensemble C", "strategy": "MiniLM and TF-IDF"}
    yield from tuned(record, ensemble, own, "C", (1, 10, 100), [])
    own |= {"C": record.best("C", own), "experiment": "ensemble"}
    three = {"strategy": THREE, "C": None, "intermediate": None}
    for one in (own, own | three):
        for seed in SEEDS:
            yield ensemble, one | {"split": "validation", "seed": seed}
    if record.best("strategy", own | three) == THREE:
        own |= three
    yield from ((ensemble, own | {"seed": seed}) for seed in SEEDS)
    gain = {"metric": "accuracy gain", "baseline": "intermediate fine-tuning"}
    yield ensemble_gain, own | gain


def fine_tuned(train_size, seed, precision, recipe="", intermediate=None, **options):
    """Fine-tune MiniLM, as it comes or after intermediate fine-tuning on IMDB."""
    train = strategies.subset(train_size, seed)
    for name in ("regularisation", "tried"):  # names for what the other options do
        options.pop(name, None)
    options |= {"data": train, "seed": seed, "bf16": precision == "bfloat16"}
    if recipe == "articles":  # no warm-up, and every text padded
        options |= {"padding": "max_length", "train_sampling_strategy": "random"}
        options["warmup_steps"] = 0
    if intermediate:
        weights = remembered(intermediate_weights)
        options["weights"] = weights(intermediate, precision)
    trainer, seconds = timed(partial(strategies.fine_tune, **options))
    predict = partial(encoders.logits, trainer.model, strategies.tokenizer())
    predict = partial(predict, max_length=options["max_length"])
    return answers(predict, strategies.sentences() | {"train": train}, seconds)


def untrained(strategy, train_size, seed) -> dict:
    """MiniLM with a randomly initialised head, of which nothing is trained."""
    model = strategies.new_classifier(seed)
    predict = partial(encoders.logits, model, strategies.tokenizer())
    return answers(predict, strategies.sentences())


def linear(strategy, train_size, seed, tried) -> dict:
    """A linear classifier; of the values of C tried, validation chooses."""
    train = strategies.subset(train_size, seed)
    model = baselines.linear(strategy, train, strategies.sentences()["validation"])
    return answers(model.predict_proba, strategies.sentences() | {"train": train})


def tfidf(strategy, train_size, seed, C, intermediate=None) -> dict:
    """TF-IDF + logistic regression on sentences, and on passages of IMDB reviews.

    Sentences and passages have the same weight in all, few as the sentences are.
    """
    train = strategies.subset(train_size, seed)
    texts, labels, weights = train["text"][:], train["label"][:], None
    if intermediate:
        read = passages(reviews())
        weights = [1] * len(read) + [len(read) / len(train)] * len(train)
        texts, labels = read["text"][:] + texts, read["label"][:] + labels
    model = baselines.tfidf(C)
    model.fit(texts, labels, logisticregression__sample_weight=weights)
    return answers(model.predict_proba, strategies.sentences() | {"train": train})


def ensemble(strategy, intermediate=None, C=None, **settings) -> dict:
    """The mean probability of a MiniLM and TF-IDF, or of three MiniLMs."""
    read = INTERMEDIATE if strategy == THREE else [intermediate]
    own = {"strategy": "all"} | settings
    models = [remembered(fine_tuned)(intermediate=one, **own) for one in read]
    others = []
    if strategy != THREE:
        others = [remembered(tfidf)(**WITH_REVIEWS, seed=settings["seed"], C=C)]
    found = {}
    for split, first in models[0].items():
        sure = [softmax(one[split].logits, axis=1) for one in models]
        sure += [one[split].logits for one in others]
        found[split] = first._replace(logits=np.mean(sure, 0))
    return found


def ensemble_gain(baseline, strategy, C=None, intermediate=None, **settings) -> dict:
    """How much more often an ensemble is right than one MiniLM: a mean over seeds."""

    def hits(function, **own):
        found = [function(**own, **settings, seed=s)["test"] for s in SEEDS]
        return np.mean([one.logits.argmax(1) == one.labels for one in found], 0)

    together = hits(ensemble, strategy=strategy, C=C, intermediate=intermediate)
    alone = hits(remembered(fine_tuned), strategy="all", intermediate=intermediate)
    return {"test": {"accuracy gain": metrics.paired(together, alone)}}


def intermediate_weights(intermediate: str, precision: str) -> dict:
    """Return MiniLM's weights after an epoch on IMDB, of which it reads a part."""
    length, data = INTERMEDIATE[intermediate], reviews()
    side = "left" if length else "right"
    place = encoders.locate("minilm")
    tokenizer = AutoTokenizer.from_pretrained(place, truncation_side=side)
    data, model = data if length else passages(data), strategies.new_classifier(0)
    options = {"epochs": 1, "learning_rate": 1e-4, "max_length": length or 64}
    options |= {"bf16": precision == "bfloat16"}
    fine_tuning.classifier(model, tokenizer, data, **options)
    return model.state_dict()


def reviews() -> Dataset:
    """Return the labelled reviews of IMDB that hold no sentence we evaluate on."""
    found, splits = corpora.imdb()["train"], strategies.sentences()
    evaluated = [*splits["validation"]["text"], *splits["test"]["text"]]
    copied = np.array(corpora.copies(found["text"], evaluated))
    return found.select(np.flatnonzero(~copied))


def passages(data: Dataset) -> Dataset:
    """Cut texts from their end into passages of 45 words with the label of the text.

    Of each text the last four are kept; a first one of less than half the words is not.
    """
    rows = []
    for text, label in zip(data["text"], data["label"], strict=True):
        words = text.split()
        for end in range(len(words), 0, -WORDS)[:PASSAGES]:
            passage = words[max(0, end - WORDS) : end]
            if len(passage) >= min(WORDS // 2, len(words)):
                rows.append({"text": " ".join(passage), "label": label})
    return Dataset.from_list(rows)
