"""Model cards of the course's own checkpoints, written from what was measured."""

import json
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import pandas as pd

from helpers import paths, plots
from helpers.metrics import Score

KINDS = {"mlm": "BERT", "clm": "GPT-2"}
TASKS = {
    "mlm": "predict\nmasked tokens, at first in short sequences; the held-out ones are "
    "whole, 15 % masked",
    "clm": "predict\nthe next token",
}
NO_SETTING = {"objective", "vocabulary", "corpus", "steps", "tokens"}
REVIEWS = "IMDB reviews without their labels (Maas et al. 2011, training half)"
CARD = """---
license: apache-2.0
language: en
---
# A small {kind}, pre-trained from random weights

Made by `python -m helpers pretrain {recipe[objective]}`, a command of the course
*Pre-trained Models, Measured*. It started from random weights and learned to {task}.

**Data.** {source}: {documents[train]:,} documents,
{tokens[train]:,} tokens, read {epochs:.1f} times. Left out were duplicates, flawed
texts, and every document that shares 13 words in a row with a text that is tested on.
Another {documents[validation]:,} documents served to watch the training, and
{documents[test]:,} to test, once, at the end.

**Recipe.** {recipe[steps]:,} steps of {recipe[tokens]:,} tokens in sequences of
{context}; Muon for the layers' matrices (Jordan et al. 2024), AdamW for the rest; a
warm-up, then a linear decay to zero; no weight decay of vectors; no dropout.
{settings}.
{cores} cores, {hours:.1f} hours, {date}; torch {versions[torch]}, transformers
{versions[transformers]}.

**Held-out figures** (95 % intervals over documents or sequences; n predicted tokens)

| figure | value | interval | n |
|---|---|---|---|
{rows}

![Loss in nats, from {first:.1f} to {last:.2f}, held out {final:.2f}](curve.png)

**Limits.** It has {parameters:.1f} million parameters and {vocabulary:,} tokens, and
reads at most {context} of them. It knows nothing but the texts it read, states no
facts, and is no basis for any decision about people. Weights are stored in half
precision; load them with `dtype=torch.float32`.

**Biases.** The model repeats the tastes of those who wrote its texts, and their insults
and stereotypes about women, nations and groups. Names of real people appear in what it
writes; nothing it says about them is information.
"""


def write_card(folder: Path) -> None:
    """Write README.md and curve.png into the folder of a finished run of `pretrain`."""
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    log = pd.read_csv(folder / "log.csv")
    objective, last = results["recipe"]["objective"], log.iloc[-1]
    settings = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in results["recipe"].items()
        if name not in NO_SETTING
        and (objective == "mlm" or not name.startswith(("mlm_", "short_")))
    ]
    rows = []
    for name, entry in results["held_out"].items():
        value, low, high, n = Score.of(entry)
        row = name.replace("_", " "), f"{value:.4g}", f"{low:.4g} to {high:.4g}"
        rows.append(f"| {' | '.join(row)} | {n:,} |")
    text = CARD.format(
        **results,
        kind=KINDS[objective],
        task=TASKS[objective],
        settings=fill(", ".join(settings).capitalize(), 87),
        epochs=last["tokens"] / results["tokens"]["train"],
        context=config.get("n_positions") or config["max_position_embeddings"],
        hours=last["seconds"] / 3600,
        rows="\n".join(rows),
        first=log["loss"][0],
        last=last["loss"],
        final=last["held_out_loss"],
        vocabulary=config["vocab_size"],
        parameters=(folder / "model.safetensors").stat().st_size / 2e6,
    )
    paths.write(folder / "README.md", text)
    curve(log).savefig(folder / "curve.png")


def curve(log: pd.DataFrame):
    """Return a figure of training and held-out loss over tokens read."""
    figure, ax = plt.subplots(figsize=(plots.WIDTH, 3.5))
    for column, style in (("loss", "-"), ("held_out_loss", "o-")):
        known = log.dropna(subset=column)
        ax.plot(known["tokens"] / 1e6, known[column], style)
    ax.legend(["training", "held out"])
    ax.set_xlabel("tokens read (millions)")
    ax.set_ylabel("loss (nats per predicted token)")
    plt.close(figure)
    return figure
