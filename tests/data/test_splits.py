"""When two texts are the same, and how a text is spelt."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.data import splits

FAMILY = "👨\u200d👩\u200d👧"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Good film", "good  FILM\n"),
        ("Straße", "STRASSE"),
        ("été", unicodedata.normalize("NFD", "Été")),
        ("한국어", unicodedata.normalize("NFD", "한국어")),
        ("co\xadoperate", "cooperate"),
        ("\ufeffzero\u200b\u2060 width\u200e", "zero width"),
        ("a joiner\u200d with nothing\u200c to join", "a joiner with nothing to join"),
        ("I ❤\ufe0f it", "I ❤ it"),
        ("bell\x07", "bell"),
        ("a\u3000b\xa0c\u2028d", "a b c d"),
    ],
)
def test_these_are_the_same_text(one, other):
    assert splits.identity(one) == splits.identity(other)
    assert splits.place(one) == splits.place(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("यह दिन", "यह दान"),
        ("see you ann 😀", "see you ann 😡"),
        ("مَلِك", "مُلْك"),
        ("ข้าว", "ขาว"),
        ("-5", "5"),
        ("1.5", "15"),
        ("1,5 °C", "15 °C"),
        ("C", "C++"),
        ("a < b", "a > b"),
        ("Good?", "Good!"),
        ("resume", "résumé"),
        ("very good", "verygood"),
        ("می\u200cخواهم", "میخواهم"),
        ("क्\u200dष", "क्ष"),
        (FAMILY, FAMILY.replace("\u200d", "")),
        ("👍🏽", "👍🏿"),
        ("🇫🇷", "🇩🇪"),
        ("👍", "👎"),
    ],
)
def test_these_are_different_texts(one, other):
    assert splits.identity(one) != splits.identity(other)
    assert splits.place(one) != splits.place(other)


@pytest.mark.parametrize(
    "text", [FAMILY, "می\u200cخواهم", "क्\u200dष", "❤\ufe0f", "ก็\n"]
)
def test_what_scripts_and_emoji_need_stays(text):
    assert splits.normal(text) == text


fragments = st.sampled_from(
    [*"aK\u212aé❤ \u3000", "\u200d", "\u200c", "\u200b", "\u0301", "\ufe0f", "का", "😀"]
)


@given(st.text() | st.lists(fragments).map("".join))
def test_a_text_in_its_form_stays_so(text):
    once = splits.normal(text)
    assert splits.normal(once) == once
    assert splits.identity(once) == splits.identity(text)
    assert 0 <= splits.place(text) < 1
