# %% [markdown]
# # What can a model learn from text with holes in it?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/pretrained-models-measured/course/blob/main/notebooks/05_mlm_pretraining.ipynb)
#
# **You will be able to** turn raw text into a corpus, a vocabulary and rows, write BERT's masking rule and its masked-language-model head by hand and check both
# against the library, pre-train a small BERT from random weights, measure what it knows before, during and after, and say what pre-training is worth in labels.
#
# **You need** chapters 1 (attention, tokens) and 2 (frozen features, TF-IDF). No GPU, no account, no model hub.
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
# Now the imports. `pieces` trains tokenizers and packs rows, `language` holds models and losses, `recipes` takes the steps of the long
# training whose beginning you will re-live. All three are short; open them with `??` once you have seen here what they do.

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

from helpers import assets, bench, corpora, costs, course, language, memory, metrics
from helpers import checks_language as checks
from helpers import mlm_experiments, pieces, plots, recipes, sweep

chapter = course.start("05", assets=("course-bert", "movie-reviews"))

# %% [markdown]
# ## Where this chapter ends
#
# A sentence with a hole in it, and a model that fills the hole. This model was born with random numbers and has since seen nothing but film reviews, on an
# ordinary processor (`python -m helpers pretrain mlm`). Read the three sentences in the cell and fill their holes yourself before you run it.

# %%
bert, tokenizer = language.load("mlm", "course-bert")


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
    print(text, "->", ", ".join(fill(bert, text)))

# %% [markdown]
# Nobody gave it a dictionary or a grammar. Filling holes, and nothing else, taught it which words fit where. Why should you care? Because a model that
# knows this needs fewer *labels* when you have a task of your own. That is the section *Was it worth it?*, and the reason for all the others.
#
# ## What goes in? A corpus, and its dirt
#
# "We trained on IMDB" hides a dozen decisions. Raw text contains duplicates, fragments and tables of symbols. Worst of all, it may contain the texts you
# will later *test* on. A model that has read the test set makes every figure after it worthless, and nothing in the training run will tell you.
#
# So look before you train. The course's corpus starts from the IMDB reviews without their duplicates (chapter 2), split **by document**: if you cut
# first and split later, two halves of one review land on both sides. Then it asks of each text whether it is fit at all, by coarse rules in the manner
# of Rae et al. 2021: at least 20 words, mostly letters, not the same few words over and over. Predict: how many of nearly 19 000 reviews fail?

# %%
reviews = corpora.imdb()
flaws = pd.Series([corpora.flaw(text) for text in reviews["train"]["text"]])
print(flaws.value_counts().to_dict(), "of", len(flaws))
for flaw in flaws.dropna().unique():
    worst = reviews["train"][int(flaws.eq(flaw).idxmax())]["text"]
    print(f"{flaw}: {worst[:70]}…")

# %% [markdown]
# Few: these reviews had been curated by those who made the set.
#
# The other check is about leaks. A review that shares **13 words in a row** with any text we test on is a copy or a quotation, and leaves the training
# split (the length is that of Brown et al. 2020). Here is the check at work on a slice:

# %%
tested = reviews["test"]["text"][:] + corpora.rotten_tomatoes()["test"]["text"][:]
slice_ = reviews["train"]["text"][:3000]
leaks = corpora.copies(slice_, tested)
copied = [text for text, leaked in zip(slice_, leaks, strict=True) if leaked]
print(len(copied), "of", len(slice_), "share a run of words with a test text")
print(copied[0][:160] if copied else "")

# %% [markdown]
# > **Ask yourself.** All of this removes very few texts. Was it worth the trouble?
# > <details><summary>One good answer</summary>For the training itself, hardly: so few texts change nothing. For the <em>claims</em> you make afterwards,
# > yes: you can now say that no test text was read, and somebody who doubts it can check.</details>
#
# ## What are the pieces?
#
# A model does not see letters or words but entries of a vocabulary: *pieces*, which chapter 1 called tokens. Whole words would leave millions of rare ones unknown; letters would make texts
# long. **WordPiece** (Schuster and Nakajima 2012) begins with letters and joins, again and again, the most frequent pair of neighbouring pieces into a new one, until
# the vocabulary is full. Frequent words end up as one piece, rare ones as several, and nothing spelled in known letters stays unknown.
#
# Train three vocabularies on the same reviews, live. Predict how many pieces the word "unforgettable" takes in each.

