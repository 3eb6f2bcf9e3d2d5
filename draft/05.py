# %% [markdown]
# # What can a model learn from text with holes in it?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/pretrained-models-measured/course/blob/main/notebooks/05_mlm_pretraining.ipynb)
#
# **You will be able to** turn raw text into a corpus, a vocabulary and rows, write BERT's masking rule and its masked-language-model head by hand and check both against
# the library, pre-train a small BERT from random weights, measure what it knows before, during and after, and say how many labels pre-training saves you.
#
# **You need** chapter 1 (attention, tokens). No GPU, no account, no model hub.
#
# **What it costs** is printed by the set-up below, from the last time the whole course was measured.

# %% [markdown]
# ## Set-up
#
# The first cell does nothing on your own machine. On Colab it fetches the course, because Colab opens this file alone.

# %%
import os

if "COLAB_RELEASE_TAG" in os.environ:
    REPOSITORY = "https://github.com/pretrained-models-measured/course"
    !test -d /content/course || git clone -q --depth 1 {REPOSITORY} /content/course
    %pip install -q -r /content/course/requirements.txt
    %cd -q /content/course

# %% [markdown]
# Now the imports. `pieces` trains tokenizers and packs rows, `language` holds models and losses, `pretrain` is the long job of which this chapter re-lives the beginning.
# All three are short; open them with `??` once you have seen here what they do.

# %%
import json
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch.nn import functional
from transformers import DataCollatorForLanguageModeling

from helpers import assets, bench, corpora, course, language, metrics, pieces, plots
from helpers import checks_language as checks
from helpers import recipes, training

chapter = course.start("05", assets=("course-bert", "movie-reviews"))

# %% [markdown]
# ## Where this chapter ends
#
# A sentence with a hole in it, and a model that fills the hole. This one was born with random numbers, and has seen nothing but film reviews, on two processor cores, for less than an hour
# (`python -m helpers pretrain mlm`).

# %%
MODEL = chapter.pick(laptop="course-bert", full="bert-base-uncased")
bert, tokenizer = language.load("mlm", MODEL)


@torch.inference_mode()
def fill(model, text, n=5):
    """The n most probable pieces for the first hole of a text."""
    ids = tokenizer(text, return_tensors="pt")
    hole = (ids["input_ids"][0] == tokenizer.mask_token_id).nonzero()[0]
    best = model(**ids).logits[0, hole].topk(n).indices[0]
    return tokenizer.convert_ids_to_tokens(best)


HOLES = [
    "this is one of the [MASK] films i have ever seen.",
    "the acting was [MASK] and the plot made no sense.",
    "she is a great [MASK] and plays the mother very well.",
]
for text in HOLES:
    print(text, "->", fill(bert, text))

# %% [markdown]
# Nobody gave it a dictionary or a grammar. The game alone, filling holes, made it learn which words fit where. Why should you care? Because the same numbers then need fewer *labels* for a task of yours: that is the last
# section, and the reason for all the others.
#
# ## What goes in? A corpus, and its dirt
#
# "We trained on IMDB" hides a dozen decisions. Raw text contains duplicates, fragments, tables of symbols, and, worst of all, the texts you will later *test* on. A model that has read
# the test set makes every figure after it worthless, and nothing in the training run will tell you.
#
# So look before you train. The course's corpus starts from the IMDB reviews whose duplicates are gone (chapter 2), split **by document**: if you cut first and split later, two halves of one review land on both sides. Then it asks of each text whether it
# is fit at all. The rules are coarse ones, in the manner of Rae et al. 2021: at least 20 words, mostly letters, not the same few words over and over. Predict: how many of nearly 19 000 reviews will fail?

# %%
reviews = corpora.imdb()
flaws = pd.Series([corpora.flaw(text) for text in reviews["train"]["text"]])
print(flaws.value_counts().to_dict(), "of", len(flaws))
for flaw in flaws.dropna().unique():
    worst = reviews["train"][int(flaws.eq(flaw).idxmax())]["text"]
    print(f"{flaw}: {worst[:70]}…")

