"""A CSV file of one's own: read, checked row by row, and split within each class."""

import csv
import gzip
import io
import json
import random
import re
import unicodedata
import warnings
from collections import Counter
from pathlib import Path

import pytest
from datasets import ClassLabel, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.data import corpora, splits, text_csv
from helpers.data.corpora import CorpusError, CorpusWarning, from_csv

PARTS = ["train", "validation", "test"]
GOOD = [(f"text number {i}", ("yes", "no")[i % 2]) for i in range(16)]


def table(rows, separator=",", header=("text", "label")) -> str:
    """Return the content of a CSV file."""
    file = io.StringIO(newline="")
    rows = [header, *rows]
    bare = any("\r" in str(field) for row in rows for field in row)  # csv forgets them
    quoting = csv.QUOTE_ALL if bare else csv.QUOTE_MINIMAL
    writer = csv.writer(file, delimiter=separator, quoting=quoting, lineterminator="\n")
    writer.writerows(rows)
    return file.getvalue()


def found(data) -> set[tuple[str, str]]:
    """Return the texts with the names of their labels, none of them twice."""
    pairs = [
        (text, part.features["label"].int2str(label))
        for part in data.values()
        for text, label in zip(part["text"], part["label"], strict=True)
    ]
    assert len(pairs) == len(set(pairs))
    return set(pairs)


