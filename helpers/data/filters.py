"""Which texts are unfit for pre-training, and which copy another, in every script.

Chinese, Japanese, Thai and their neighbours put no spaces between words: there two
characters count as a word.
"""

import re
import sys
import unicodedata
from functools import cache

from helpers.data.splits import identity

SHARED_WORDS, SHORT_RUN = 13, 8  # so many equal words are a copy (Brown et al. 2020)
SHORTEST, FEWEST_LETTERS, FEWEST_DIFFERENT = 20, 0.7, 0.2  # see `flaw`
PER_WORD = 2  # characters, in a script without spaces
BEGINNING = 10_000  # words that are searched for repetition: a book must repeat words
UNSPACED = (  # Thai and Lao, Burmese, Khmer, kana, Chinese, half-width kana
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003ffff"
)


def flaw(text: str) -> str | None:
    """Return why a text is unfit for pre-training, or None; after Rae et al. 2021."""
    mark, character, _, raw_word = _patterns()
    words, characters = raw_word.findall(text.lower()), character.findall(text)
    if len(words) - len(characters) * (1 - 1 / PER_WORD) < SHORTEST:
        return "short"
    letters = sum(map(str.isalpha, text)) + len(mark.findall(text))
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
    _, character, word, _ = _patterns()
    heads, runs = set(), {}  # hashes of runs of 8 words, and those that count by length
    for original in map(identity, originals):
        words = word.findall(original)
        of_characters = 2 * len(character.findall(original)) > len(words)
        per_word = PER_WORD if of_characters else 1
        length = min(len(words), SHARED_WORDS * per_word)
        if length >= SHORT_RUN * per_word:
            runs.setdefault(length, set()).update(_runs(words, length))
            heads |= _runs(words, SHORT_RUN)  # a quick look: most texts share none
    return [
        not heads.isdisjoint(_runs(words, SHORT_RUN))
        and any(runs[length] & _runs(words, length) for length in runs)
        for words in map(word.findall, map(identity, texts))
    ]


@cache
def _patterns() -> list[re.Pattern]:
    """Return patterns of a mark, a character, a word and a word with punctuation."""
    codes = map(chr, range(sys.maxunicode + 1))
    marks = "".join(code for code in codes if unicodedata.category(code)[0] == "M")
    mark = f"(?=[{marks[0]}-{marks[-1]}])[{marks}]"  # the range alone is quick to miss
    character = rf"(?=[^\W_])[{UNSPACED}](?:{mark})*"
    letter = rf"[^\W_{UNSPACED}]"
    word = f"{character}|{letter}+(?:(?:{mark})+{letter}*)*"
    raw_word = rf"{character}|[^\s{UNSPACED}]+"
    return [*map(re.compile, (mark, character, word, raw_word))]


def _runs(words: list[str], length: int) -> set[int]:
    """Return hashes of all runs of so many words."""
    return set(map(hash, zip(*(words[i:] for i in range(length)), strict=False)))
