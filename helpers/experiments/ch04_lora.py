"""Experiments of chapter 4: how many labels count, LoRA's settings, and its relatives.

The learning curves read the ends of IMDB's reviews, where the verdict stands; all the
rest is measured on the sentences of Rotten Tomatoes.
"""

import copy
from functools import cache, partial

import numpy as np
import torch
from datasets import Dataset
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from transformers import AutoModelForSequenceClassification

from helpers import hardware, metrics
from helpers.data import corpora
from helpers.experiments.ch03_fine_tuning import TEST, TFIDF
from helpers.experiments.runner import answers, remembered, timed
from helpers.experiments.tuning import climbed, tuned
from helpers.models import baselines, encoders, methods, retrieval
from helpers.training import fine_tuning, freezing, memory, strategies

ENDS, WHOLE, SENTENCES = "IMDB, ends", "IMDB, whole", "Rotten Tomatoes"
TOKENS = 64  # of a review's end, with [CLS] and [SEP]
HELD_OUT = {"validation": 1000, "test": 2000}  # reviews
EPOCHS = {100: 20, 1000: 6, 10000: 3}  # by number of labelled reviews
SEEDS = {100: range(5), 1000: range(3), 10000: range(3)}
LABELS = 1000  # where settings are chosen

MAJORITY = "majority class"
FROZEN, LAST, FULL = "frozen + linear", "last two layers", "full fine-tuning"
SCRATCH, UNTOUCHED = "from scratch", "nothing trained"
CURVES = FULL, "LoRA", LAST, SCRATCH
C_TRIED = {TFIDF: (1, 10, 100, 1000, 10000), FROZEN: (1e-5, 1e-4, 1e-3, 0.01, 0.1)}
DECADES = tuple(10.0**n for n in range(-6, 6))
HALF_DECADES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1)
LOWEST = {FULL: 0, SCRATCH: 0, LAST: 1, "LoRA": 2, "DoRA": 2, "rsLoRA": 2}
LOWEST |= {"BitFit": 3, "bottleneck adapter": 3, "VeRA": 4, "IA3": 4}
LOWEST |= {"prefix tuning": 4, "prompt tuning": 6}
LEARNING_RATES = {name: HALF_DECADES[low : low + 5] for name, low in LOWEST.items()}

LORA = {"r": 8, "lora_alpha": 16, "layers": "query, value"}
CHOICES = {  # what is changed of LORA
    "rank": ({"r": 1}, {"r": 64}),
    "alpha": ({"lora_alpha": 4}, {"lora_alpha": 64}),
    "layers": (  # at equal numbers of parameters
        {"r": 18},
        {"r": 9, "layers": "attention"},
        {"r": 4, "layers": "all linear"},
    ),
}
RETRIEVAL = {"split": "retrieval", "metric": "recall at 1"}
STEPS = 10  # timed


def experiments(record):
    """Yield the experiments, in the order of what the chapter needs."""
    training = {"batch_size": 16, "max_length": TOKENS, "precision": record.precision}
    own = {"experiment": "learning curves", "data": ENDS, "train_size": LABELS} | TEST
    for size, seeds in SEEDS.items():
        one = own | {"strategy": MAJORITY, "train_size": size}
        yield from ((remembered(linear), one | {"seed": seed}) for seed in seeds)
    curves = []
    for data, strategy in ((ENDS, TFIDF), (WHOLE, TFIDF), (ENDS, FROZEN)):
        one = own | {"data": data, "strategy": strategy}
        yield from tuned(record, remembered(linear), one, "C", C_TRIED[strategy], [])
        curves.append((linear, one, "C", DECADES))
    for strategy in CURVES:
        one = own | training | {"strategy": strategy, "epochs": EPOCHS[LABELS]}
        one |= LORA if strategy == "LoRA" else {}
        yield from over_learning_rates(record, one, [])
        curves.append((fine_tuned, one, "learning_rate", HALF_DECADES))
    sentences = {"data": SENTENCES, "train_size": LABELS, "epochs": 3} | TEST | training
    yield from learning_rates(record, sentences)
    *few, many = EPOCHS
    yield from (each for size in few for each in at(record, curves, size))
    yield from family(record, training)
    yield from choices(record, sentences)
    yield from at(record, curves, many)
    for strategy in LEARNING_RATES:
        for metric in ("milliseconds per step", "peak memory", "trained parameters"):
            one = {"experiment": "cost", "split": "this machine", "metric": metric}
            yield remembered(cost), one | training | {"strategy": strategy}