# %%
some = reviews["train"]["text"][:2000]
for size in (300, 2000, 8192):
    trained = pieces.wordpiece(some, size)
    count = sum(len(ids) - 2 for ids in trained(some[:200])["input_ids"])
    words = sum(len(text.split()) for text in some[:200])
    cut = " ".join(trained.tokenize("unforgettable"))
    print(f"{size:>5}: {count / words:.2f} pieces per word, {cut}")

# %% [markdown]
# There is a trade. A larger vocabulary makes texts shorter, so each step sees more of them; but every piece needs a vector of its own, and a piece that
# occurs ten times in the whole corpus learns little. With some six million pieces of text we took 8 192. BERT read three billion words and took 30 522.
#
# The pieces are then **packed**: reviews are joined, with `[SEP]` between them, and cut into rows of 128 that begin with `[CLS]` and end with `[SEP]`.
# What would it cost to give each review rows of its own instead, filled up with padding?

# %%
sample = reviews["train"]["text"][2000:2500]
packed = pieces.pack(sample, tokenizer, 128)  # [rows, 128]
alone = [math.ceil((len(ids) - 2) / 126) for ids in tokenizer(sample)["input_ids"]]
print(f"packed: {len(packed)} rows; one review at a time: {sum(alone)} rows")
print(tokenizer.decode(packed[0][:40]))

# %% [markdown]
# The difference is padding: computed, paid for, and nothing learned from it.
#
# ## The rule of the holes
#
# BERT's rule (Devlin et al. 2019) has two steps. **Choose** 15 % of the positions at random, never special tokens, never padding: only these are asked
# for. Then **change** the chosen ones: 80 % become `[MASK]`, 10 % become a random piece, 10 % stay as they are. At all other positions the label is
# -100, which the loss skips.
#
# Why not turn all of them into `[MASK]`? Because `[MASK]` never occurs in the texts of your task. A model that only ever had to answer at `[MASK]` could
# leave every other vector empty, and it is those vectors that you will use. Since any piece may have been swapped, or may be asked for although it looks
# untouched, the model has to keep a good idea of every position. Here is the rule by hand. One throw of the dice decides all three fates:

# %%
def mask_by_hand(rows, tokenizer, generator):
    """rows [rows, tokens] -> (input, labels), both [rows, tokens]."""
    special = torch.isin(rows, torch.tensor(tokenizer.all_special_ids))
    chosen = (torch.rand(rows.shape, generator=generator) < 0.15) & ~special
    labels = rows.masked_fill(~chosen, -100)
    dice = torch.rand(rows.shape, generator=generator)
    other = torch.randint(len(tokenizer), rows.shape, generator=generator)
    ids = rows.masked_fill(chosen & (dice < 0.8), tokenizer.mask_token_id)
    ids = torch.where(chosen & (dice >= 0.8) & (dice < 0.9), other, ids)
    return ids, labels


generator = torch.Generator().manual_seed(chapter.seed + 1)  # not the library's dice
holed, labels = mask_by_hand(packed, tokenizer, generator)
print(tokenizer.decode(holed[0][:40]))

# %% [markdown]
# The library has the same rule in `DataCollatorForLanguageModeling`. Two random procedures cannot be compared number by number; they are equal when
# their *distributions* are. So we count what became of each token that may be chosen, once under our rule and once under the library's, and let a
# chi-square test ask whether both rows of counts could come from the same dice. Would the test notice a difference that matters? We add a third row, of a
# rule that asks for 16 %, to see.

# %%
def fates(ids, labels, rows):
    """Counts of: not chosen, became [MASK], became another piece, stayed."""
    plain = ~torch.isin(rows, torch.tensor(tokenizer.all_special_ids))
    asked, hidden = labels != -100, ids == tokenizer.mask_token_id
    same = ids == rows
    each = (plain & ~asked, asked & hidden, asked & ~hidden & ~same, asked & same)
    return [int(some.sum()) for some in each]


def library(share):
    collator = DataCollatorForLanguageModeling(
        tokenizer, mlm_probability=share, seed=chapter.seed
    )
    out = collator([{"input_ids": row} for row in packed])
    return fates(out["input_ids"], out["labels"], packed)