def as_lists(data) -> dict[str, dict]:
    return {part: rows.to_dict() for part, rows in data.items()}


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    """Return a function that writes a file and returns its path."""
    path = tmp_path_factory.mktemp("own") / "own.csv"

    def write(content: str | bytes):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def skipping(path, **names):
    """Read a file without its bad rows; return the data and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = from_csv(path, on_bad_rows="skip", **names)
    assert {warning.category for warning in caught} <= {CorpusWarning}
    assert {warning.filename for warning in caught} <= {__file__}  # where it is called
    messages = [str(warning.message) for warning in caught]
    for message in messages:
        assert_is_a_sentence(message, path)
    return data, messages


def failing(path, *arguments, **options) -> str:
    with pytest.raises(CorpusError) as error:
        from_csv(path, *arguments, **options)
    assert_is_a_sentence(str(error.value), path)
    return str(error.value)


def assert_is_a_sentence(message, path):
    assert message.startswith(f"The file {path}")
    assert message.endswith(".")
    assert "\n" not in message


CONVERT = (
    "save it as `CSV UTF-8` if it is from a spreadsheet, or convert it, for instance "
    "with `iconv -f {} -t UTF-8`, and try again."
)
ICONV = "`iconv -f WINDOWS-1252 -t UTF-8`."
pytestmark = pytest.mark.filterwarnings("error::helpers.data.text_csv.CorpusWarning")


# What is read


@pytest.mark.parametrize("separator", ",;\t")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separator_byte_order_mark_and_line_ends_do_not_matter(
    save, separator, encoding, end
):
    rows = [(f"{text}, she; said\tthat", label) for text, label in GOOD]
    content = table(rows, separator).replace("\n", end)
    data = from_csv(save(content.encode(encoding)))
    expected = {(f"{text}, she; said that", label) for text, label in GOOD}
    assert found(data) == expected


def test_other_columns_and_names_and_blank_lines_do_not_matter(save):
    rows = [(i, label, "", text) for i, (text, label) in enumerate(GOOD)]
    content = table(rows, ";", ("id", " Urteil ", "leer", "Text, roh"))
    path = save(content.replace("\n", "\n\n  \n"))
    assert found(from_csv(path, "Text, roh", label="Urteil")) == set(GOOD)


@pytest.mark.parametrize(
    "names",
    [
        ["正面", "负面"],
        ["0", "1"],
        ["1", "10", "2"],
        ["NA", "nan", "None", "null"],
        ["a, b", 'c "d"', "e;f"],
        [f"class {i:02d}" for i in range(40)],
    ],
)
def test_there_may_be_any_classes(save, names):
    rows = [(f"{name} no. {i}", name) for i in range(9) for name in reversed(names)]
    data = from_csv(save(table(rows)))
    assert list(data) == PARTS
    for part in data.values():
        assert part.features["text"] == Value("string")
        assert part.features["label"] == ClassLabel(names=sorted(names))
    assert found(data) == {(corpora.clean(text), name) for text, name in rows}


def test_texts_are_cleaned(save):
    rows = [("<br />One\r\n\x93two\x94 ", "yes"), *GOOD]
    assert ("One “two”", "yes") in found(from_csv(save(table(rows))))


def test_quotes_in_a_field_without_quotes_are_part_of_it(save):
    path = save(table(GOOD) + 'a 5" disk,yes\n')
    assert ('a 5" disk', "yes") in found(from_csv(path))


def test_the_file_is_not_changed(save):
    path = save(table([*GOOD, ("", "no")]))
    before = path.read_bytes()
    failing(path, "another column")
    failing(path)
    skipping(path)
    assert path.read_bytes() == before


# The split


@pytest.mark.parametrize("size", [3, 4, 5, 7, 8, 12, 40, 203])
def test_each_class_is_split_in_the_same_proportions(save, size):
    rows = [(f"{name} {i}", name) for name in "abc" for i in range(size)]
    data = from_csv(save(table(rows)))
    counts = corpora.class_counts(data)
    assert list(counts.index) == ["a", "b", "c"]
    assert list(counts.columns) == PARTS
    for part in ("validation", "test"):
        assert set(counts[part]) == {max(1, round(0.125 * size))}
    assert set(counts.sum(axis="columns")) == {size}


def test_class_counts_counts_what_is_there(save):
    sizes = {"a": 80, "b": 16}
    rows = [(f"{name} {i}", name) for name, n in sizes.items() for i in range(n)]
    data = from_csv(save(table(rows)))
    data["test"] = data["test"].filter(lambda row: row["label"] == 1)
    data["validation"] = data["validation"].select([])
    counts = corpora.class_counts(data)
    assert counts.loc["a"].to_dict() == {"train": 60, "validation": 0, "test": 0}
    assert counts.loc["b"].to_dict() == {"train": 12, "validation": 0, "test": 2}


def test_within_a_class_the_hash_decides_and_orders(save):
    rows = [(f"{name} {i}", name) for name in "ab" for i in range(80)]
    data = from_csv(save(table(rows)))
    for label in (0, 1):
        places = []
        for part in ("test", "validation", "train"):
            kept = zip(data[part]["text"], data[part]["label"], strict=True)
            places += [splits.place(text) for text, name in kept if name == label]
        assert places == sorted(places)
        assert len(places) == 80
    for part in data.values():  # so the first n rows are a random subset of all classes
        where = [*map(splits.place, part["text"])]
        assert where == sorted(where)


UNTIDY = [
    *GOOD,
    ("Text  NUMBER 3", "no"),
    ("text number 3", " No"),
    ("<b>text</b> number 4", "YES"),
    ("text number five", "yes "),
    ("text number 6", "no"),
    ("both", "yes"),
    ("Both", "no"),
    ("👍", "yes"),
    ("👎", "no"),
    *(("once", "seldom"), ("twice", "Seldom"), ("", "seldom")),
    *((f"tie {i}", ("Maybe", "maybe")[i % 2]) for i in range(6)),
]


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(UNTIDY))
def test_the_order_of_the_rows_does_not_matter(save, order):
    first, _ = skipping(save(table(UNTIDY)))
    other, _ = skipping(save(table(order)))
    assert as_lists(other) == as_lists(first)
    assert other["test"].features == first["test"].features
    assert ("text number 6", "yes") not in found(other)
    assert ("👎", "no") in found(other)


# Warnings about what was read


def test_of_duplicates_one_is_kept_and_the_others_are_named(save):
    rows = [*GOOD, ("Text NUMBER  3", "no"), ("text number 3", "no"), GOOD[5]]
    data, (message,) = skipping(save(table(rows)))
    kept = found(data)
    assert len(kept) == 16
    assert ("Text NUMBER 3", "no") in kept  # the first in alphabetical order
    assert message.endswith("left out rows that repeat a text: 3 (line 5, 19, 20).")


def test_at_most_ten_lines_of_duplicates_are_named(save):
    _, (message,) = skipping(save(table([*GOOD, *GOOD])))
    assert message.count(", ") == 10
    assert "(line 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, and 6 more)" in message


def test_labels_that_differ_in_case_or_spaces_become_the_most_frequent(save):
    rows = [(f"text {i}", "Yes") for i in range(5)] + [(f"t {i}", "no") for i in "abc"]
    rows += [("x", "yes"), ("y", "YES"), ("z", " Yes"), ("ß", "No "), ("ü", "no")]
    data, (message,) = skipping(save(table(rows)))
    assert Counter(name for _, name in found(data)) == {"Yes": 8, "no": 5}
    assert message.endswith(
        "labels merged: 'YES' and 'Yes' and 'yes' to 'Yes', 'No ' and 'no' to 'no'."
    )


def test_labels_that_differ_in_spaces_between_words_become_one(save):
    rows = [*GOOD, ("x", "very good"), ("y", "Very  good"), ("z", "very \tgood ")]
    data, (message,) = skipping(save(table(rows)))
    assert found(data) == {*GOOD, *((text, "very good") for text in "xyz")}
    assert message.endswith(
        "labels merged: 'Very  good' and 'very \\tgood ' and 'very good' "
        "to 'very good'."
    )


def test_labels_with_and_without_a_space_stay_two(save):
    names = ("very good", "verygood")
    rows = [(f"text {i}", names[i % 2]) for i in range(6)]
    assert found(from_csv(save(table(rows)))) == {*rows}


@pytest.mark.parametrize("label", [" {}", "{} ", "very {}", "very  {}"])
def test_the_spaces_of_labels_that_are_written_alike_are_folded_in_silence(save, label):
    rows = [(text, label.format(name)) for text, name in GOOD]
    assert found(from_csv(save(table(rows)))) == expected(rows)


@pytest.mark.parametrize(("large", "warned"), [(40, False), (41, True)])
def test_uneven_classes_are_named(save, large, warned):
    sizes = {"a": 20, "big": large, "small": 4}
    rows = [(f"{name} {i}", name) for name, n in sizes.items() for i in range(n)]
    _, messages = skipping(save(table(rows)))
    assert len(messages) == warned
    for message in messages:
        assert "class 'big' has 41 examples and class 'small' only 4" in message


# Bad rows

BAD = {
    b"one,two,yes": "number of fields 3 instead of 2",
    b"one": "number of fields 1 instead of 2",
    b",yes": "no text",
    b"  <br/> ,yes": "no text",
    b"one,": "no label",
    b'one," \n "': "no label",
    b",": "no text",
    b'"one "two" three",yes': "a quote not closed, or inside a quoted field",
    b'"one" ,yes': "a quote not closed, or inside a quoted field",
    b'yes,"one"two': "a quote not closed, or inside a quoted field",
    b"one,'yes'": "single quotes around the label",
    b'"one, \\"two\\"",yes': "a quote not closed, or inside a quoted field",
    b"lonely,rare": "class 'rare' has 1 of at least 3 examples",
    b"Text, number 3,yes": "number of fields 3",
    b" TEXT  number 3,yes": "same text as line 5, there labelled 'no'",
}


@pytest.mark.parametrize(("row", "reason"), BAD.items())
@pytest.mark.parametrize("before", [b"", b'"a quoted\n\r\nfield\r",no\r\n\n'])
def test_a_bad_row_is_named_with_its_line_and_can_be_left_out(
    save, row, reason, before
):
    content = table(GOOD).encode() + before
    path = save(content + row + b"\nthe last,yes\n")
    line = len(re.findall(rb"\r\n|\r|\n", content)) + 1
    clash = "same text" in reason
    message = failing(path)
    assert f"has {2 if clash else 1} bad row" in message
    assert f"line {line}: {reason}" in message
    assert "mend" in message
    assert 'on_bad_rows="skip"' in message
    data, (message,) = skipping(path)
    assert f"line {line}: {reason}" in message
    good = {*GOOD, ("the last", "yes")} - {GOOD[3] if clash else None}
    assert found(data) == good | ({("a quoted field", "no")} if before else set())


def test_all_copies_of_a_text_with_two_labels_are_bad(save):
    clashing = [("Twice", "yes"), ("twice ", "no"), ("TWICE", "yes"), ("twice", "Yes")]
    path = save(table([*clashing, *GOOD]))
    message = failing(path)
    assert "has 4 bad rows" in message
    assert "line 2: same text as line 3, there labelled 'no'" in message
    for line in (3, 4, 5):
        other = ("'yes'", 2) if line == 3 else ("'no'", 3)
        assert f"line {line}: same text as line {other[1]}, there" in message
        assert f"line {other[1]}, there labelled {other[0]}" in message
    data, _ = skipping(path)
    assert found(data) == set(GOOD)


def test_a_class_is_small_if_it_has_few_different_texts(save):
    rows = [*GOOD, *[("the same", "rare")] * 5, ("other", "rare"), ("both", "rare")]
    data, (left_out, _) = skipping(save(table([*rows, ("both", "no")])))
    assert "4 bad rows" in left_out
    assert "line 18: class 'rare' has 2 of at least 3 examples" in left_out
    assert found(data) == set(GOOD)


@pytest.mark.parametrize(("count", "more"), [(5, ""), (8, "; and 3 more")])
def test_the_error_counts_all_bad_rows_and_spells_out_five(save, count, more):
    message = failing(save(table([*GOOD, *[("", "no")] * count])))
    lines = "; ".join(f"line {line}: no text" for line in range(18, 23))
    assert f"has {count} bad rows ({lines}{more}): mend them" in message


@pytest.mark.parametrize(("count", "more"), [(10, ""), (14, "; and 4 more")])
def test_the_warning_counts_all_bad_rows_and_spells_out_ten(save, count, more):
    _, (message,) = skipping(save(table([*GOOD, *[("", "no")] * count])))
    lines = "; ".join(f"line {line}: no text" for line in range(18, 28))
    assert f"left out {count} bad rows ({lines}{more})." in message


ROWS = [("room 1", "yes"), ("schön", "yes"), ("größer", "no"), *GOOD]
OTHERS = {
    "header": ("Größe,text\n1,a\n".encode("cp1252"), 1, 0xF6, "WINDOWS-1252"),
    "Chinese": (
        "text,label\n正面,x\n负面,y\n".encode("gb18030"),
        2,
        0xD5,
        "WINDOWS-1252",
    ),
    "UTF-16": ("text,label\nä,ö\n".encode("utf-16"), 1, 0xFF, "UTF-16"),
    "UTF-16, bare": ("text,label\n".encode("utf-16-le"), 1, 0, "UTF-16"),
    "UTF-16, Apple": ("\ufefftext,label\n".encode("utf-16-be"), 1, 0xFE, "UTF-16"),
}
BAD_BYTES = {
    "few accents": ("schön,yes\n".encode("cp1252"), 0xF6),
    "cut": (b"cut \xe6\xad,yes\n", 0xE6),
    "surrogate": (b"\xed\xb2\x80,no\n", 0xED),
    "NUL": (b"o\0ne,yes\n", 0),
}


@pytest.mark.parametrize("way", ["raise", "skip"])
@pytest.mark.parametrize(
    ("content", "line", "byte", "name"), OTHERS.values(), ids=OTHERS
)
def test_a_file_in_another_encoding_is_to_be_converted(
    save, content, line, byte, name, way
):
    assert failing(save(content), on_bad_rows=way).endswith(
        f"is no UTF-8 text (line {line}, byte 0x{byte:02x}): {CONVERT.format(name)}"
    )


@pytest.mark.parametrize(("row", "byte"), BAD_BYTES.values(), ids=BAD_BYTES)
def test_a_row_with_a_bad_byte_is_bad_and_the_conversion_is_named(save, row, byte):
    path = save(table(GOOD).encode() + row)
    data, (message,) = skipping(path)
    for told in (message, failing(path)):
        assert f"1 bad row (line {len(GOOD) + 2}: byte 0x{byte:02x} is no UT" in told
        assert told.endswith("encoding, convert it, for instance with " + ICONV)
    assert found(data) == set(GOOD)
    with pytest.raises(CorpusError, match="is no UTF-8 text"):
        corpora.documents(path)


def test_the_conversion_is_named_if_it_would_make_the_second_class(save):
    rows = [(f"{name} {i}", name) for name in ("gut", "schön") for i in range(4)]
    path = save(table([*rows, ("sehr gut", "gut")]).encode("cp1252"))
    message = failing(path, on_bad_rows="skip")
    assert "without its 4 bad rows" in message
    assert message.endswith(ICONV)


def test_without_bad_rows_both_ways_give_the_same(save):
    path = save(table(GOOD))
    data, messages = skipping(path)
    assert as_lists(data) == as_lists(from_csv(path))
    assert messages == []


@pytest.mark.parametrize("value", ["drop", "", None, True, "RAISE"])
def test_bad_rows_are_raised_or_skipped(save, value):
    with pytest.raises(ValueError, match='"raise" or "skip"') as error:
        from_csv(save(""), on_bad_rows=value)
    assert not isinstance(error.value, CorpusError)


# Files that cannot be used

UNUSABLE = {
    "empty": (b"", "is empty: name a CSV file with a header line"),
    "blank": (b"\xef\xbb\xbf \r\n\n", "is empty: name a CSV file with"),
    "header only": (b"text,label\n\n", "has 0 texts with 0 labels, but needs two"),
    "line for Excel only": (b"sep=;\n", "header holds : set the arguments"),
    "no labels": (b"text;class\na;b", "needs one column 'text' and one 'label', but "
        "its header holds 'text', 'class': set the arguments text and label to"),
    "no text": (b"a, b, c;label\n1;2\n", "its header holds 'a, b, c', 'label': set"),
    "no columns": (b"a\tb\n1\t2\n", "its header holds 'a', 'b': set the arguments"),
    "no header": (b"a film,good\nanother,bad\n", "or add the header line if it is"),
    "two labels": (b"label,text,label\n1,a,1\n", "holds 'label', 'text', 'label'"),
    "quoted header": (b'"text"s,label\n', "has a header with a quote not closed, or"),
    "open header": (b'text,"label\na,b\n', "not closed in the row from line 1 to 2 ("),
    "single quotes": (b"'text','label'\n'a','b'\n", "holds \"'text'\", \"'label'\""),
    "one class": (table([(i, "a") for i in range(9)]).encode(),
        "has 9 texts with 1 labels, but needs two classes or more of 3 different"),
}  # fmt: skip


@pytest.mark.parametrize("way", ["raise", "skip"])
@pytest.mark.parametrize(("content", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_that_cannot_be_used_gets_a_sentence(save, content, words, way):
    assert words in failing(save(content), on_bad_rows=way)


def test_a_file_that_is_not_there_and_a_folder_get_a_sentence(tmp_path):
    assert "No such file" in failing(tmp_path / "none.csv")
    assert "name a CSV file" in failing(str(tmp_path))


def test_at_most_ten_columns_are_listed(save):
    header = [f"c{i}" for i in range(10_000)]
    message = failing(save(table([], ";", header)))
    assert "'c8', 'c9', and 9990 more" in message
    assert "c10" not in message
    message = failing(save(table([], ",", ["x" * 9999, "b\nc"])))
    assert len(message) < 400


@pytest.mark.parametrize(
    ("bad", "left"),
    [
        ([("", "yes"), ("lonely", "rare"), ("alone", "rare")], "11 texts with 2"),
        ([("", "yes"), ("", "yes")], "9 texts with 1"),
    ],
)
def test_one_class_is_not_enough_after_leaving_out_the_others(save, bad, left):
    rows = [(f"text {i}", "no") for i in range(9)]
    message = failing(save(table([*rows, *bad])), on_bad_rows="skip")
    assert f"), {left} labels, but needs two classes or more of 3" in message
    assert "has, without its " in message
    assert " (line 11: no text" in message


def test_no_class_is_not_enough_either(save):
    message = failing(save(table([("", "yes")])), on_bad_rows="skip")
    assert "without its 1 bad row (line 2: no text), 0 texts with 0 labels" in message


@pytest.mark.parametrize(
    ("before", "rest", "line"),
    [
        ("", '"open,yes\nmore,no\n', 18),
        ("", '"closed\ntwice\n","open,yes\nmore\n', 18),
        ('"two\nlines",no\n', '"open,yes\n"quoted",no\nmore,yes\n', 20),
        ("\r\n", '"open,yes\nhe said "no",no\n', 19),
        ("", '"",,"",";"";",x\n"open\nand "quoted" inside",yes\n', 19),
    ],
)
@pytest.mark.parametrize("separator", ",;\t")
@pytest.mark.parametrize("way", ["raise", "skip"])
def test_the_row_of_a_quote_that_is_not_closed_is_named(
    save, before, rest, line, separator, way
):
    content = (before + rest).replace(",", separator)
    message = failing(save(table(GOOD, separator) + content), on_bad_rows=way)
    assert f"a quote that is not closed in the row from line {line} to " in message


def test_a_quote_that_is_not_closed_in_the_last_line_spoils_that_line_only(save):
    data, (message,) = skipping(save(table(GOOD) + 'x,"'))
    assert "left out 1 bad row (line 18: a quote not closed" in message
    assert found(data) == set(GOOD)


# Size


def test_many_columns_and_many_rows_are_read(save):
    header = [*(f"c{i}" for i in range(9998)), "text", "label"]
    wide = table([[""] * 9998 + [*row] for row in GOOD], "\t", header)
    words = [f"word{i}" for i in range(1000)]
    generator = random.Random(0)
    rows = [
        (" ".join(generator.choices(words, k=20)), "abcd"[i % 4]) for i in range(10**5)
    ]
    long = table(rows)
    assert found(from_csv(save(wide))) == set(GOOD)
    assert from_csv(save(long)).num_rows["train"] == 75_000


# Whatever is in the file

fragments = st.sampled_from(
    [",", ";", "\t", '"', '""', "\n", "\r\n", "\r", "<br>", "'"]
)
noise = st.lists(fragments | st.text(max_size=3), max_size=6).map("".join)
anything = noise.map(lambda text: f"t{text.replace(chr(0), '')}")
separators = st.sampled_from(",;\t")


@st.composite
def corpora_of_any_kind(subset):
    """Rows with different texts in two to four classes of at least 3 texts."""
    names = subset(
        st.lists(anything, min_size=2, max_size=4, unique_by=text_csv._meaning)
    )
    count = subset(st.integers(3 * len(names), 5 * len(names)))
    chosen = subset(
        st.lists(
            anything,
            min_size=count,
            max_size=count,
            unique_by=lambda text: splits.identity(cleaned(text)),
        )
    )
    return [(text, names[i % len(names)]) for i, text in enumerate(chosen)]


def cleaned(text: str) -> str:
    return splits.clean(splits.normal(text))


def spaced(name: str) -> str:
    return " ".join(splits.normal(name).split())


def expected(rows) -> set[tuple[str, str]]:
    return {(cleaned(text), spaced(name)) for text, name in rows}


@settings(max_examples=60, deadline=None)
@given(rows=corpora_of_any_kind(), separator=separators)
def test_what_is_written_is_read_and_split_well(save, rows, separator):
    data = from_csv(save(table(rows, separator)))
    assert found(data) == expected(rows)
    assert corpora.class_counts(data).min(axis=None) >= 1
    places = [splits.place(t) for part in data.values() for t in part["text"]]
    assert len(places) == len(set(places))


LOST = [row for row, reason in BAD.items() if "line" not in reason and b"\\" not in row]


@settings(max_examples=60, deadline=None)
@given(corpora_of_any_kind(), separators, st.data())
def test_every_good_row_survives_the_bad_ones(save, rows, separator, data):
    def line(row):
        return table([], separator, row).encode()

    bad = data.draw(
        st.lists(st.sampled_from(LOST), min_size=1, max_size=4, unique=True)
    )
    lines = [line(row) for row in rows]
    lines += [row.replace(b",", separator.encode()) + b"\n" for row in bad]
    order = data.draw(st.permutations(lines))
    path = save(b"".join([line(("text", "label")), *order]))
    kept, (message,) = skipping(path)
    assert found(kept) == expected(rows)
    assert f"left out {len(bad)} bad row" in message
    for row in bad:
        assert BAD[row] in message
    assert f"has {len(bad)} bad row" in failing(path)


# Dialects, spellings and containers

FORMS = ("NFC", "NFD")


def lines_of(form: str, quote="{}") -> str:
    """Return 16 lines, each with a text and its label in the given form."""
    return "".join(
        form.format(quote.format(f"room {i}, it is nice"), ("pos", "neg")[i % 2]) + "\n"
        for i in range(16)
    )


ROOMS = {(f"room {i}, it is nice", ("pos", "neg")[i % 2]) for i in range(16)}
DIALECTS = {
    "spaces": "text, label\n" + lines_of('"{}", {}'),
    "label first": "label,  text\n" + lines_of('{1},  "{0}"'),
    "spaces at semicolons": "label; text\n" + lines_of('{1}; "{0}"'),
    "line for Excel": "sep=;\ntext;label\n" + lines_of("{};{}"),
    "quoted line for Excel": '"sep=|"\r\ntext|label\n' + lines_of("{}|{}"),
    "another separator for Excel": "SEP=^\ntext^label\n" + lines_of("{}^{}"),
    "bars": "text|label\n" + lines_of("{}|{}"),
    "mark within": "\ufeff\ufefftext;label\u200b\n" + lines_of("{};{}"),
}


@pytest.mark.parametrize("content", DIALECTS.values(), ids=DIALECTS)
def test_a_dialect_is_read_as_meant(save, content):
    assert found(from_csv(save(content))) == ROOMS


def test_single_quotes_around_most_texts_are_told(save):
    rows = [(f"'{text}'", label) for text, label in GOOD]
    data, (message,) = skipping(save(table(rows)))
    assert "most texts keep single quotes around them, where CSV" in message
    assert found(data) == set(rows)


def test_backslashes_and_apostrophes_stay(save):
    rows = [*GOOD, ("C:\\", "yes"), ("C:\\temp", "no"), ('a "b\\" c', "yes")]
    rows += [("'tis", "yes"), ("'Go' and 'come'", "no"), ("a", "don't know 'yes'")]
    rows += [(f"{i}", "don't know 'yes'") for i in "bc"]
    assert found(from_csv(save(table(rows)))) == set(rows)


MISREAD = {
    "mixed": ("label,text", "{1};room", "number of fields 1 instead of 2"),
    "bare": ("label,text", "{1},{0}", "number of fields 3 instead of 2"),
    "decimal": ("label,text,x", "{1},room,3,5", "number of fields 4 instead of 3"),
    "single quotes": ("text;label", "'{}';'{}'", "single quotes around the label"),
    "single quotes, bare": ("text,label", "'{}',{}", "number of fields 3 instead of 2"),
    "backslash": ("text,label", '"a \\"{}\\" b",{}', "a quote not closed, or inside"),
}


@pytest.mark.parametrize(("header", "form", "reason"), MISREAD.values(), ids=MISREAD)
def test_a_dialect_that_cannot_be_read_gives_bad_rows(save, header, form, reason):
    message = failing(save(f"{header}\n{lines_of(form)}"))
    assert "has 16 bad rows" in message
    assert reason in message


SPELLINGS = [
    (["0", "0.0", "0,0", "0.00", "+0", "０"], "0"),
    (["1", "1.0", "+1", "１", "１．０", "①"], "1"),
    (["-1", "−1", "-1.0", "－１"], "-1"),
    (["True", "true", "TRUE"], "True"),
    (["été", unicodedata.normalize("NFD", "été"), "ÉTÉ"], "été"),
    (["pos", "pos\u200b", "\ufeffpos", "po\xads", "ｐｏｓ"], "pos"),
    (["❤", "❤\ufe0f"], "❤"),
]
DIFFERENT = [
    *("1", "01", "1.1", "1.10", "1.000", "10", "-1", "+", "-", "C++", "C"),
    *("good", "good.", "दिन", "दान", "😀", "😡", "résumé", "resume", "True", "yes"),
]


@pytest.mark.parametrize(("labels", "name"), SPELLINGS, ids=[n for _, n in SPELLINGS])
def test_the_spellings_of_a_label_are_one_class_and_it_is_told(save, labels, name):
    labels = [*labels, name]
    rows = [(f"text {i}", labels[i % len(labels)]) for i in range(40)]
    rows += [(f"other {i}", "something else") for i in range(40)]
    data, (message,) = skipping(save(table(rows, ";")))
    assert {label for _, label in found(data)} == {name, "something else"}
    assert "labels merged" in message
    assert message.endswith(f"to {name!r}.")


def test_different_labels_stay_different(save):
    rows = [(f"{label} {i}", label) for label in DIFFERENT for i in range(3)]
    assert found(from_csv(save(table(rows, ";")))) == {*rows}


def test_texts_that_differ_in_a_sign_stay_and_their_repeats_go(save):
    pairs = [("यह दिन", "day"), ("यह दान", "gift"), ("see you 😀", "glad"),
        ("see you 😡", "cross"), ("-5", "day"), ("5", "gift")]  # fmt: skip
    rows = [(f"{text} {i}", label) for i in range(5) for text, label in pairs]
    assert found(from_csv(save(table(rows)))) == {*rows}


def test_composed_and_decomposed_texts_are_the_same(save):
    texts = [f"Le café numéro {i} était fermé" for i in range(40)]
    spelt = [(unicodedata.normalize(form, t), len(t)) for t in texts for form in FORMS]
    data, (message,) = skipping(save(table(spelt)))
    assert {text for text, _ in found(data)} == {*texts}
    assert "left out rows that repeat a text: 40" in message


@pytest.mark.parametrize("form", FORMS)
def test_the_name_of_a_column_may_be_spelt_either_way(save, form):
    header = (unicodedata.normalize(form, "à lire"), "label")
    for other in FORMS:
        name = unicodedata.normalize(other, "à lire")
        assert found(from_csv(save(table(GOOD, header=header)), name)) == {*GOOD}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_json_lines_and_gzip_are_read(save, pack):
    records = [{"id": i, "label": 1.5, "text": t} for i, (t, _) in enumerate(GOOD)]
    for i, record in enumerate(records):
        record["label"] = bool(i % 2)
    content = "\n\n".join(map(json.dumps, records))
    expected = {(text, str(bool(i % 2))) for i, (text, _) in enumerate(GOOD)}
    assert found(from_csv(save(pack(content.encode())))) == expected
    assert found(from_csv(save(pack(table(GOOD).encode())))) == {*GOOD}


def test_bad_records_are_named_with_their_line(save):
    records = [{"text": text, "label": label} for text, label in GOOD]
    bad = ['{"text": null, "label": "yes"}', '{"text": "a"}', "a,yes", '"a"',
        '{"text": "\\ud83d", "label": "yes"}', '{"text": ']  # fmt: skip
    path = save("\n".join([*map(json.dumps, records), *bad]))
    data, (message,) = skipping(path)
    assert found(data) == {*GOOD}
    assert "left out 6 bad rows (line 17: no text; line 18: no label; " in message
    assert "; ".join(f"line {i}: no JSON object" for i in (19, 20, 21, 22)) in message
    message = failing(save('{"body": "a", "label": 1}\n{"body": "b", "label": 2}'))
    assert "needs one column 'text' and one 'label', but its header holds 'body'" in (
        message
    )


CONTAINERS = {
    "workbook": (b"PK\x03\x04\x14\0", "a workbook (.xlsx)"),
    "Parquet": (b"PAR1\x15\0", "a Parquet file"),
    "old Excel": (b"\xd0\xcf\x11\xe0\xa1", ".xls"),
    "Feather": (b"ARROW1\0\0", "a Feather file"),
    "SQLite": (b"SQLite format 3\0", "an SQLite database"),
    "bzip2": (b"BZh91AY&SY", "packed with bzip2"),
    "xz": (b"\xfd7zXZ\0", "packed with xz"),
    "Zstandard": (b"(\xb5/\xfd\x04", "packed with Zstandard"),
    "7z": (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    "rich text": (b"{\\rtf1\\ansi", "a rich text file"),
    "PDF": (b"%PDF-1.7\n\xe2", "a PDF"),
    "ZIP": (b"PK\x03\x04\x14\0", "or unpack it, and try again"),
    "GitHub": (b"\n\n\n\n<!DOCTYPE html>\n<html>", "a web page"),
    "web page": (b"<!DOCTYPE HTML>\n<html>", "a web page"),
    "tar": (gzip.compress(b"own.csv".ljust(257, b"\0") + b"ustar  \0"), "byte 0x00"),
    "half of gzip": (gzip.compress(b"text,label\n" * 99)[:-9], "ended before the end"),
    "no gzip": (b"\x1f\x8b\x08 and so on", "cannot be read ("),
}


@pytest.mark.parametrize(("content", "words"), CONTAINERS.values(), ids=CONTAINERS)
def test_another_container_is_named_with_what_to_do(save, content, words):
    path = save(content)
    assert words in failing(path)
    with pytest.raises(CorpusError) as error:
        corpora.documents(path)
    assert_is_a_sentence(str(error.value), path)
    assert words in str(error.value)


@pytest.mark.parametrize("read", [from_csv, corpora.documents])
@pytest.mark.parametrize("address", ["https://a.example/x.csv", "s3://a/x", "file:/x"])
def test_an_address_is_to_be_downloaded_first(read, address):
    with pytest.raises(CorpusError, match="download it first"):
        read(Path(address))


@pytest.mark.parametrize("kind", [str, Path])
def test_the_home_folder_is_meant_by_a_tilde(tmp_path, monkeypatch, kind):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "own.csv").write_text(table(GOOD), encoding="utf-8")
    assert found(from_csv(kind("~/own.csv"))) == {*GOOD}
    with pytest.raises(CorpusError, match="too short or unfit"):
        corpora.documents(kind("~/own.csv"))


def test_numbers_in_place_of_classes_are_refused(save):
    prices = [(f"thing {i}", 1000 + 13.5 * i) for i in range(60)]
    for way in ("raise", "skip"):
        message = failing(save(table(prices)), on_bad_rows=way)
        assert " 60 texts with 60 labels (is this a number, or another col" in message
        assert "make classes of numbers, for instance with `pandas.cut`" in message
    kept, (message,) = skipping(save(table([*GOOD, *prices])))
    assert found(kept) == {*GOOD}
    assert "left out 60 bad rows" in message
    few = [(f"text {i}", f"class {i % 9}") for i in range(18)]
    assert " 18 texts with 9 labels, but" in failing(save(table(few)))


def test_white_space_that_keeps_the_quotes_in_a_field_is_named(save):
    rows = "".join(f'{label};\t"{text}"\n' for text, label in GOOD)
    message = failing(save("label;text\n" + rows))
    assert f"has {len(GOOD)} bad rows" in message
    assert "white space other than a space before a quote" in message


def test_a_field_of_any_length_is_read(save):
    before = csv.field_size_limit(1234)
    try:
        data = from_csv(save(table([*GOOD, ("é" * 200_000, "yes")])))
        assert csv.field_size_limit() == 1234
    finally:
        csv.field_size_limit(before)
    assert ("é" * 200_000, "yes") in found(data)


# The sample, and where things are


def test_the_sample_loads_without_a_warning(root):
    path = root / "data" / "samples" / "library_messages.csv"
    data = from_csv(path)
    assert data["train"].features["label"].names == ["complaint", "praise", "question"]
    counts = corpora.class_counts(data)
    assert counts.sum(axis="columns").between(55, 65).all()
    assert counts.min(axis=None) >= 7
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    assert found(data) == {*rows}  # clean as it is
    assert all(8 <= len(text.split()) <= 30 for text, _ in rows)


def test_the_sample_is_about_the_same_things_in_every_class(root):
    data = from_csv(root / "data" / "samples" / "library_messages.csv")
    texts_of: dict[str, str] = {}
    for text, name in found(data):
        texts_of[name] = f"{texts_of.get(name, '')} {text.lower()}"
    for topic in ("wifi", "lift", "print", "story time", "chess", "large print"):
        assert all(topic in text for text in texts_of.values()), topic


def test_corpora_has_what_moved():
    assert corpora.from_csv is text_csv.from_csv
    assert corpora.class_counts is text_csv.class_counts
    assert corpora.CorpusWarning is text_csv.CorpusWarning
    assert corpora.CorpusError is splits.CorpusError
    assert corpora.clean is splits.clean
    assert corpora.position is splits.position
