"""What a language model is worth on held-out text, beside models that only count."""

import numpy as np

from helpers import metrics
from helpers.metrics import Score
from helpers.models import language_models, tokenizers
from helpers.models.ngrams import Trigram

TOKENS = 200_000  # of the test split: about 700 reviews


def figures(kind: str, model, tokenizer, texts, data) -> dict[str, Score]:
    """Score a model and its counting baselines on the test split, once.

    For `clm` these are perplexities, for `mlm` the share of masked pieces guessed right
    and a perplexity; all with 95 % intervals over reviews (`clm`) or rows (`mlm`).
    """
    model.eval()
    if kind == "clm":
        return _next_token_figures(model, tokenizer, texts, data["train"].flatten())
    return _masked_figures(model, tokenizer, data)


def _next_token_figures(model, tokenizer, texts, train) -> dict[str, Score]:
    def tokens_of(part):
        return tokenizers.stream(texts[part]["text"], tokenizer)[:TOKENS]

    test = tokens_of("test")
    review = (test == tokenizer.eos_token_id).cumsum(0)[1:-1].numpy()  # of test[2:]
    trigram = Trigram(train.numpy(), tokens_of("validation").numpy(), len(tokenizer))
    single = (trigram.singles + 1) / (trigram.singles + 1).sum()
    losses = {
        "perplexity": language_models.next_token_losses(model, test)[1:].numpy(),
        "trigram_perplexity": trigram.losses(test.numpy()),
        "unigram_perplexity": -np.log(single[test[2:].numpy()]),
    }
    return {name: metrics.perplexity(each, review) for name, each in losses.items()}


def _masked_figures(model, tokenizer, data) -> dict[str, Score]:
    rows = data["test"][: TOKENS // data["test"].shape[1]]
    losses, hits = language_models.masked_scores(model, tokenizer, rows)
    _, labels = language_models.mask(rows, tokenizer, language_models.MASK_SEED)
    row, place = (labels != -100).nonzero(as_tuple=True)
    counts = data["train"].flatten().bincount(minlength=len(tokenizer))
    counts[tokenizer.all_special_ids] = 0
    guess = labels[row, place] == counts.argmax()
    return {
        "masked_accuracy": metrics.clustered(hits.numpy(), row.numpy()),
        "unigram_accuracy": metrics.clustered(guess.numpy(), row.numpy()),
        "masked_perplexity": metrics.perplexity(losses.numpy(), row.numpy()),
    }