# %% [markdown]
# Few; these reviews had been curated by those who made the set. (On the open web, such rules remove the larger part.) The other check is about leaks. A review that shares **13 words in a row** with any text we test on is a
# copy or a quotation, and leaves the training split (the length is that of Brown et al. 2020). We look at a slice:

# %%
tested = reviews["test"]["text"][:] + corpora.rotten_tomatoes()["test"]["text"][:]
slice_ = reviews["train"]["text"][:3000]
copied = [t for t, is_copy in zip(slice_, corpora.copies(slice_, tested)) if is_copy]
print(len(copied), "of", len(slice_), "share a run of words with a test text")
print(copied[0][:200] if copied else "")

# %% [markdown]
# > **Ask yourself.** All of this removes well under one per cent of the texts. Was it worth the trouble?
# > <details><summary>One good answer</summary>For the training itself, hardly: so few texts change nothing. For the *claims* you make afterwards, yes: you can now say that no test text was read, and somebody who
# > doubts it can check. The price was some seconds.</details>
#
# ## What are the pieces?
#
# A model does not see letters or words but entries of a vocabulary. Whole words would leave millions of rare ones unknown; letters would make texts long. **WordPiece** (Wu et al. 2016) begins with letters and joins, again and
# again, the pair of neighbouring pieces that occur together most tellingly, until the vocabulary is full. Frequent words become one piece, rare ones several, nothing is unknown.
#
# Train three vocabularies on the same reviews, live. Predict how many pieces the word "unforgettable" takes in each.

# %%
some = reviews["train"]["text"][:2000]
for size in (300, 2000, 8192):
    trained = pieces.wordpiece(some, size)
    count = sum(len(ids) for ids in trained(some[:200])["input_ids"])
    words = sum(len(text.split()) for text in some[:200])
    print(f"{size:>5}: {count / words:.2f} pieces per word,", trained.tokenize("unforgettable"))

# %% [markdown]
# There is a trade: a larger vocabulary makes shorter rows, so each step sees more text, but every piece needs a vector of its own, and a piece that is seen ten times learns little. With six million pieces of text we took 8 192; BERT had
# three billion words and took 30 522.
#
# Pieces are then **packed**: reviews are joined, with `[SEP]` between them, and cut into rows of 128 with `[CLS]` and `[SEP]` around. What would it cost to give each review rows of its own, filled up with padding?

# %%
sample = reviews["train"]["text"][2000:2500]
packed = pieces.pack(sample, tokenizer, 128)
alone = [math.ceil((len(ids) - 2) / 126) for ids in tokenizer(sample)["input_ids"]]
print(f"packed: {len(packed)} rows; one review at a time: {sum(alone)} rows")
print(tokenizer.decode(packed[0][:40]))

# %% [markdown]
# The difference is pure padding: computed, paid for, and learned nothing from.
#
# ## The rule of the holes
#
# BERT's rule (Devlin et al. 2019) has two steps. **Choose** 15 % of the positions at random, never special tokens, never padding: only these are asked for. Then **change** the chosen ones: 80 % become `[MASK]`, 10 % become a random
# piece, 10 % stay as they are. Labels at all other positions are -100, which the loss skips.
#
# Why not simply mask all of them? Because `[MASK]` never occurs in real text. A model that only ever answers at `[MASK]` could leave every other vector empty, and it is those vectors that you will use. Since any piece may have been
# swapped, or may be asked for although it looks untouched, the model has to keep a good idea of every position. Here is the rule, by hand:

# %%
def mask_by_hand(rows, generator):
    """rows [rows, tokens] -> (input, labels), both [rows, tokens]."""
    special = torch.isin(rows, torch.tensor(tokenizer.all_special_ids))
    chosen = (torch.rand(rows.shape, generator=generator) < 0.15) & ~special
    labels = rows.masked_fill(~chosen, -100)

    dice = torch.rand(rows.shape, generator=generator)  # one throw decides all three
    other = torch.randint(len(tokenizer), rows.shape, generator=generator)
    ids = rows.masked_fill(chosen & (dice < 0.8), tokenizer.mask_token_id)
    ids = torch.where(chosen & (dice >= 0.8) & (dice < 0.9), other, ids)
    return ids, labels


