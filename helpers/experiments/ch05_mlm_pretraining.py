"""Experiments of chapter 5: what pre-training on unlabelled film reviews is worth."""

from dataclasses import replace
from functools import cache, partial

import torch
from sklearn.linear_model import LogisticRegression
from transformers import (
    AutoConfig,
    AutoTokenizer,
    BertForMaskedLM,
    BertForSequenceClassification,
)

from helpers import hardware, metrics
from helpers.data import corpora
from helpers.experiments.ch03_fine_tuning import TEST, TFIDF, tfidf
from helpers.experiments.runner import answers, remembered, timed, tuned
from helpers.models import (
    encoders,
    language_models,
    prompt_classifier,
    tokenizers,
)
from helpers.pretraining import recipes
from helpers.training import fine_tuning, strategies

SEEDS = range(3)
FROZEN_SEEDS = range(10)  # only a linear classifier is trained, so more cost little
# model -> epochs by number of labels: fewer labels are read more often
EPOCHS = {"course-bert": {100: 12, 300: 8, 1000: 5}, "minilm": {100: 8, 1000: 3}}
LEARNING_RATES = {"course-bert": (1e-4, 2e-4, 4e-4), "minilm": (5e-5, 2e-4)}
PRE_TRAINED, SCRATCH, ADAPTED = "pre-trained", "from scratch", "domain-adapted"
TRAINING = {"batch_size": 16, "max_length": 64, "precision": "float32"}
ADAPTATION = {"adaptation_head_steps": 100, "adaptation_steps": 400}
EARLY = {"steps": 700, "scheduled_steps": 7000}  # taken, and planned
ADAPTING_LABELS = 1000  # on which the learning rate of the adaptation is chosen
HEAD_LEARNING_RATE, BATCH_SIZE, LENGTH = 1e-3, 16, 128  # of the adaptation


def experiments(record):
    """Yield the experiments in order; those on test sentences use what was chosen."""
    own = {"experiment": "few labels", "model": "course-bert"}
    for size in EPOCHS["course-bert"]:
        for initialisation in (PRE_TRAINED, SCRATCH):
            for strategy in ("prompt", "new head"):
                one = {"initialisation": initialisation, "strategy": strategy}
                yield from _fine_tuned(record, own | one, size)
        one = {"experiment": "few labels", "strategy": TFIDF, "train_size": size}
        for seed in SEEDS:
            yield remembered(tfidf), TEST | one | {"C": 10, "seed": seed}
    yield from _adaptation(record)
    own = {"experiment": "early pre-training", "seed": 0, "precision": record.precision}
    for length in (128, 32):
        for probability in (0.15, 0.3):
            one = {"sequence_length": length, "mlm_probability": probability}
            for metric in ("accuracy at selected tokens", "accuracy at [MASK]"):
                name = {"split": "validation", "metric": metric}
                yield remembered(early_pretraining), own | EARLY | one | name


def _adaptation(record):
    """MiniLM as it is, and after domain-adaptive pre-training."""
    own = {"experiment": "adaptation", "model": "minilm"} | TEST
    adapted = {"initialisation": ADAPTED, "adaptation_precision": record.precision}
    adapted |= ADAPTATION
    frozen = {"strategy": "frozen", "C": 1}
    one = own | adapted | frozen | {"experiment": "adaptation learning rate"}
    one |= {"train_size": ADAPTING_LABELS}
    name, values = "adaptation_learning_rate", (3e-5, 1e-4)
    yield from tuned(record, remembered(probed), one, name, values, [])
    adapted |= {name: record.best(name, one)}
    for size in EPOCHS["minilm"]:
        for one in ({"initialisation": PRE_TRAINED}, adapted):
            for seed in FROZEN_SEEDS:
                more = frozen | {"train_size": size, "seed": seed}
                yield remembered(probed), own | one | more
            yield from _fine_tuned(record, own | one | {"strategy": "new head"}, size)


def _fine_tuned(record, own, size):
    """Choose a learning rate on validation sentences, and use it."""
    model = own["model"]
    own = own | TEST | TRAINING | {"train_size": size, "epochs": EPOCHS[model][size]}
    run = record, remembered(fine_tuned), own, "learning_rate"
    return tuned(*run, LEARNING_RATES[model], SEEDS)


def fine_tuned(
    model, initialisation, strategy, train_size, seed, precision, max_length, **options
) -> dict:
    """Fine-tune all of a model, with a prompt and its MLM head or with a new head."""
    train = strategies.subset(train_size, seed)
    prompt = prompt_classifier.PROMPT if strategy == "prompt" else ""
    data = prompt_classifier.add_prompt(train) if prompt else train
    tokenizer = AutoTokenizer.from_pretrained(encoders.locate(model))
    adaptation = {k: options.pop(k) for k in [*options] if k.startswith("adaptation")}
    classifier = build(model, initialisation, strategy, seed, tokenizer, **adaptation)
    options |= {"max_length": max_length, "bf16": precision == "bfloat16"}
    options |= {"seed": seed, "train": data}
    work = partial(fine_tuning.classifier, classifier, tokenizer, **options)
    _, seconds = timed(work)

    def predict(texts):
        texts = [prompt + text for text in texts]
        return encoders.logits(classifier, tokenizer, texts, max_length)

    return answers(predict, train, seconds)