# %% [markdown]
# Now the three rows of counts, and what the test says about each against ours.

# %%
mine = fates(holed, labels, packed)
counts = {"by hand": mine, "library": library(0.15), "library, 16 %": library(0.16)}
p_values = {
    name: stats.chi2_contingency([mine, row]).pvalue
    for name, row in counts.items()
    if row is not mine
}
chapter.record("masking_p_value", p_values["library"], n=sum(mine))
assert p_values["library"] > 0.001 > p_values["library, 16 %"]
columns = ["not chosen", "[MASK]", "other piece", "unchanged"]
table = pd.DataFrame(counts, index=columns).T
table.assign(p=pd.Series(p_values).map("{:.2g}".format)).fillna("")

# %% [markdown]
# A small p would be evidence that the dice differ. The library's is not small, and that of the 16 % is tiny: with so many tokens the test would have noticed a
# rule that is off by a single point. (It does not *prove* equality. No test can.)
#
# ## Find three bugs
#
# Here is a masker that runs without an error. It has three bugs and a side effect. Read it before you go on, and write down which lines you doubt.

# %%
def broken_masker(rows, tokenizer, generator):
    """rows [rows, tokens] -> (input, labels); it runs, and it is wrong."""
    special = torch.isin(rows, torch.tensor(tokenizer.all_special_ids))
    chosen = (torch.rand(rows.shape, generator=generator) < 0.15) & ~special
    labels = rows.clone()
    labels[chosen] = -100
    masked = chosen & (torch.rand(rows.shape, generator=generator) < 0.8)
    rows.clone()[masked] = tokenizer.mask_token_id
    swapped = chosen & ~masked & (torch.rand(rows.shape, generator=generator) < 0.1)
    other = torch.randint(len(tokenizer), rows.shape, generator=generator)
    rows[swapped] = other[swapped]
    return rows, labels


# %% [markdown]
# Do not look at the loss to find out; look at the counts. The test needs no model: which share is asked for, and what became of it?

# %%
for masker in (mask_by_hand, broken_masker):
    generator = torch.Generator().manual_seed(2)
    kept, masked, other, stayed = fates(
        *masker(packed.clone(), tokenizer, generator), packed
    )
    asked = masked + other + stayed
    print(f"{masker.__name__}: asked for {asked / (asked + kept):.1%}, and of these")
    print(f"  {masked / asked:.1%} [MASK], {other / asked:.1%} other, ", end="")
    print(f"{stayed / asked:.1%} unchanged")

# %% [markdown]
# The rule wants 15 %, and then 80, 10 and 10. The test shows the first bug at once: the labels are the wrong way round, and everything is asked for *except* what was chosen.
# Since all of that stands in plain sight in the input, a model only has to copy. The other two bugs hide behind the first. Turn the labels round, run the test again, and it shows that `[MASK]` never appears: it
# was written into a copy that is thrown away. Repair that, and it shows 2 % of other pieces: 10 % was taken of the 20 % that were left over. Either the second throw is one half, or
# one throw decides everything. The side effect no count shows: the rows that were handed in are overwritten, so the next pass begins with spoiled text. Exercise 1 asks you to repair it all.
#
# ## What is inside?
#
# An encoder with a head. You know attention from chapter 1. A **layer** adds a small network that works on each position alone, with a bend in the middle
# (GELU, a smooth step from zero to the identity). After each of the two parts comes a *residual* sum, the input is added to the output, and a *layer normalisation*, which
# shifts and scales each vector to mean 0 and variance 1, then by learned numbers. The **head** prepares each vector with one more such part, and then scores every piece of the vocabulary by
# comparing it with the very vectors that came in: input table and output matrix are *tied*, one set of numbers with two uses. First one layer:

# %%
def layer_by_hand(layer, x, heads):
    """x [rows, tokens, width] -> the same shape; no dropout."""
    look = layer.attention.self
    q, k, v = (
        part(x).unflatten(-1, (heads, -1)).transpose(1, 2)  # [rows, heads, tokens, w/h]
        for part in (look.query, look.key, look.value)
    )
    mixed = functional.scaled_dot_product_attention(q, k, v)
    mixed = layer.attention.output.dense(mixed.transpose(1, 2).flatten(2))
    x = layer.attention.output.LayerNorm(x + mixed)
    thought = layer.output.dense(functional.gelu(layer.intermediate.dense(x)))
    return layer.output.LayerNorm(x + thought)


