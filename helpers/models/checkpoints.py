"""Whether the files of a saved model are all there and fit each other.

The libraries load what does not fit without a word: a tokenizer of five tokens, weights
that are left over, a class without a name.
"""

from pathlib import Path

PADDING = 128  # rows at most that make an embedding matrix of a round size
TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "tokenizer.py")


class CheckpointError(RuntimeError):
    """A checkpoint cannot be used; the message says why and what to do."""


def check(name: str, model, report: dict, tokenizer=None) -> None:
    """Raise CheckpointError when the files of a loaded model are not all of one model.

    `report` is the loading info of `from_pretrained`.
    """
    if found := misfits(name, model, report, tokenizer):
        raise CheckpointError(
            f"{name} is incomplete or mixed up ({'; '.join(found)}): take all of its "
            "files from the same place, or make it again."
        )


def misfits(name: str, model, report: dict, tokenizer=None) -> list[str]:
    """Return what is missing or does not fit; nothing if all is well.

    An encoder may lack its pooler, which stands beside the layers, and may leave out
    the head of another model; weights of its own layers may not be left over.
    """
    children = dict(model.named_children())
    prefix = f"{model.base_model_prefix}."
    whole = prefix[:-1] in children  # a model with a head, and not the encoder alone
    missing = [
        key
        for key in sorted(report["missing_keys"])
        if whole or not key.startswith("pooler.")
    ]
    left_over = [
        key
        for key in sorted(report["unexpected_keys"])
        if whole or key.removeprefix(prefix).partition(".")[0] in children
    ]
    found = [f"it lacks {_some(missing)}"] if missing else []
    if left_over:
        found.append(f"{_some(left_over)} would be left out")
    if mismatched := [str(key) for key in report["mismatched_keys"]]:
        found.append(f"{_some(mismatched)} of another shape")
    return found + (_tokenizer_misfits(name, model, tokenizer) if tokenizer else [])


def _tokenizer_misfits(name: str, model, tokenizer) -> list[str]:
    folder = Path(name)
    if folder.is_dir() and not any(any(folder.glob(file)) for file in TOKENIZERS):
        return ["tokenizer.json is missing"]
    found = []
    known, rows = len(tokenizer), model.get_input_embeddings().num_embeddings
    if not max(rows - PADDING, rows / 2) <= known <= rows:
        found.append(
            f"its tokenizer has {known} tokens and its embedding matrix {rows} rows"
        )
    pads = tokenizer.pad_token_id, getattr(model.config, "pad_token_id", None)
    if None not in pads and pads[0] != pads[1]:
        found.append(
            f"padding is token {pads[0]} in its tokenizer, {pads[1]} in its config.json"
        )
    return found


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(names[:2]) + more


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its type; at most 120 letters."""
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else type(error).__name__
