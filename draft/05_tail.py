
# %% [markdown]
# Two things to read off. The distance between the upper two curves is what pre-training on *unlabelled* text saves: find the number of labels at which the model from scratch reaches what the pre-trained one has with a hundred. And the lowest line may surprise you: word
# counts, which cost nothing, are a serious rival to a transformer that starts from nothing. Now one of the eighteen neural runs, live, with both kinds of model:

# %%
SIZE, SEED = 1000, 0
for kind in ("pretrained", "scratch"):
    with chapter.timer(kind):
        accuracy = few_labels.fine_tuned(
            kind, SIZE, SEED, few_labels.best_rate(runs, kind, SIZE), "test"
        )
    recorded_one = runs[f"{kind}_{SIZE}_{SEED}"]
    chapter.record(f"live_{kind}", accuracy, key=True)
    print(f"{kind:<10} live {accuracy:.3f}, recorded {recorded_one:.3f}")
    assert abs(accuracy - recorded_one) < 0.05, "this should be the same experiment"

# %% [markdown]
# The claim that the course makes, and asserts from the recorded runs: with a thousand labels, pre-training is worth at least eight points of accuracy over the same architecture from scratch.

# %%
gain = [runs[f"pretrained_1000_{s}"] - runs[f"scratch_1000_{s}"] for s in range(3)]
score = metrics.mean(gain)
chapter.record("gain_1000", score.value, key=True, **score.about)
print(f"gain with 1 000 labels: {score}")
assert score.value >= 0.08

# %% [markdown]
# ## A cheaper idea: let a good model read on
#
# Nobody forces you to begin from nothing. **Domain-adaptive pre-training** (Gururangan et al. 2020) takes a model that has read a great deal, and lets it continue the same game on texts of *your* field, without labels, before you fine-tune. It is often recommended. Does it help here? MiniLM,
# which has read a good part of the web, reads film reviews for some hundred steps (the job recorded it), and then serves once as frozen features and once fine-tuned. Bet before you look.

# %%
rows_of_table = {}
for way in ("frozen", "tuned"):
    for size in (100, 1000):
        before_, after_ = (
            [runs[f"minilm_{when}_{way}_{size}_{s}"] for s in range(3)] for when in ("plain", "adapted")
        )
        change = metrics.mean(np.subtract(after_, before_))
        rows_of_table[f"{way}, {size} labels"] = {
            "as it is": metrics.mean(before_), "adapted": metrics.mean(after_), "change": change,
        }
        chapter.record(f"adapted_{way}_{size}", change.value, **change.about)
pd.DataFrame(rows_of_table).T

# %% [markdown]
# The last column decides, and its interval. An interval that contains zero says: no effect was shown with three draws. Where it is negative, think of what MiniLM was: not a plain masked language model, but one that was afterwards trained to put sentences of like meaning side by side.
# Playing the first game again can undo the second. The recommendation comes from models and fields that were further apart than these.
#
# ## What does it cost, and where does the time go?
#
# The work of one step can be counted. Each weight of a matrix takes part in one multiplication and one addition per token going forward, and twice that going back: $6N$ operations per token for $N$ weights, plus $6 \cdot V \cdot w$ for the output layer wherever it is
# applied. How much of what your processor could do at best, measured on one large matrix product, do you get? Double the model, double the context: what happens to the pieces per second?

# %%
peak = bench.matrix_rate()
SHAPES = {
    "2 layers, 128 wide": language.Shape(2, 128, 2, 128),
    "4 layers, 256 wide": language.Shape(4, 256, 4, 128),
    "the same, context 512": language.Shape(4, 256, 4, 512),
    "8 layers, 384 wide": language.Shape(8, 384, 6, 128),
}
costs = {}
for name, shape in SHAPES.items():
    speed = bench.training("mlm", tokenizer, shape)
    costs[name] = {
        "million weights": f"{speed.weights / 1e6:.1f}",
        "pieces per second": f"{speed.tokens:,.0f}",
        "share of the best rate": f"{speed.operations / 1e9 / peak:.0%}",
    }
    if name == "4 layers, 256 wide":
        chapter.record("training_share_of_peak", speed.operations / 1e9 / peak, key=True)
pd.DataFrame(costs).T

# %% [markdown]
# The *share* tells you whether the code is at fault or the arithmetic is simply that much: half of the peak is good for layers this small, since everything that is no matrix product (normalisation, GELU, softmax, the optimizer) moves data and computes little. A profile says what eats the rest:

# %%
profile = bench.profile("mlm", tokenizer, language.Shape(4, 256, 4, 128))
pd.Series(profile).head(8).map("{:.0%}".format).rename("share of the time").to_frame()

# %% [markdown]
# ## Take-aways
#
# * A corpus is made by decisions: what counts as a duplicate, what is too dirty, and above all what must not be read because you will test on it. Split by document, before you cut.
# * The masking rule asks at 15 % of the positions, and hides most of them. Check such a rule by counting, never by looking at the loss: a broken one has a beautiful loss.
# * A model learns frequencies first, then pauses, then language. Ten steps show the first part only.
# * Score with masks that never change, and beside the unigram guess.
# * What pre-training buys is labels. Measure it against the same architecture from scratch *and* against word counts.
#
# ## Exercises
#
# [Worked solutions](solutions/05_mlm_pretraining.ipynb) are there when you want to compare.
#
# **1. Repair the masker.** Three bugs, see above. Return the input and the labels, and leave the rows that were handed in as they are.

# %%
def masker(rows, tokenizer, generator):
    """rows [rows, tokens] -> (input, labels), both [rows, tokens]."""
    return broken_masker(rows, tokenizer, generator)


checks.masker(masker)

# %% [markdown]
# **2. Whole words.** When one piece of "un ##for ##get" is asked for and the others stand beside it, the answer is too easy. Extend the choice: a word is asked for with all of its pieces or not at all. (Later versions of BERT were trained like that.)

# %%
def whole_words(tokens, chosen):
    """tokens: list of pieces, chosen [tokens] of booleans -> booleans [tokens]."""


checks.whole_words(whole_words)

# %% [markdown]
# **3. Judgement: too good?** A colleague pre-trains a small BERT on 5 000 reviews. After a hundred steps it fills 99 % of the holes right, also on held-out reviews. What do you say?
#
# * `"a"`: congratulations, small vocabularies are easy to predict;
# * `"b"`: the learning rate is too high, it has memorised the reviews;
# * `"c"`: show me a row of the input beside its labels.

# %%
answer = ...
checks.too_good(answer)

# %% [markdown]
# **4. Judgement: is it a leak?** Another colleague joins all reviews, cuts them into rows of 128 pieces, shuffles the rows, and keeps every tenth for testing. No row is on both sides. Is the test clean?
#
# * `"a"`: yes, no row is on both sides;
# * `"b"`: no, most reviews have rows on both sides;
# * `"c"`: yes, if there are enough rows.

# %%
answer = ...
checks.is_it_a_leak(answer)

# %% [markdown]
# ## Going further
#
# * *BERT*, Devlin et al. 2019: the rule, and next-sentence prediction, which later models dropped.
# * *RoBERTa*, Liu et al. 2019: masks drawn anew in every pass, and much longer training.
# * *Should You Mask 15 % in Masked Language Modeling?*, Wettig et al. 2023.
# * *Don't Stop Pretraining*, Gururangan et al. 2020: adaptation to a domain, where it helped and where it did not.
# * *Cramming*, Geiping and Goldstein 2023: what one can pre-train on a single graphics card in a day.