generator = torch.Generator().manual_seed(chapter.seed)
ids, labels = mask_by_hand(packed, generator)
print(tokenizer.decode(ids[0][:40]))

# %% [markdown]
# The library has the same rule in `DataCollatorForLanguageModeling`. Two random procedures cannot be compared number by number; they are equal when their *distributions* are. So we count, for each, what became of all the tokens that may be chosen, and let a
# chi-square test ask whether the two rows of counts could come from the same dice.

# %%
def fates(ids, labels, rows):
    """Counts of: not chosen, became [MASK], became another piece, stayed."""
    chosen, masked = labels != -100, ids == tokenizer.mask_token_id
    stayed, plain = ids == rows, ~torch.isin(rows, torch.tensor(tokenizer.all_special_ids))
    return [
        int(x.sum())
        for x in (plain & ~chosen, chosen & masked, chosen & ~masked & ~stayed, chosen & stayed)
    ]


collator = DataCollatorForLanguageModeling(tokenizer, seed=chapter.seed)
theirs = collator([{"input_ids": row} for row in packed])
table = pd.DataFrame(
    [fates(ids, labels, packed), fates(theirs["input_ids"], theirs["labels"], packed)],
    index=["by hand", "library"],
    columns=["not chosen", "[MASK]", "other piece", "unchanged"],
)
p_value = stats.chi2_contingency(table).pvalue
chapter.record("masking_p_value", p_value)
print(f"p = {p_value:.2f}")
table

# %% [markdown]
# A small p would mean that the dice differ. Ours does not prove that they are equal (no test can), but with some hundred thousand tokens it would have noticed a rule that is off by a per cent.
#
# ## Find three bugs
#
# A widely copied version of this rule, rewritten here with its ideas kept, runs without an error, and a model trained with it learns nothing at all. It has three bugs. Read it before you go on.

# %%
def broken_masker(rows, generator):
    """rows [rows, tokens] -> (input, labels); it runs, and it is wrong."""
    special = torch.isin(rows, torch.tensor(tokenizer.all_special_ids))
    chosen = (torch.rand(rows.shape, generator=generator) < 0.15) & ~special
    labels = rows.clone()
    labels[chosen] = -100
    masked = chosen & (torch.rand(rows.shape, generator=generator) < 0.8)
    rows.clone()[masked] = tokenizer.mask_token_id
    swapped = chosen & ~masked & (torch.rand(rows.shape, generator=generator) < 0.1)
    rows[swapped] = torch.randint(len(tokenizer), rows.shape, generator=generator)[swapped]
    return rows, labels


# %% [markdown]
# A test finds them faster than eyes do. It needs no model, only the four counts above: what share is chosen, and what became of the chosen?

# %%
def examine(masker):
    """Measure a masker against the rule."""
    ids, labels = masker(packed.clone(), torch.Generator().manual_seed(1))
    kept, masked, other, stayed = fates(ids, labels, packed)
    chosen = masked + other + stayed
    print(f"chosen {chosen / (chosen + kept):.3f} of the tokens (should be 0.15);")
    print(f"of these {masked / chosen:.3f} [MASK], {other / chosen:.3f} other, {stayed / chosen:.3f} same")


for masker in (mask_by_hand, broken_masker):
    print(masker.__name__)
    examine(masker)

# %% [markdown]
# The labels are the wrong way round: everything is asked for *except* what was chosen, and since most of what is asked for stands in plain sight, the loss falls beautifully. `[MASK]` never appears, because it was written into a copy that is thrown away. And
# 10 % is taken of the 20 % that are left, which makes 2 %: the second throw has to be 50 % of the rest, or one throw has to decide all three. Exercise 1 asks you to repair it.
#
# ## What is inside?
#
# An encoder with a head. You know attention from chapter 1; a **layer** adds to it a small network for each position, and after both a *residual* sum and a normalisation. The **head** turns each vector into a score for every piece of the
# vocabulary, by comparing it with the very vectors that came in: input table and output matrix are *tied*. It is all here:

