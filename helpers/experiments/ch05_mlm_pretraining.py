"""Experiments of chapter 5: what pre-training on unlabelled film reviews is worth."""

from functools import cache, partial
from itertools import product

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
from helpers.experiments.runner import answers, remembered, timed
from helpers.experiments.tuning import tuned
from helpers.models import encoders, language_models, tokenizers
from helpers.models.prompt_classifier import PROMPT, PromptClassifier, add_prompt
from helpers.pretraining import recipes
from helpers.training import fine_tuning, strategies

SEEDS = range(3)
FROZEN_SEEDS = range(10)  # only a linear classifier is trained, so more cost little
# model -> epochs by number of labels: fewer labels are read more often
EPOCHS = {"course-bert": {100: 12, 300: 8, 1000: 5}, "minilm": {100: 8, 1000: 3}}
LEARNING_RATES = {"course-bert": (1e-4, 2e-4, 4e-4), "minilm": (5e-5, 2e-4)}
PRE_TRAINED, SCRATCH, ADAPTED = "pre-trained", "from scratch", "domain-adapted"
AS_IT_IS = {"initialisation": PRE_TRAINED}
TRAINING = {"batch_size": 16, "max_length": 64, "precision": "float32"}
ADAPTATION = {"adaptation_head_steps": 100, "adaptation_steps": 400}
ACCURACIES = ("accuracy at selected tokens", "accuracy at [MASK]")
EARLY = {"steps": 700, "scheduled_steps": 7000}  # taken, and planned
ADAPTING_LABELS = 1000  # on which the learning rate of the adaptation is chosen
HEAD_LEARNING_RATE, BATCH_SIZE, LENGTH = 1e-3, 16, 128  # of the adaptation


def experiments(record):
    """Yield the experiments in order; those on test sentences use what was chosen."""
    own = {"experiment": "few labels", "model": "course-bert"}
    for size in EPOCHS["course-bert"]:
        for name, strategy in product((PRE_TRAINED, SCRATCH), ("prompt", "new head")):
            one = {"initialisation": name, "strategy": strategy}
            yield from _fine_tuned(record, own | one, size)
        one = {"experiment": "few labels", "strategy": TFIDF, "train_size": size}
        for seed in SEEDS:
            yield remembered(tfidf), TEST | one | {"C": 10, "seed": seed}
    yield from _adaptation(record)
    own = {"experiment": "early pre-training", "seed": 0, "precision": record.precision}
    own |= EARLY | {"split": "validation"}
    for length, probability, metric in product((128, 32), (0.15, 0.3), ACCURACIES):
        one = {"sequence_length": length, "mlm_probability": probability}
        yield remembered(early_pretraining), own | one | {"metric": metric}


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
    for size, start in product(EPOCHS["minilm"], (AS_IT_IS, adapted)):
        for seed in FROZEN_SEEDS:
            one = own | start | frozen | {"train_size": size, "seed": seed}
            yield remembered(probed), one
        yield from _fine_tuned(record, own | start | {"strategy": "new head"}, size)


def _fine_tuned(record, own, size):
    """Choose a learning rate on validation sentences, and use it."""
    model = own["model"]
    own = own | TEST | TRAINING | {"train_size": size, "epochs": EPOCHS[model][size]}
    run = record, remembered(fine_tuned), own, "learning_rate"
    return tuned(*run, LEARNING_RATES[model], SEEDS)


def fine_tuned(model, initialisation, strategy, train_size, seed, precision, **options):
    """Fine-tune all of a model, with a prompt and its MLM head or with a new head."""
    train = strategies.subset(train_size, seed)
    prompt = PROMPT if strategy == "prompt" else ""
    data = add_prompt(train) if prompt else train
    tokenizer = AutoTokenizer.from_pretrained(encoders.locate(model))
    adaptation = {k: options.pop(k) for k in [*options] if k.startswith("adaptation")}
    classifier = build(model, initialisation, strategy, seed, tokenizer, **adaptation)
    options |= {"seed": seed, "train": data, "bf16": precision == "bfloat16"}
    run = partial(fine_tuning.classifier, classifier, tokenizer, **options)
    logits = partial(encoders.logits, classifier, tokenizer)
    logits = partial(logits, max_length=options["max_length"])
    seconds = timed(run)[1]
    splits = strategies.sentences() | {"train": train}
    return answers(lambda texts: logits([prompt + t for t in texts]), splits, seconds)