def at(record, curves: list[tuple], size: int):
    """Yield tests with so many labels, of all strategies.

    A curve is a function, its settings, the name of the one that was tuned with
    `LABELS` labels, and its values. With another number of labels it is tuned anew,
    beginning with the value that was best.
    """
    plans = [
        (remembered(function), sized(settings, size), name, values, best)
        for function, settings, name, values in curves
        if (best := record.best(name, settings)) is not None
    ]
    if size != LABELS:
        yield from climbed(record, plans)
    for function, one, name, *_ in plans:
        best = record.best(name, one)
        for seed in SEEDS[size] if best is not None else ():
            yield function, one | {name: best, "seed": seed}


def sized(settings: dict, size: int) -> dict:
    """Return settings with so many labels, and the epochs for them."""
    epochs = {"epochs": EPOCHS[size]} if "epochs" in settings else {}
    return settings | epochs | {"train_size": size}


def learning_rates(record, own: dict):
    """Yield learning rates for full fine-tuning and LoRA, with equal effort."""
    for strategy in (FULL, "LoRA"):
        one = own | {"experiment": "learning rate", "strategy": strategy}
        one |= LORA if strategy == "LoRA" else {}
        yield from over_learning_rates(record, one, range(3), range(3))


def choices(record, own: dict):
    """Yield LoRA's other choices, each value with learning rates of its own."""
    own, seeds = own | {"strategy": "LoRA"} | LORA, range(3)
    values = LEARNING_RATES["LoRA"][1:]
    changed = [{"experiment": c} | one for c, some in CHOICES.items() for one in some]
    for tests in ([], seeds):  # tune all before any waits for its best value
        for one in changed:
            yield from over_learning_rates(record, own | one, tests, seeds, values)


def family(record, training: dict):
    """Yield each method with its own learning rate, and what it forgets."""
    own = {"experiment": "family", "data": SENTENCES, "train_size": LABELS} | TEST
    for strategy in (UNTOUCHED, TFIDF):
        yield untrained, own | {"strategy": strategy, "seed": 0} | RETRIEVAL
    for strategy in (TFIDF, FROZEN):
        run = remembered(linear), own | {"strategy": strategy}
        yield from tuned(record, *run, "C", C_TRIED[strategy], range(3))
    trained = []
    for strategy in LEARNING_RATES:
        one = own | training | {"strategy": strategy, "epochs": 5}
        one |= {"other_skill": "retrieval"}
        trained.append(one | (LORA if "LoRA" in strategy else {}))
        yield from over_learning_rates(record, trained[-1], [])
    for one in trained:
        yield from over_learning_rates(record, one, range(3))
        if best := record.best("learning_rate", one):
            one = one | {"learning_rate": best} | RETRIEVAL
            yield from ((remembered(fine_tuned), one | {"seed": s}) for s in range(3))


def over_learning_rates(record, settings: dict, seeds, trials=(0,), values=()):
    """Yield fine-tuning with each learning rate of a strategy, then with the best."""
    values = values or LEARNING_RATES[settings["strategy"]]
    run = remembered(fine_tuned), settings
    yield from tuned(record, *run, "learning_rate", values, seeds, trials)


@cache
def splits(data: str) -> dict[str, Dataset]:
    """Return labelled texts in three splits; of IMDB fewer held-out ones than it has.

    Of the `ENDS` of its reviews there are at most 62 tokens, from the start of a word.
    """
    if data == SENTENCES:
        return dict(strategies.sentences())
    found = {}
    for name, rows in corpora.imdb().items():
        rows = rows.select(range(min(len(rows), HELD_OUT.get(name, len(rows)))))
        if data == ENDS:
            texts = [end_of(text, TOKENS - 2) for text in rows["text"]]
            columns = {"text": texts, "label": rows["label"][:]}
            rows = Dataset.from_dict(columns, corpora.FEATURES)
        found[name] = rows
    return found


def end_of(text: str, tokens: int) -> str:
    """Return the last words of a text that have not more than so many tokens."""
    encoded = strategies.tokenizer()(text, add_special_tokens=False, verbose=False)
    words = encoded.word_ids()
    begin = max(0, len(words) - tokens)
    while 0 < begin < len(words) and words[begin] == words[begin - 1]:
        begin += 1
    cut = 0 < begin < len(words)
    return text[encoded.token_to_chars(begin).start :] if cut else text