# %%
@torch.inference_mode()
def forward_by_hand(model, ids):
    """ids [rows, tokens] -> scores [rows, tokens, pieces], in eval mode."""
    body, head = model.bert, model.cls.predictions
    table, heads = body.embeddings, model.config.num_attention_heads
    x = table.word_embeddings(ids) + table.position_embeddings.weight[: ids.shape[1]]
    x = table.LayerNorm(x + table.token_type_embeddings.weight[0])  # [rows, tokens, w]
    for layer in body.encoder.layer:
        look = layer.attention.self
        q, k, v = (
            f(x).unflatten(-1, (heads, -1)).transpose(1, 2)  # [rows, heads, tokens, w/h]
            for f in (look.query, look.key, look.value)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v)
        mixed = layer.attention.output.dense(mixed.transpose(1, 2).flatten(2))
        x = layer.attention.output.LayerNorm(x + mixed)
        thought = layer.output.dense(functional.gelu(layer.intermediate.dense(x)))
        x = layer.output.LayerNorm(x + thought)
    y = head.transform.LayerNorm(functional.gelu(head.transform.dense(x)))
    return y @ table.word_embeddings.weight.T + head.bias  # tied


# %% [markdown]
# Ours against the library's, as always:

# %%
with torch.inference_mode():
    theirs = bert(packed[:4]).logits  # [4, 128, pieces]
torch.testing.assert_close(forward_by_hand(bert, packed[:4]), theirs, atol=1e-3, rtol=1e-4)
tuple(theirs.shape)

# %% [markdown]
# The loss is cross-entropy at the chosen positions, so the scores at all *other* positions are computed for nothing: 8 192 scores each, for 85 % of the positions. The pre-training job therefore picks out the chosen vectors first and applies the head only to those
# (`language.masked_logits`), which is exact, and saves a third of the whole work.
#
# ## The first minute of a life
#
# Now train. You re-live the first 300 steps of the long run: same seed, same rows in the same order, same holes, same rate. So your losses must lie on its recorded curve, up to rounding. Predict two things: where does the curve begin, and what is the
# first thing that the model learns?

# %%
folder = assets.fetch("course-bert")
recorded = json.loads((folder / "results.json").read_text(encoding="utf-8"))
recipe = recipes.Recipe(**recorded["recipe"] | {"precision": "float32"})
films = corpora.unlabelled()
rows = {name: pieces.pack(films[name]["text"], tokenizer, 128) for name in ("train", "test")}
STEPS = 300
newborn, optimizers = recipes.newborn(recipe, tokenizer)
before = recipes.newborn(recipe, tokenizer)[0].eval()
with chapter.timer("live run"):
    losses = [
        recipes.step(recipe, newborn, optimizers, tokenizer, rows["train"], number)
        for number in range(STEPS)
    ]
during = newborn.eval()
print(f"{STEPS * recipe.tokens / chapter.seconds['live run']:.0f} pieces per second")

# %%
log = pd.read_csv(folder / "log.csv")
figure, ax = plt.subplots(figsize=(plots.WIDTH, 3.6))
ax.plot(log["tokens"] / 1e6, log["loss"], label="recorded, long run")
mine = pd.Series(losses).rolling(20, min_periods=1).mean()
ax.plot((np.arange(STEPS) + 1) * recipe.tokens / 1e6, mine, lw=3, label="yours, live")
held = log.dropna(subset="held_out_loss")
ax.plot(held["tokens"] / 1e6, held["held_out_loss"], "o", label="recorded, held out")
ax.axhline(math.log(len(tokenizer)), color="black", ls=":", label="knows nothing")
ax.set(xlabel="pieces read (millions)", ylabel="loss (nats per hole)", xscale="log")
ax.legend()
plots.show(figure, "The live losses lie on the beginning of the recorded curve.")