def build(model, initialisation, strategy, seed, tokenizer, **adaptation):
    """Return a classifier with the weights of a model or, from scratch, random ones."""
    torch.manual_seed(seed)
    prompted = strategy == "prompt"
    kind = PromptClassifier if prompted else BertForSequenceClassification
    place, weights = encoders.locate(model), None
    config = AutoConfig.from_pretrained(place, hidden_dropout_prob=0.1)
    if initialisation == ADAPTED:
        # they bring no pooler, so that one is random, too
        place, adapted = None, remembered(adapted_weights)(**adaptation)
        weights = {f"bert.{name}": weight for name, weight in adapted.items()}
    classifier = kind.from_pretrained(
        place, config=config, state_dict=weights, dtype=torch.float32
    )
    if initialisation == SCRATCH:
        classifier = kind(classifier.config)
    return classifier.prepare(tokenizer) if prompted else classifier


def probed(model, initialisation, strategy, train_size, seed, C, **adaptation) -> dict:
    """A logistic regression on frozen mean vectors."""
    train = strategies.subset(train_size, seed)
    encoder, tokenizer = encoders.load_text(model)
    if adaptation:
        weights = remembered(adapted_weights)(**adaptation)
        encoder.load_state_dict(weights, strict=False)
    embed = partial(encoders.embed_texts, encoder, tokenizer)
    head = LogisticRegression(C=C, max_iter=2000)
    head.fit(embed(train["text"]), train["label"][:])
    splits = strategies.sentences() | {"train": train}
    return answers(lambda texts: head.predict_proba(embed(texts)), splits)


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
    options = {"dtype": torch.float32, "attn_implementation": "eager"}
    model = BertForMaskedLM.from_pretrained(place, **options).train()
    sequences = packed(place, "train")
    batches = sequences[torch.randperm(len(sequences))].split(BATCH_SIZE)
    head, rest = batches[:adaptation_head_steps], batches[adaptation_head_steps:]
    both = rest[:adaptation_steps], adaptation_learning_rate
    for some, learning_rate in ((head, HEAD_LEARNING_RATE), both):
        model.bert.requires_grad_(some is not head)
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=learning_rate, fused=True)
        for number, batch in enumerate(some):
            with hardware.autocast(model, adaptation_precision):
                loss = language_models.loss("mlm", model, tokenizer, batch, seed=number)
            loss.backward()
            optimizer.param_groups[0]["lr"] = learning_rate * (1 - number / len(some))
            optimizer.step()
            optimizer.zero_grad()
    return model.bert.state_dict()


def early_pretraining(
    steps, scheduled_steps, sequence_length, mlm_probability, seed, precision
) -> dict:
    """Masked accuracy after the first steps of a recipe, on sequences of 32 tokens."""
    place = encoders.locate("course-bert")
    tokenizer = AutoTokenizer.from_pretrained(place)
    settings = {"seed": seed, "precision": precision, "vocabulary": "", "corpus": ""}
    settings |= {"mlm_probability": mlm_probability, "short_length": sequence_length}
    recipe = recipes.Recipe("mlm", scheduled_steps, **settings)
    train, evaluated = packed(place, "train"), packed(place, "validation")
    evaluated = evaluated.view(-1, recipes.Recipe.short_length)
    model, optimizers = recipes.initialise(recipe, tokenizer)
    for number in range(steps):
        recipes.step(recipe, model, optimizers, tokenizer, train, number)
    hits = language_models.masked_scores(model.eval(), tokenizer, evaluated)[1].numpy()
    ids, labels = language_models.mask(evaluated, tokenizer, language_models.MASK_SEED)
    masked = (ids[labels != -100] == tokenizer.mask_token_id).numpy()
    text = (labels != -100).nonzero()[:, 0].numpy()
    selected = metrics.clustered(hits, text)
    masked = metrics.clustered(hits[masked], text[masked])
    return {"validation": dict(zip(ACCURACIES, (selected, masked), strict=True))}


@cache
def packed(tokenizer: str, split: str) -> torch.Tensor:
    """Return the unlabelled reviews of a split: int64 [sequences, 128]."""
    texts = corpora.unlabelled()[split]["text"]
    return tokenizers.pack(texts, AutoTokenizer.from_pretrained(tokenizer), LENGTH)