def read(data: str, train_size: int, seed: int) -> tuple[Dataset, dict]:
    """Return a random training subset, and the held-out splits."""
    train, *held_out = splits(data).items()
    return corpora.subset(train[1], train_size, seed), dict(held_out)


def linear(strategy, data, train_size, seed, C=1) -> dict:
    """TF-IDF or MiniLM's standardised mean vectors, and a line; or the majority."""
    train, held_out = read(data, train_size, seed)
    embed = FunctionTransformer(remembered(vectors)), StandardScaler()
    model = {
        MAJORITY: DummyClassifier(),
        TFIDF: baselines.tfidf(C),
        FROZEN: make_pipeline(*embed, LogisticRegression(C=C, max_iter=1000)),
    }[strategy]
    model.fit(train["text"][:], train["label"][:])
    return answers(model.predict_proba, held_out)


def vectors(texts: list[str]) -> np.ndarray:
    """Return MiniLM's mean vectors."""
    return encoders.embed_texts(*encoders.load_text("minilm"), texts).numpy()


def fine_tuned(
    strategy, data, train_size, seed, precision, other_skill=None, **options
) -> dict:
    """Adapt MiniLM by one of `LEARNING_RATES`, and perhaps test its other skill."""
    train, held_out = read(data, train_size, seed)
    lora = {name: options.pop(name) for name in LORA if name in options}
    model = adapted(strategy, seed, **lora)
    options |= {"seed": seed, "bf16": precision == "bfloat16"}
    work = partial(fine_tuning.classifier, model, strategies.tokenizer(), train)
    _, seconds = timed(partial(work, **options))
    with hardware.autocast(model, precision):
        found = answers(partial(logits, model), held_out, seconds)
        if other_skill:
            found["retrieval"] = skill(model)
    return found


def logits(model, texts) -> torch.Tensor:
    return encoders.logits(model, strategies.tokenizer(), texts, TOKENS).float()


def adapted(strategy: str, seed: int, **lora):
    """Return MiniLM with a random head, ready to be trained by a strategy."""
    model = strategies.new_classifier(seed)
    if strategy == SCRATCH:
        torch.manual_seed(seed)
        return AutoModelForSequenceClassification.from_config(model.config)
    if strategy == LAST:
        freezing.train_only(model, LAST)
    if strategy in (FULL, LAST):
        return model
    return methods.apply(strategy, model, **lora)


def untrained(strategy, data, train_size, seed) -> dict:
    """What MiniLM retrieves as it comes, and what TF-IDF does."""
    if strategy == TFIDF:
        texts = splits(data)["train"]["text"][:]
        words = baselines.tfidf()[0].fit([*texts, *sum(retrieval.halves(), [])])
        recall = retrieval.recall(lambda texts: words.transform(texts).toarray())
        return {"retrieval": recall}
    return {"retrieval": skill(strategies.new_classifier(seed))}


def skill(model) -> dict:
    """What a classifier retrieves with its mean vectors."""
    vectors = partial(retrieval.vectors, model, strategies.tokenizer())
    return retrieval.recall(partial(vectors, max_length=TOKENS))


def cost(strategy, batch_size, max_length, precision) -> dict:
    """Seconds and memory of a training step, alone on this machine, and parameters."""
    model = copy.deepcopy(adapted(strategy, 0)).train()  # no pages of a file
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, fused=True)
    ids = torch.randint(model.config.vocab_size, (batch_size, max_length))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    batch |= {"labels": torch.arange(batch_size) % 2}
    batch = {name: tensor.to(model.device) for name, tensor in batch.items()}

    def steps(count):
        for _ in range(count):
            with hardware.autocast(model, precision):
                loss = model(**batch).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    highest = memory.measured(partial(steps, 2))
    hardware.keep_freed_memory()
    steps(2)
    _, seconds = timed(partial(steps, STEPS))
    if seconds is None:
        raise RuntimeError("other programs ran meanwhile: run the sweep again alone")
    found = {"milliseconds per step": 1000 * seconds / STEPS, "peak memory": highest}
    found["trained parameters"] = encoders.count(model)[0]
    scores = {n: metrics.Score(v, None, None, STEPS) for n, v in found.items()}
    return {"this machine": scores}