def build(model, initialisation, strategy, seed, tokenizer, **adaptation):
    """Return a classifier with the weights of a model or, from scratch, random ones.

    Domain-adaptive pre-training brings no pooler, so that one is random, too.
    """
    torch.manual_seed(seed)
    kind = BertForSequenceClassification
    if strategy == "prompt":
        kind = prompt_classifier.PromptClassifier
    place, weights = encoders.locate(model), None
    config = AutoConfig.from_pretrained(place, hidden_dropout_prob=0.1)
    if initialisation == ADAPTED:
        weights = {f"bert.{k}": v for k, v in adapted_weights(**adaptation).items()}
        place = None
    classifier = kind.from_pretrained(
        place, config=config, state_dict=weights, dtype=torch.float32
    )
    if initialisation == SCRATCH:
        classifier = kind(classifier.config)
    return classifier.prepare(tokenizer) if strategy == "prompt" else classifier


def probed(model, initialisation, strategy, train_size, seed, C, **adaptation) -> dict:
    """A logistic regression on frozen mean vectors."""
    train = strategies.subset(train_size, seed)
    encoder, tokenizer = encoders.load_text(model)
    if adaptation:
        encoder.load_state_dict(adapted_weights(**adaptation), strict=False)
    embed = partial(encoders.embed_texts, encoder, tokenizer)
    head = LogisticRegression(C=C, max_iter=2000)
    head.fit(embed(train["text"]), train["label"][:])
    return answers(lambda texts: head.predict_proba(embed(texts)), train)


@remembered
def adapted_weights(
    adaptation_learning_rate,
    adaptation_steps,
    adaptation_head_steps,
    adaptation_precision,
) -> dict:
    """Return MiniLM's weights after it went on reading: film reviews, as an MLM.

    Domain-adaptive pre-training (Gururangan et al. 2020). MiniLM's MLM head was not
    published, so a new one is trained alone first, then both together.
    """
    place = encoders.locate("minilm")
    tokenizer = AutoTokenizer.from_pretrained(place)
    torch.manual_seed(0)
    model = BertForMaskedLM.from_pretrained(
        place, dtype=torch.float32, attn_implementation="eager"
    ).train()
    sequences = packed(place)["train"]
    batches = sequences[torch.randperm(len(sequences))].split(BATCH_SIZE)
    first, last = adaptation_head_steps, adaptation_head_steps + adaptation_steps
    model.bert.requires_grad_(False)
    train = partial(_train, model, tokenizer, precision=adaptation_precision)
    train(batches[:first], HEAD_LEARNING_RATE)
    model.requires_grad_(True)
    train(batches[first:last], adaptation_learning_rate)
    return model.bert.state_dict()


def _train(model, tokenizer, batches, learning_rate: float, precision: str) -> None:
    """Train what is not frozen, a step per batch; the learning rate falls to zero."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, fused=True)
    for number, batch in enumerate(batches):
        with hardware.autocast(model, precision):
            loss = language_models.loss("mlm", model, tokenizer, batch, seed=number)
        loss.backward()
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - number / len(batches))
        optimizer.step()
        optimizer.zero_grad()


def early_pretraining(
    steps, scheduled_steps, sequence_length, mlm_probability, seed, precision
) -> dict:
    """Masked accuracy after the first steps of a recipe, on held-out reviews.

    Each recipe is evaluated on the same sequences of 32 tokens, with BERT's masks.
    """
    place = encoders.locate("course-bert")
    tokenizer = AutoTokenizer.from_pretrained(place)
    recipe = replace(
        recipes.Recipe("mlm", scheduled_steps, vocabulary="", corpus="", seed=seed),
        mlm_probability=mlm_probability,
        short_length=sequence_length,
        precision=precision,
    )
    sequences = packed(place)
    model, optimizers = recipes.initialise(recipe, tokenizer)
    for number in range(steps):
        recipes.step(recipe, model, optimizers, tokenizer, sequences["train"], number)
    evaluated = sequences["validation"].view(-1, recipes.Recipe.short_length)
    hits = language_models.masked_scores(model.eval(), tokenizer, evaluated)[1].numpy()
    ids, labels = language_models.mask(evaluated, tokenizer, language_models.MASK_SEED)
    masked = (ids[labels != -100] == tokenizer.mask_token_id).numpy()
    text = (labels != -100).nonzero()[:, 0].numpy()
    selected = metrics.clustered(hits, text)
    masked = metrics.clustered(hits[masked], text[masked])
    names = "accuracy at selected tokens", "accuracy at [MASK]"
    return {"validation": dict(zip(names, (selected, masked), strict=True))}


@cache
def packed(tokenizer: str) -> dict[str, torch.Tensor]:
    """Return the unlabelled reviews by split: int64 [sequences, 128]."""
    texts, tokenizer = corpora.unlabelled(), AutoTokenizer.from_pretrained(tokenizer)
    return {
        split: tokenizers.pack(texts[split]["text"], tokenizer, LENGTH)
        for split in ("train", "validation")
    }