# %% [markdown]
# Then the whole. Its beginning adds three vectors for each position: which piece, where, and in which of two segments (always the first, here).

# %%
@torch.inference_mode()
def forward_by_hand(model, ids):
    """ids [rows, tokens] -> scores [rows, tokens, pieces]."""
    table, head = model.bert.embeddings, model.cls.predictions
    x = table.word_embeddings(ids) + table.position_embeddings.weight[: ids.shape[1]]
    x = table.LayerNorm(x + table.token_type_embeddings.weight[0])
    for layer in model.bert.encoder.layer:
        x = layer_by_hand(layer, x, model.config.num_attention_heads)
    y = head.transform.LayerNorm(functional.gelu(head.transform.dense(x)))
    return y @ table.word_embeddings.weight.T + head.bias  # tied


with torch.inference_mode():
    theirs = bert(packed[:4]).logits  # [4, 128, pieces]
ours = forward_by_hand(bert, packed[:4])
torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-4)
tuple(theirs.shape)

# %% [markdown]
# Ours and the library's agree. The loss is the cross-entropy at the positions that are asked for; scores anywhere else are computed for nothing, and the
# output layer is the widest matrix of all. So the long training picks out the chosen vectors first, and applies the head only to those
# (`language.masked_logits`). Does that change the loss? Predict, then compare:

# %%
with torch.inference_mode():
    everywhere = functional.cross_entropy(
        bert(holed[:4]).logits.flatten(0, 1), labels[:4].flatten()
    )
    chosen_only = functional.cross_entropy(
        *language.masked_logits(bert, holed[:4], labels[:4])
    )
torch.testing.assert_close(everywhere, chosen_only)
print(f"loss {everywhere:.4f} and {chosen_only:.4f}")

# %% [markdown]
# ## The first minute of a life
#
# Now train. You re-live the first steps of the long run: same seed, same rows in the same order, same holes, same rates. So your losses must lie on its
# recorded curve, up to rounding. The rows are all training reviews, cleaned as above, packed and cut.

# %%
folder = assets.fetch("course-bert")
recorded = json.loads((folder / "results.json").read_text(encoding="utf-8"))
log = pd.read_csv(folder / "log.csv")
films = corpora.unlabelled()
rows = {
    part: pieces.pack(films[part]["text"], tokenizer, 128) for part in ("train", "test")
}
print({part: tuple(some.shape) for part, some in rows.items()})
minutes = log["seconds"].iloc[-1] / 60
print(f"the whole run: {minutes:.0f} minutes, {recorded['cores']} core(s)")

# %% [markdown]
# The game is BERT's; the recipe is that of somebody with little time. There is no dropout and no next-sentence task, the steps are small, and the matrices are
# trained by Muon (Jordan et al. 2024), which learns more from each step than AdamW does; AdamW trains the rest. Where your processor multiplies numbers of 16 bits (bfloat16) faster, it
# does. Two more differences deserve a closer look below: 30 % of the pieces are asked for, and the first steps read the rows in short parts.
#
# One measurement of your machine comes first. Each step allocates the same few large tensors anew. On Linux the C library returns such memory to the system when it is freed, and
# the system hands it out again page by page, after filling each page with zeros. `memory.keep` asks the library to keep it. How much of the time goes into that?

# %%
recipe = recipes.Recipe(**recorded["recipe"] | {"precision": recipes.precision()})
returned = costs.speed(recipe, tokenizer).tokens
kept = memory.keep()
speed = costs.speed(recipe, tokenizer).tokens
print(f"{returned:,.0f} pieces per second; memory kept ({kept}): {speed:,.0f}")

# %% [markdown]
# (It is no part of the theory, and you will not find it in a paper; it is the kind of thing that a profile finds. On macOS and Windows nothing changes.)
#
# Now the training itself. Before you run the cell, predict: where does the loss begin, and what is the first thing that a model can learn about text?

# %%
STEPS = 250
newborn, optimizers = recipes.newborn(recipe, tokenizer)
before = recipes.newborn(recipe, tokenizer)[0].eval()
with chapter.timer("live run"):
    losses = [
        recipes.step(recipe, newborn, optimizers, tokenizer, rows["train"], number)
        for number in range(STEPS)
    ]
