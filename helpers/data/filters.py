"""Which texts are unfit for pre-training, and which copy another, in every script.

Chinese, Japanese, Thai and their neighbours put no spaces between words: there two
characters count as a word.
"""

import re
import sys
import unicodedata
from functools import cache
from typing import NamedTuple

from helpers.data.splits import identity

SHARED_WORDS, SHORT_RUN = 13, 8  # so many equal words are a copy (Brown et al. 2020)
SHORTEST, FEWEST_LETTERS, FEWEST_DIFFERENT = 20, 0.7, 0.2  # see `flaw`
PER_WORD = 2  # characters, in a script without spaces
BEGINNING = 10_000  # words that are searched for repetition: a book must repeat words
UNSPACED = (  # Thai and Lao, Burmese, Khmer, kana, Chinese, half-width kana
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003ffff"
)


class Patterns(NamedTuple):
    """What finds, in a text, its marks, characters, words and words as they stand."""

    mark: re.Pattern  # of a letter: an accent, a vowel sign
    character: re.Pattern  # of a script without spaces, with its marks
    word: re.Pattern  # or character
    raw_word: re.Pattern  # with the punctuation that clings to it, or character


def flaw(text: str) -> str | None:
    """Return why a text is unfit for pre-training, or None; after Rae et al. 2021."""
    find = _patterns()
    words = find.raw_word.findall(text.lower())
    characters = find.character.findall(text)
    if len(words) - len(characters) * (1 - 1 / PER_WORD) < SHORTEST:
        return "short"
    letters = sum(map(str.isalpha, text)) + len(find.mark.findall(text))
    if letters < FEWEST_LETTERS * len(text):
        return "few letters"
    if len(characters) > len(words) / 2:  # there are few characters, but many runs
        words = ["".join(characters[i : i + 4]) for i in range(len(characters))]
    words = words[:BEGINNING]
    return "repetitive" if len(set(words)) < FEWEST_DIFFERENT * len(words) else None


def copies(texts, originals) -> list[bool]:
    """Say for each text whether it shares a run of 13 words with an original.

    An original of 8 to 12 words counts when all of it stands in the text; shorter ones
    are phrases that anyone may write. Of characters it takes twice as many.
    """
    find = _patterns()
    runs: dict[int, set[int]] = {}  # by length
    for original in map(identity, originals):
        words = find.word.findall(original)
        of_characters = 2 * len(find.character.findall(original)) > len(words)
        per_word = PER_WORD if of_characters else 1
        length = min(len(words), SHARED_WORDS * per_word)
        if length >= SHORT_RUN * per_word:
            runs.setdefault(length, set()).update(_runs(words, length))
    return [
        any(
            not found.isdisjoint(_runs(words, length)) for length, found in runs.items()
        )
        for words in map(find.word.findall, map(identity, texts))
    ]


@cache
def _patterns() -> Patterns:
    codes = map(chr, range(sys.maxunicode + 1))
    marks = "".join(code for code in codes if unicodedata.category(code)[0] == "M")
    mark = f"(?=[{marks[0]}-{marks[-1]}])[{marks}]"  # the range alone is quick to miss
    character = rf"(?=[^\W_])[{UNSPACED}](?:{mark})*"
    letter = rf"[^\W_{UNSPACED}]"
    patterns = (
        mark,
        character,
        f"{character}|{letter}+(?:(?:{mark})+{letter}*)*",
        rf"{character}|[^\s{UNSPACED}]+",
    )
    return Patterns(*map(re.compile, patterns))


def _runs(words: list[str], length: int) -> set[int]:
    """Return hashes of all runs of so many words."""
    return {hash(tuple(words[i : i + length])) for i in range(len(words) - length + 1)}
