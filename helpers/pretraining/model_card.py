"""Model cards of the course's own checkpoints, written from what was measured."""

import csv
import json
from pathlib import Path

import matplotlib.pyplot as plt

from helpers import paths, plots
from helpers.metrics import Score

TITLES = {
    "mlm": "A small BERT, pre-trained from random weights",
    "clm": "A small GPT-2, pre-trained from random weights",
}
TASKS = {
    "mlm": "predict masked tokens\n"
    "({mlm_probability:.0%} are selected, 15 % when evaluated; of these 80 % become "
    "`[MASK]`, 10 % a random\ntoken, 10 % stay), at first, for {short_fraction:.0%} of "
    "the steps, in sequences of {short_length}",
    "clm": "predict the next token",
}
CURVES = {
    "mlm": " The held-out loss is that of whole sequences with 15 % of the\n"
    "tokens masked: it is high while training reads short sequences, and below the\n"
    "training loss later.",
    "clm": "",
}
MEANING = {
    "perplexity": "perplexity of the next token",
    "trigram_perplexity": "the same, interpolated trigram (Jelinek and Mercer 1980)",
    "unigram_perplexity": "the same, unigram frequencies",
    "masked_accuracy": "accuracy on masked tokens",
    "unigram_accuracy": "the same, always predicting the most frequent token",
    "masked_perplexity": "perplexity of the masked tokens",
}
REVIEWS = "IMDB reviews without their labels (Maas et al. 2011, training half)"
CARD = """---
license: apache-2.0
language: en
---
# {title}

Made by `python -m helpers pretrain {objective}`, a command of the course *Pre-trained
Models, Measured*. It started from random weights and learned to {task}.

**Data.** {source}: {documents[train]:,} documents, {tokens[train]:,} tokens, read
{epochs:.1f} times. Left out were duplicates, flawed texts, and every document that
shares 13 words in a row with a text that is tested on. Another
{documents[validation]:,} documents served to watch the training, and
{documents[test]:,} to test, once, at the end.

**Recipe.** Seed {recipe[seed]}; {recipe[steps]:,} steps of {recipe[tokens]:,} tokens in
sequences of {context}; Muon for the matrices of the layers (Jordan et al. 2024), AdamW
for the rest; learning rate {recipe[learning_rate]:g} after a warm-up over
{recipe[warmup_fraction]:.0%} of the steps, then a linear decay to zero; AdamW's betas
{recipe[betas][0]:g} and {recipe[betas][1]:g}; weight decay {recipe[weight_decay]:g},
not on vectors; gradients clipped at {recipe[max_grad_norm]:g}; no dropout;
{recipe[precision]} matrix products, float32 weights.
{cores} cores, {hours:.1f} hours, torch {versions[torch]}, transformers
{versions[transformers]}, {date}.

**Held-out figures** (95 % intervals over documents or sequences; n tokens)

| figure | value | interval | n |
|---|---|---|---|
{rows}

**Curve.** Every point stands in `log.csv`.{about_curve}

![Loss in nats, from {first:.1f} to {last:.2f}, held out {final:.2f}](curve.png)

**Limits.** It has {parameters:.1f} million parameters and a vocabulary of
{vocabulary:,} tokens, and reads at most {context} of them. It knows nothing but the
texts it read, states no facts, and is no basis for any decision about people. Weights
are stored in half precision; load them with `dtype=torch.float32`.
{biases}"""
BIASES = """
**Biases.** The reviews were written by users of one web site, and the makers of the
data set kept only very favourable and very unfavourable ones. The model repeats the
writers' tastes, insults and stereotypes about women, nations and groups. Names of real
people appear in what it writes; nothing it says about them is information.
"""


def write_card(folder: Path) -> None:
    """Write README.md and curve.png into the folder of a finished run of `pretrain`."""
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    with (folder / "log.csv").open(encoding="utf-8", newline="") as file:
        log = [
            {k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)
        ]
    recipe, figures = results["recipe"], results["held_out"]
    objective = recipe["objective"]
    rows = (
        f"| {MEANING[name]} | {s.value:.4g} | {s.low:.4g} to {s.high:.4g} | {s.n:,} |"
        for name, s in ((name, Score.of(entry)) for name, entry in figures.items())
    )
    last = log[-1]
    text = CARD.format(
        **results,
        biases=BIASES if results["source"] == REVIEWS else "",
        title=TITLES[objective],
        objective=objective,
        task=TASKS[objective].format(**recipe),
        about_curve=CURVES[objective],
        epochs=last["tokens"] / results["tokens"]["train"],
        context=config.get("n_positions") or config["max_position_embeddings"],
        hours=last["seconds"] / 3600,
        rows="\n".join(rows),
        first=log[0]["loss"],
        last=last["loss"],
        final=last["held_out_loss"],
        millions=last["tokens"] / 1e6,
        parameters=(folder / "model.safetensors").stat().st_size / 2e6,
        vocabulary=config["vocab_size"],
    )
    paths.write(folder / "README.md", text)
    curve(log).savefig(folder / "curve.png")


def curve(log: list[dict]):
    """Return a figure of training and held-out loss over tokens read.

    `log` holds the rows of log.csv as numbers; `held_out_loss` may be absent.
    """
    figure, ax = plt.subplots(figsize=(plots.WIDTH, 3.5))
    ax.plot(
        [r["tokens"] / 1e6 for r in log], [r["loss"] for r in log], label="training"
    )
    tested = [r for r in log if "held_out_loss" in r]
    x = [r["tokens"] / 1e6 for r in tested]
    ax.plot(x, [r["held_out_loss"] for r in tested], "o-", label="held out")
    ax.set_xlabel("tokens read (millions)")
    ax.set_ylabel("loss (nats per predicted token)")
    ax.legend()
    plt.close(figure)
    return figure
