"""Tokens: train a tokenizer on your own texts, cut texts, pack them into sequences."""

import warnings

import torch
from tokenizers import BertWordPieceTokenizer, ByteLevelBPETokenizer, Tokenizer
from transformers import PreTrainedTokenizerFast

SIZE = 8192  # enough for some million words; BERT takes 30 522 for three billion
CUT_UNTOLD = 0.05  # fraction of texts that may be cut before a warning says so
TEXTS_AT_ONCE = 1000  # to encode: an encoded text is much larger than its ids
END, PAD = "<|endoftext|>", "<|pad|>"
NAMES = ("pad", "unk", "cls", "sep", "mask")
SPECIALS = {f"{name}_token": f"[{name.upper()}]" for name in NAMES}


class TruncationWarning(UserWarning):
    """A model does not see all of many texts."""


def wordpiece(texts, size: int = SIZE) -> PreTrainedTokenizerFast:
    """Train BERT's kind of tokenizer: lower case, words cut into at most `size` tokens.

    Source: Schuster and Nakajima 2012; Wu et al. 2016; Devlin et al. 2019.
    """
    texts, first = list(texts), list(SPECIALS.values())
    # The trainer numbers letters inside words by chance and breaks ties by number, so
    # only with these letters as first tokens do equal texts make equal tokens.
    letters = _vocabulary(texts, 0, first)
    first += sorted(token for token in letters if token.startswith("##"))
    inner = BertWordPieceTokenizer(_vocabulary(texts, size, first))
    return _fast(inner, **SPECIALS)


def _vocabulary(texts, size: int, first: list[str]) -> dict[str, int]:
    """Return the tokens of texts with their numbers, those in `first` first."""
    tokenizer = BertWordPieceTokenizer()
    options = {"min_frequency": 0, "limit_alphabet": 10**6, "show_progress": False}
    tokenizer.train_from_iterator(texts, size, special_tokens=first, **options)
    return tokenizer.get_vocab()


def byte_pairs(texts, size: int = SIZE) -> PreTrainedTokenizerFast:
    """Train GPT-2's kind of tokenizer: bytes, merged pair by pair into `size` tokens.

    Unlike GPT-2's own it has a token for padding that is not the end of a text. Source:
    Sennrich et al. 2016; Radford et al. 2019.
    """
    inner = ByteLevelBPETokenizer()
    options = {"min_frequency": 0, "show_progress": False}
    inner.train_from_iterator(texts, size, special_tokens=[END, PAD], **options)
    names = ["input_ids", "attention_mask"]  # GPT-2 would add up all others
    specials = {"bos_token": END, "eos_token": END, "pad_token": PAD}
    return _fast(inner, model_input_names=names, **specials)


def _fast(inner, **options) -> PreTrainedTokenizerFast:
    whole = Tokenizer.from_str(inner.to_str())
    return PreTrainedTokenizerFast(tokenizer_object=whole, **options)


def stream(texts, tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    """Join texts into one sequence, each followed by its end token: int64 [tokens]."""
    end, texts = tokenizer.sep_token_id or tokenizer.eos_token_id, list(texts)
    joined = [torch.empty(0, dtype=torch.long)]
    for first in range(0, len(texts), TEXTS_AT_ONCE):
        encoded = tokenizer.backend_tokenizer.encode_batch(
            texts[first : first + TEXTS_AT_ONCE], add_special_tokens=False
        )
        joined.append(torch.tensor([i for text in encoded for i in (*text.ids, end)]))
    return torch.cat(joined)


def pack(texts, tokenizer: PreTrainedTokenizerFast, length: int) -> torch.Tensor:
    """Cut joined texts into full sequences, unpadded: int64 [sequences, length].

    With a tokenizer that has [CLS] and [SEP] every sequence stands between the two.
    What does not fill the last sequence is dropped.
    """
    ids = stream(texts, tokenizer)
    framed = tokenizer.cls_token_id is not None
    inner = length - 2 * framed
    sequences = ids[: len(ids) // inner * inner].view(-1, inner)
    if not framed:
        return sequences
    edge = sequences.new_ones(len(sequences), 1)
    ends = edge * tokenizer.cls_token_id, edge * tokenizer.sep_token_id
    return torch.cat([ends[0], sequences, ends[1]], dim=1)


def cut(model, tokenizer, texts: list[str], max_length: int) -> dict:
    """Return the tokenizer's output for texts, each cut at `max_length` tokens.

    A TruncationWarning tells when more than `CUT_UNTOLD` of them are cut. Raises
    ValueError when the model has fewer positions.
    """
    positions = getattr(model.config, "max_position_embeddings", max_length)
    if max_length > positions:
        raise ValueError(
            f"max_length is {max_length}, the model reads {positions} tokens."
        )
    encoded = tokenizer(texts, truncation=True, max_length=max_length)
    read = [len(ids) for ids in encoded["input_ids"]]
    full = [text for text, n in zip(texts, read, strict=True) if n == max_length]
    if len(full) > CUT_UNTOLD * len(texts):
        whole = [len(ids) for ids in tokenizer(full, verbose=False)["input_ids"]]
        lost = [length - max_length for length in whole if length > max_length]
        fraction = sum(lost) / (sum(lost) + sum(read))
        if len(lost) > CUT_UNTOLD * len(texts):
            warnings.warn(
                f"{len(lost) / len(texts):.0%} of {len(texts):,} texts are longer than "
                f"{max_length} tokens and are cut there, and with their ends "
                f"{fraction:.0%} of all tokens are lost: set max_length= (the longest "
                f"has {max(whole):,}), or split the texts.",
                TruncationWarning,
                stacklevel=4,  # who called `embed_texts` or trained a classifier
            )
    return encoded