during = newborn.eval()
speed = STEPS * recipe.tokens / chapter.seconds["live run"]
print(f"{speed:,.0f} pieces per second, {recipe.precision} products")

# %% [markdown]
# Your curve, over that of the long run. The axis of pieces is logarithmic, so that its first minute and its last can be seen together. The grey line marks where short rows end. The dots are
# scored on whole rows, with 15 % of holes: left of the grey line most of their positions have never been trained, so they lie too high; right of it they lie below the training curve, since fewer holes leave
# more to see. (A *nat* is the unit of a loss in natural logarithms.)

# %%
figure, ax = plt.subplots(figsize=(plots.WIDTH, 4))
ax.plot(log["tokens"] / 1e6, log["loss"], label="recorded, training")
held = log.dropna(subset="held_out_loss")
ax.plot(held["tokens"] / 1e6, held["held_out_loss"], "o", label="recorded, held out")
smooth = pd.Series(losses).rolling(20, min_periods=1).mean()
ax.plot((np.arange(STEPS) + 1) * recipe.tokens / 1e6, smooth, lw=3, label="yours, live")
ax.axhline(math.log(len(tokenizer)), color="black", ls=":", label="knows nothing")
ax.axvline(recipe.early * recipe.steps * recipe.tokens / 1e6, color="grey")
ax.set(xlabel="pieces read (millions)", ylabel="loss (nats per hole)", xscale="log")
ax.legend(fontsize=11)
plots.show(figure, "Your losses lie on the beginning of the recorded curve.")

# %% [markdown]
# The curve begins at $\log V$, the loss of somebody who knows nothing (chapter 1). Within seconds it drops to a plateau: that is the *frequency* of the
# pieces, which the bias of the last layer can learn alone, without looking at the text. Then it hardly moves, and whoever stops at ten steps, or at two hundred,
# concludes that nothing more is coming. But on the recorded curve the loss falls again, soon after the point where you stopped. What happened? A suspicion: the model found out *where to look*. We test it below, when all its stages are at hand.

# %%
first = log[log["step"] <= STEPS].iloc[-1]
window = losses[: int(first["step"])][-int(log["step"][0]) :]
print(f"to step {first['step']:.0f}: {np.mean(window):.3f}; then: {first['loss']:.3f}")
assert abs(losses[0] - math.log(len(tokenizer))) < 0.5
assert abs(np.mean(window) - first["loss"]) < 0.15, "this should be the same run"

# %% [markdown]
# ## Why short rows first, and more holes?
#
# Our first recipe was BERT's, with rows of 128 and 15 % asked for, and it would not leave the plateau. Two suspects. A hole gives one lesson, and 15 % gives few
# lessons per row; and a newborn attention looks everywhere alike, so in a long row a neighbour's voice is one of 128. The remedy for each is cheap: ask for 30 % (Wettig
# et al. 2023 went up to 40 % and more), and begin with rows of 32 (BERT itself read short rows for most of its training). Which remedy works? A job took the same
# 700 steps with each combination, once, and scored all four on the same unseen rows, with BERT's 15 %. (These rows are cut to 32 pieces, which suits the short recipes a little.)

# %%
runs = sweep.published("05")
beginnings = {
    f"rows of {length}": {
        f"{asked:.0%} asked for": f"{runs[f'begin_{length}_{asked}']:.1%}"
        for asked in (0.15, 0.3)
    }
    for length in (128, 32)
}
pd.DataFrame(beginnings).T.rename_axis("holes filled right, after 700 steps")

# %% [markdown]
# BEGINNINGS_TEXT
#
# ## What does it know, before, during and after?
#
# A loss says little; the share of holes that are filled *exactly* right says more. To be fair the holes must be the same for every model. Masks drawn anew each time would
# add noise, so those of the evaluation are **frozen** by a seed (`language.masked_scores`), and 15 % are asked for, as usual. The floor is the **unigram guess**: always
# answer with the most frequent piece. We use rows of 32, since your own model has seen no others, from reviews that no model has read.

