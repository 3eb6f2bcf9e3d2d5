"""What a language model is worth on held-out text, beside models that only count."""

import numpy as np

from helpers import metrics
from helpers.metrics import Score
from helpers.models import language_models, tokenizers
from helpers.models.ngrams import Trigram

TOKENS = 200_000  # of the test split: about 700 reviews


def figures(objective: str, model, tokenizer, texts, sequences) -> dict[str, Score]:
    """Evaluate a model and its counting baselines on the test split, once.

    For `clm` these are perplexities, with 95 % intervals over reviews; for `mlm`
    accuracy and perplexity on masked tokens, with intervals over sequences.
    """
    model.eval()
    if objective == "mlm":
        return _masked_figures(model, tokenizer, sequences)
    test, validation = (
        tokenizers.stream(texts[split]["text"], tokenizer)[:TOKENS]
        for split in ("test", "validation")
    )
    review = (test == tokenizer.eos_token_id).cumsum(0)[1:-1].numpy()  # of test[2:]
    train = sequences["train"].flatten().numpy()
    trigram = Trigram(train, validation.numpy(), len(tokenizer))
    unigram = (trigram.singles + 1) / (trigram.singles + 1).sum()
    losses = {
        "perplexity": language_models.next_token_losses(model, test)[1:].numpy(),
        "trigram_perplexity": trigram.losses(test.numpy()),
        "unigram_perplexity": -np.log(unigram[test[2:].numpy()]),
    }
    return {name: metrics.perplexity(each, review) for name, each in losses.items()}


def _masked_figures(model, tokenizer, sequences) -> dict[str, Score]:
    test = sequences["test"][: TOKENS // sequences["test"].shape[1]]
    losses, hits = language_models.masked_scores(model, tokenizer, test)
    _, labels = language_models.mask(test, tokenizer, language_models.MASK_SEED)
    sequence, position = (labels != -100).nonzero(as_tuple=True)
    counts = sequences["train"].flatten().bincount(minlength=len(tokenizer))
    counts[tokenizer.all_special_ids] = 0
    unigram_hits = labels[sequence, position] == counts.argmax()
    return {
        "masked_accuracy": metrics.clustered(hits.numpy(), sequence.numpy()),
        "unigram_accuracy": metrics.clustered(unigram_hits.numpy(), sequence.numpy()),
        "masked_perplexity": metrics.perplexity(losses.numpy(), sequence.numpy()),
    }
