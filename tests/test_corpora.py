"""The text data sets: clean, free of duplicates, split once and for all."""

import re
from collections import Counter

import pandas as pd
import pytest
from datasets import ClassLabel, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import corpora

SIZES = {
    "rotten_tomatoes": {"train": 6354, "validation": 1065, "test": 1109},
    "imdb": {"train": 18772, "validation": 3092, "test": 3037},
}
FOREVER = {  # chosen by the hash of the text, so this table may never change
    "A masterpiece.": "train",
    "Dull, dull, dull.": "train",
    "I laughed until I cried!": "train",
    "It is what it is": "train",
    "Ein schöner Film": "train",
    "Watch it twice": "validation",
    "Too long by half": "validation",
    "Pure joy": "validation",
    "So slow": "test",
    "Fresh and funny": "test",
}
HTML = re.compile(
    r"</?(a|b|blockquote|br|center|div|em|font|h[1-6]|hr|i|img|li|ol|p|pre|s|small"
    r"|span|strong|sub|sup|table|td|tr|tt|u|ul)\b[^<>]*>",
    re.IGNORECASE,
)


@pytest.fixture(scope="module", params=SIZES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def data(name):
    return getattr(corpora, name)()


@pytest.fixture(scope="module")
def positions(data):
    """The position of every text, by split."""
    return {part: [*map(corpora.position, r["text"])] for part, r in data.items()}


def test_the_splits_have_the_sizes_on_the_card(name, data):
    assert {part: len(rows) for part, rows in data.items()} == SIZES[name]


def test_more_than_1000_texts_are_held_out_twice(data):
    assert min(len(data["validation"]), len(data["test"])) > 1000


def test_no_text_is_in_two_splits_or_twice_in_one(positions):
    seen = [value for part in positions.values() for value in part]
    assert len(seen) == len(set(seen))


def test_every_text_is_in_the_split_of_its_hash(positions):
    for part, low, high in (
        ("test", 0, 0.125),
        ("validation", 0.125, 0.25),
        ("train", 0.25, 1),
    ):
        where = positions[part]
        assert low <= where[0]
        assert where[-1] < high
        assert where == sorted(where)  # so the first n rows are a random draw


def test_the_features_are_text_and_a_named_class(data):
    for part in data.values():
        assert part.features["text"] == Value("string")
        assert part.features["label"] == ClassLabel(names=["negative", "positive"])
        assert set(part["label"]) == {0, 1}


def test_no_markup_or_stray_white_space_is_left(data):
    for part in data.values():
        for text in part["text"]:
            assert not HTML.search(text)
            assert text == " ".join(text.split())
            assert text


def test_classes_are_nearly_balanced_in_every_split_and_in_its_first_rows(data):
    for part in data.values():
        assert 0.48 < sum(part["label"]) / len(part) < 0.52
        assert 0.4 < sum(part["label"][:200]) / 200 < 0.6


def test_labels_mean_what_their_names_say(data):
    words = {0: Counter(), 1: Counter()}
    first = data["train"][:6000]
    for text, label in zip(first["text"], first["label"], strict=True):
        words[label].update(set(text.lower().split()))
    for word in ("wonderful", "touching"):
        assert words[1][word] > 1.5 * words[0][word]
    for word in ("dull", "worst"):
        assert words[0][word] > 1.5 * words[1][word]


def table(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["text", "label"])


@pytest.mark.parametrize(("text", "part"), FOREVER.items())
def test_the_split_of_a_text_never_changes(text, part):
    rows = corpora.split(table((text, 1)))
    assert rows[part]["text"][:] == [text]


def test_the_same_text_in_other_spelling_is_kept_once():
    found = corpora.split(
        table(("Good film!", 1), ("good film", 1), ("'Good'  FILM .", 1), ("Bad", 0))
    )
    assert sum(len(part) for part in found.values()) == 2


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(6)))
def test_the_split_does_not_depend_on_the_order_of_rows(order):
    rows = [
        ("Good film!", 1),
        ("good film", 1),
        ("A good film", 0),
        ("a good film", 1),
        ("Bad", 0),
        ("Bad", 0),
    ]
    first = corpora.split(table(*rows))
    other = corpora.split(table(*(rows[i] for i in order)))
    for part in first:
        assert other[part].to_dict() == first[part].to_dict()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("One.<br /><br />Two.", "One. Two."),
        ("<i>So</i> <B>good</B><hr>", "So good"),
        ("it\x92s \x93fine\x94\x85", "it’s “fine”…"),
        ("1 < 2 and <grin> stay", "1 < 2 and <grin> stay"),
        ("  a\t\tb\n\nc  ", "a b c"),
        ("", ""),
    ],
)
def test_clean_does(raw, expected):
    assert corpora.clean(raw) == expected


pieces = st.sampled_from(["<br />", "<", ">", "/", "br", "i", "\x85", "\x93", " ", "ſ"])


@given(st.text() | st.lists(pieces | st.text(max_size=3)).map("".join))
def test_cleaning_twice_changes_nothing(text):
    once = corpora.clean(text)
    assert corpora.clean(once) == once


@given(st.text())
def test_a_position_is_in_the_unit_interval_and_repeatable(text):
    assert 0 <= corpora.position(text) < 1
    assert corpora.position(text) == corpora.position(text)


plain = st.text(alphabet="abcdefghijklmnopqrstuvwxyzäöüßéñçøåабвгдеαβγ0123456789")


@given(st.lists(plain), st.text(alphabet=" .,;:!?'\"-_()…“”‘’–—\t\n"))
def test_a_position_ignores_case_punctuation_and_spacing(words, noise):
    text = " ".join(words)
    expected = corpora.position(text)
    assert corpora.position(text.upper()) == expected
    assert corpora.position(text.title()) == expected
    assert corpora.position(noise + noise.join(words) + noise) == expected


@given(st.lists(plain, min_size=2, max_size=2, unique=True))
def test_different_words_have_different_positions(pair):
    one, two = (word.casefold() for word in pair)
    assert (corpora.position(one) == corpora.position(two)) == (one == two)


def test_positions_are_spread_evenly():
    where = [corpora.position(f"text {i}") for i in range(2000)]
    counts = Counter(int(8 * value) for value in where)
    assert len(counts) == 8
    assert 190 < min(counts.values()) <= max(counts.values()) < 310


def test_the_card_gives_the_sizes_of_the_splits(name, data, root):
    card = (root / "data" / "README.md").read_text(encoding="utf-8")
    sizes = " | ".join(str(len(data[part])) for part in ("train", "validation", "test"))
    assert f"| {name} | {sizes} |" in card