# %%
exam = rows["test"][:200].view(-1, 32)  # [800, 32]
_, asked = language.mask(exam, tokenizer, language.FROZEN)
row = (asked != -100).nonzero()[:, 0].numpy()
counts = rows["train"].flatten().bincount(minlength=len(tokenizer))
counts[tokenizer.all_special_ids] = 0
guess = (asked[asked != -100] == counts.argmax()).numpy()
stages = {"before": before, "during": during, "after": bert}
right = {"unigram guess": metrics.clustered(guess, row)}
surprise = {}
for name, model in stages.items():
    nats, hits = language.masked_scores(model, tokenizer, exam)
    right[name] = metrics.clustered(hits.numpy(), row)
    surprise[name] = metrics.perplexity(nats.numpy(), row)
    chapter.record(f"masked_accuracy_{name}", right[name].value, **right[name].about)

# %% [markdown]
# Perplexity is chapter 7's number: the exponential of the mean loss, "between how many pieces does it hesitate?" Brackets are 95 % intervals over rows.

# %%
report = pd.DataFrame({"right": right, "perplexity": surprise}).loc[list(right)]
report.map(str).replace("nan", "")

# %% [markdown]
# The newborn hesitates between all pieces of the vocabulary, as it should. Yours has hardly passed the unigram guess. The long run is another matter. Its official figures were
# taken once, at the end, on whole rows:

# %%
for name in ("masked_accuracy", "unigram_accuracy"):
    score = metrics.Score.of(recorded["held_out"][name])
    chapter.record(f"recorded_{name}", score.value, **score.about)
    print(f"{name}: {score} (n = {score.n:,} holes)")
assert right["after"].value > 2 * right["unigram guess"].value

# %% [markdown]
# Now the suspicion. How much attention does a position pay to its two neighbours? A model that looks everywhere alike would give them 2 of 32 parts. We average over rows and positions for each
# head of each layer, and take the head that looks at them most:

# %%
def on_neighbours(model):
    """The largest share of attention that a head gives to the two neighbours."""
    model.set_attn_implementation("eager")  # the one that shows its maps
    with torch.inference_mode():
        maps = torch.stack(model(exam[:100], output_attentions=True).attentions)
    near = sum(maps.diagonal(shift, -2, -1).sum(-1) for shift in (-1, 1))
    return (near / maps.shape[-1]).mean(1).max().item()  # of [layers, rows, heads]


print(f"everywhere alike: {2 / exam.shape[1]:.2f}")
looks = {stage: on_neighbours(model) for stage, model in stages.items()}
for stage, look in looks.items():
    chapter.record(f"on_neighbours_{stage}", look)
    print(f"{stage}: {look:.2f}")
assert looks["after"] > 2 * looks["during"]

# %% [markdown]
# So it was that, or at least it came with that: the plateau ends when some head has learned to look at its neighbours. (Chen et al. 2024 saw the same in larger models of this kind, and that preventing
# it prevents the drop.)
#
# "Right" is a hard standard: where a reviewer wrote *movie* and the model says *film*, it is wrong. So look at the holes themselves, at each stage of its life.

# %%
pd.DataFrame(
    {stage: [" ".join(fill(m, text, 4)) for text in HOLES] for stage, m in stages.items()}
).set_axis(HOLES)

# %% [markdown]
# ## Was it worth it? Pre-train, fine-tune, compare
#
# Here is the complete pipeline, and the only question that counts. You have a task with few labels: is this critic's sentence favourable? Does the pre-trained
# model need fewer of them than **the same architecture from scratch**? And does either beat counting words?
#
# Three candidates, the same sentences for each, three draws of every size. Both neural ones are fine-tuned whole by the same function for the same number of steps
# (`training.classifier`); only the learning rate is chosen for each, on validation sentences and one draw. That is too much to wait for, so a job ran it
# once (`python -m helpers sweep 05`) and recorded every score. Below you re-run a part, and see whether it agrees. The shaded intervals cover the three draws, not the choice of test sentences.

# %%
CANDIDATES = {
    "pre-trained": "pretrained",
    "from scratch": "scratch",
    "word counts (TF-IDF)": "tfidf",
}
SIZES = (100, 300, 1000)
curves = {
    label: {n: metrics.mean([runs[f"{name}_{n}_{s}"] for s in range(3)]) for n in SIZES}
    for label, name in CANDIDATES.items()
}
figure, ax = plt.subplots(figsize=(plots.WIDTH, 4))
plots.learning_curves(ax, curves, "labelled sentences", "accuracy, unseen sentences")
alt = "Accuracy over labels: the pre-trained model lies above the one from scratch."
plots.show(figure, alt, chapter.beside("few_labels.png"))