# %% [markdown]
# The curve begins at $\log V$, complete ignorance (chapter 1). It drops within seconds to a plateau: that is the *frequency* of pieces, which the bias of the last layer can learn alone, without looking at the text. Then it stays there for a while,
# and people who stop at ten steps, or at three hundred, conclude that nothing more is coming. On the recorded curve you see what was going on: attention was being learned, and once it works, the loss falls again.

# %%
first = log[log["step"] <= STEPS].iloc[-1]
window = losses[: int(first["step"])][-int(log["step"][0]) :]
print(f"step {first['step']:.0f}: yours {np.mean(window):.3f}, recorded {first['loss']:.3f}")
assert abs(losses[0] - math.log(len(tokenizer))) < 0.5
assert abs(np.mean(window) - first["loss"]) < 0.15, "this should be the same run"

# %% [markdown]
# ## What does it know, before, during and after?
#
# A loss says little; the share of holes that are filled *exactly* right says more. For the comparison to be fair, the holes must be the same for every model: masks drawn anew each time would add noise, so the
# evaluation masks are frozen once by a seed (`language.masked_scores`). The floor is the **unigram guess**: always answer with the most frequent piece. The rows are of reviews that no model has read.

# %%
exam = rows["test"][:200]  # [200, 128]
_, asked = language.mask(exam, tokenizer, language.FROZEN)
row = (asked != -100).nonzero()[:, 0].numpy()
counts = rows["train"].flatten().bincount(minlength=len(tokenizer))
counts[tokenizer.all_special_ids] = 0
guess = (asked[asked != -100] == counts.argmax()).numpy()
stages = {"before": before, "during": during, "after": bert}
report = {"unigram guess": {"right": metrics.clustered(guess, row)}}
for name, model in stages.items():
    nats, hits = language.masked_scores(model, tokenizer, exam)
    right = metrics.clustered(hits.numpy(), row)
    perplexity = metrics.perplexity(nats.numpy(), row)
    report[name] = {"right": right, "perplexity": perplexity}
    chapter.record(f"masked_accuracy_{name}", right.value, key=True, **right.about)
pd.DataFrame(report).T

# %% [markdown]
# "Right" is a hard standard: where a reviewer wrote *movie* and the model says *film*, it is wrong. So look at the holes themselves, at each stage of its life.

# %%
pd.DataFrame({name: [" ".join(fill(m, t, 4)) for t in HOLES] for name, m in stages.items()}, index=HOLES)

# %%
known = recorded["held_out"]
for name in ("masked_accuracy", "unigram_accuracy"):
    score = metrics.Score.of(known[name])
    chapter.record(f"recorded_{name}", score.value, **score.about)
    print(f"{name}: {score} (n = {score.n})")
assert report["after"]["right"].value > 2 * report["unigram guess"]["right"].value

# %% [markdown]
# ## Was it worth it? Pre-train, fine-tune, compare
#
# Here is the complete pipeline, and the only question that counts: you have a task with few labels (is this critic's sentence favourable?). Does the pre-trained model need fewer of them than **the same architecture from scratch**? And does either
# beat counting words?
#
# Three candidates, the same sentences for each, three draws of every size. Both neural ones are fine-tuned whole by the same function with the same settings (`training.classifier`; chapter 3 opens it). The learning rate and the
# number of epochs were chosen for each on validation sentences. Nine runs of each kind are too many to wait for, so a job ran them once (`python -m helpers sweep 05`) and recorded every score; below you re-run one of them and see whether it agrees.

# %%
CURVES = {"pre-trained": "mlm_pretrained", "from scratch": "mlm_scratch", "word counts (TF-IDF)": "mlm_tfidf"}
runs = sweep.published("05")
curves = {
    label: {size: metrics.mean([runs[f"{name}_{size}_{seed}"] for seed in range(3)]) for size in (100, 300, 1000)}
    for label, name in CURVES.items()
}
figure, ax = plt.subplots(figsize=(plots.WIDTH, 3.8))
plots.learning_curves(ax, curves, "labelled sentences", "accuracy, unseen sentences")
plots.show(figure, "Accuracy over labels: pre-trained above scratch.", chapter.beside("few_labels.png"))
