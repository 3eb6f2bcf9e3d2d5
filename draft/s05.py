# %% [markdown]
# # Solutions to chapter 5
#
# Try the [exercises](../05_mlm_pretraining.ipynb) first. Each answer below must pass the very check that yours does.

# %%
import torch

from helpers import checks_language as checks

# %% [markdown]
# **1. Repair the masker.** Labels keep what *was* chosen and are -100 elsewhere. `[MASK]` is written into the tensor that is returned. And of the fifth that is left over, one half is
# swapped, which makes the tenth that the rule wants. Working on a clone leaves the rows of the caller alone.

# %%
def masker(rows, tokenizer, generator):
    special = torch.isin(rows, torch.tensor(tokenizer.all_special_ids))
    chosen = (torch.rand(rows.shape, generator=generator) < 0.15) & ~special
    labels = rows.masked_fill(~chosen, -100)
    ids = rows.clone()
    masked = chosen & (torch.rand(rows.shape, generator=generator) < 0.8)
    ids[masked] = tokenizer.mask_token_id
    swapped = chosen & ~masked & (torch.rand(rows.shape, generator=generator) < 0.5)
    other = torch.randint(len(tokenizer), rows.shape, generator=generator)
    ids[swapped] = other[swapped]
    return ids, labels


verdict = checks.masker(masker)
assert verdict.state == "right", verdict
verdict

# %% [markdown]
# **2. Whole words.** Number the words: the count goes up at each piece that begins one. Then a piece is asked for if its word is among the words of the chosen pieces.

# %%
def whole_words(tokens, chosen):
    begins = torch.tensor([not token.startswith("##") for token in tokens])
    word = begins.cumsum(0)  # [tokens], the number of each piece's word
    return torch.isin(word, word[chosen])


verdict = checks.whole_words(whole_words)
assert verdict.state == "right", verdict
verdict

# %% [markdown]
# **3. Too good?** The best models leave many holes unfilled, since language leaves room for choice. A model that hardly errs after a hundred steps is shown the answers: the labels are the wrong way
# round, or nothing was hidden. One look at a row tells.

# %%
verdict = checks.too_good("c")
assert verdict.state == "right", verdict
verdict

# %% [markdown]
# **4. Is it a leak?** A review of 300 pieces fills two or three rows. Shuffled apart, most reviews have rows on both sides, with the same names, the same plot, the same quirks.

# %%
verdict = checks.is_it_a_leak("b")
assert verdict.state == "right", verdict
verdict