# %% [markdown]
# CURVES_TEXT

# %%
goal = curves["pre-trained"][100].value
enough = [n for n in SIZES if curves["from scratch"][n].value >= goal]
print(f"pre-trained, 100 labels: {goal:.3f}; from scratch this takes", end=" ")
print(f"{enough[0]} labels" if enough else "more than 1 000 labels")

# %% [markdown]
# Do the recorded scores hold on your machine? One draw of 300, both kinds, live:

# %%
SIZE, SEED = 300, 0
for kind in ("pretrained", "scratch"):
    with chapter.timer(kind):
        accuracy = mlm_experiments.fine_tuned(kind, SIZE, SEED, runs)
    then = runs[f"{kind}_{SIZE}_{SEED}"]
    chapter.record(f"live_{kind}", accuracy)
    print(f"{kind}: live {accuracy:.3f}, recorded {then:.3f}, ", end="")
    print(f"{chapter.seconds[kind]:.0f} s")
    assert abs(accuracy - then) < 0.05, "this should be the same experiment"

# %% [markdown]
# The claim of this chapter, from the recorded runs: how many points of accuracy pre-training is worth with a thousand labels. The difference is taken draw by
# draw, since both candidates met the same sentences.

# %%
gain = metrics.mean(
    [runs[f"pretrained_1000_{s}"] - runs[f"scratch_1000_{s}"] for s in range(3)]
)
chapter.record("gain_1000", gain.value, key=True, **gain.about)
print(f"gain with 1 000 labels: {gain}")
assert gain.value >= 0.08

# %% [markdown]
# ## A cheaper idea: let a good model read on
#
# Nobody forces you to begin from nothing. **Domain-adaptive pre-training** (Gururangan et al. 2020) takes a model that has read a great deal, and lets it continue the same game
# on texts of *your* field, without labels, before you fine-tune. It is often recommended. Does it help here? MiniLM reads film reviews for 400 steps. Its old head for filling holes
# was not published, so a new one learned alone, before, for a hundred. Then the encoder serves once as frozen features and once fine-tuned; each rate was
# chosen on validation sentences. Bet before you look.

# %%
COLUMNS = "as it is", "adapted", "change"
table, change = {}, {}
for way in ("frozen", "tuned"):
    for size in (100, 1000):
        plain, adapted = (
            np.array([runs[f"{kind}_{way}_{size}_{s}"] for s in range(3)])
            for kind in ("plain", "adapted")
        )
        row = f"{way}, {size} labels"
        change[row] = metrics.mean(adapted - plain)
        about = (metrics.mean(plain), metrics.mean(adapted), change[row])
        table[row] = dict(zip(COLUMNS, map(str, about), strict=True))
        chapter.record(f"adapted_{way}_{size}", change[row].value, **change[row].about)
pd.DataFrame(table).T

# %% [markdown]
# ADAPTED_TEXT
#
# ## What does it cost, and where does the time go?
#
# The work of a step can be counted. Each weight of a matrix takes part in one multiplication and one addition per token going forward, and twice that going back: $6N$ operations
# per token for $N$ weights (Kaplan et al. 2020), plus $6 V w$ for the output layer at every position that is asked for. Divide by the time, and compare with the best your processor
# can do, measured on one large matrix product in float32. What happens to the pieces per second if you double the context? If you double the width?

# %%
peak = bench.matrix_rate()
exact = recipes.Recipe(**recorded["recipe"] | {"precision": "float32"})
SHAPES = {
    "4 layers, 256 wide, context 128": language.Shape(4, 256, 4, 128),
    "the same, context 256": language.Shape(4, 256, 4, 256),
    "the same, context 512": language.Shape(4, 256, 4, 512),
    "twice as wide": language.Shape(4, 512, 8, 128),
    "half as deep, half as wide": language.Shape(2, 128, 2, 128),
}
speeds = {name: costs.speed(exact, tokenizer, s) for name, s in SHAPES.items()}
if recipe.precision == "bfloat16":
    speeds["ours, products in bfloat16"] = costs.speed(recipe, tokenizer)
share = {name: speed.rate / peak for name, speed in speeds.items()}
chapter.record("share_of_peak", share["4 layers, 256 wide, context 128"], key=True)
assert share["4 layers, 256 wide, context 128"] > 0.4

# %% [markdown]
# The table. Attention's own products are not counted as work, so a long context can only look worse in the last column, never better. A row in bfloat16 is compared with float32's best, too, so it may pass 100 %.

# %%
print(f"best float32 matrix product: {peak:.0f} · 10⁹ operations per second")
pd.DataFrame(
    {
        "million weights": {n: f"{s.weights / 1e6:.1f}" for n, s in speeds.items()},
        "pieces per second": {n: f"{s.tokens:,.0f}" for n, s in speeds.items()},
        "share of the best": {n: f"{x:.0%}" for n, x in share.items()},
    }
)

# %% [markdown]
# COSTS_TEXT

# %%
profile = costs.shares(exact, tokenizer)
pd.Series(profile).map("{:.0%}".format).rename("share of a step").to_frame()

# %% [markdown]
# MEMORY_TEXT
#
# ## Take-aways
#
# * A corpus is made by decisions: what counts as a duplicate, what is too dirty, and above all what must not be read because you will test on it. Split by document, before you cut.
# * Check a masking rule by counting, never by looking at the loss: a broken one has a beautiful loss.
# * A model learns frequencies first, then where to look, then which words fit. Ten steps show the first part only.
# * Score with masks that never change, and beside the unigram guess.
# * What pre-training buys is labels. Measure it against the same architecture from scratch *and* against word counts.
#
# ## Exercises
#
# [Worked solutions](solutions/05_mlm_pretraining.ipynb) are there when you want to compare.
#
# **1. Repair the masker.** Three bugs and a side effect, see above. Return the input and the labels, and leave the rows that were handed in as they are.

# %% tags=["exercise"]
def masker(rows, tokenizer, generator):
    """rows [rows, tokens] -> (input, labels), both [rows, tokens]."""
    return broken_masker(rows, tokenizer, generator)


checks.masker(masker)

# %% [markdown]
# **2. Whole words.** When one piece of "un ##for ##get" is asked for and the others stand beside it, the answer is too easy. Extend the choice: a word is asked for with all of its
# pieces or not at all. (Later versions of BERT were trained like that.) A piece that begins with `##` continues the word before it.

# %% tags=["exercise"]
def whole_words(tokens, chosen):
    """tokens: list of pieces, chosen [tokens] of booleans -> booleans [tokens]."""


checks.whole_words(whole_words)

# %% [markdown]
# **3. Judgement: too good?** A colleague pre-trains a small BERT on 5 000 reviews. After a hundred steps it fills 99 % of the holes right, also in held-out reviews. What do you say?
#
# * `"a"`: congratulations, small vocabularies are easy to predict;
# * `"b"`: the learning rate is too high, it has memorised the reviews;
# * `"c"`: show me a row of the input beside its labels.

# %% tags=["exercise"]
answer = ...
checks.too_good(answer)

# %% [markdown]
# **4. Judgement: is it a leak?** Another colleague joins all reviews, cuts them into rows of 128 pieces, shuffles the rows, and keeps every tenth for testing. No row is on both
# sides. Is the test clean?
#
# * `"a"`: yes, no row is on both sides;
# * `"b"`: no, most reviews have rows on both sides;
# * `"c"`: yes, if there are enough rows.

# %% tags=["exercise"]
answer = ...
checks.is_it_a_leak(answer)

# %% [markdown]
# ## Going further
#
# * *BERT*, Devlin et al. 2019: the rule, and next-sentence prediction, which later models dropped.
# * *RoBERTa*, Liu et al. 2019: masks drawn anew in every pass, and much longer training.
# * *Should You Mask 15% in Masked Language Modeling?*, Wettig et al. 2023.
# * *Don't Stop Pretraining*, Gururangan et al. 2020: adaptation to a domain, where it helped and where it did not.
# * *Sudden Drops in the Loss*, Chen et al. 2024: what attention learns when the plateau ends.
# * *Cramming*, Geiping and Goldstein 2023: what one can pre-train on a single graphics card in a day.
