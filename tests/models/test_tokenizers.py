"""Tokens: nothing is lost or padded, and a saved tokenizer is the same."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from helpers.models import language_models, tokenizers

KINDS = {"mlm": tokenizers.wordpiece, "clm": tokenizers.byte_pairs}
SIZE = 400
ODD = ["Né à l'été 😀\n\tzwölf", "", "bada bada", " [MASK]  <|endoftext|> ", "猫"]


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def tokenizer_of(documents):
    return {kind: train(documents, SIZE) for kind, train in KINDS.items()}


@pytest.fixture
def tokenizer(tokenizer_of, kind):
    return tokenizer_of[kind]


@given(st.text(max_size=60))
@example("two\nlines\r\n\n  and 😀👩‍👩‍👧 .\x00\u2028")
@example(" ,don't  !")
@example("ends<|endoftext|>here")
@settings(deadline=None)
def test_byte_pairs_give_back_any_text(tokenizer_of, text):
    tokenizer = tokenizer_of["clm"]
    ids = tokenizers.stream([text], tokenizer)
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids[:-1]) == text
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_padding_is_not_the_end_of_a_text(tokenizer):
    end = {tokenizer.sep_token_id, tokenizer.eos_token_id} - {None}
    assert tokenizer.pad_token_id is not None
    assert tokenizer.pad_token_id not in end


def test_byte_pairs_come_without_token_types_which_gpt2_would_add_up(tokenizer_of):
    assert set(tokenizer_of["clm"]("A film.")) == {"input_ids", "attention_mask"}


def test_tokens_ignore_case_and_know_their_limits(tokenizer_of, documents):
    tokenizer = tokenizer_of["mlm"]
    text = documents[0]
    assert tokenizer(text.upper())["input_ids"] == tokenizer(text)["input_ids"]
    assert tokenizer.unk_token_id not in tokenizer(text)["input_ids"]
    assert tokenizer.unk_token_id in tokenizer("猫")["input_ids"]
    assert tokenizer.decode(tokenizer(text)["input_ids"][1:-1]) == text


def test_a_pair_of_texts_is_framed_and_told_apart(tokenizer_of):
    tokenizer = tokenizer_of["mlm"]
    pair = tokenizer("bada", "bada bada", return_token_type_ids=True)
    names = tokenizer.convert_ids_to_tokens(pair["input_ids"])
    assert [names[0], names[-1], names.count("[SEP]")] == ["[CLS]", "[SEP]", 2]
    second = names.index("[SEP]") + 1
    kinds = pair["token_type_ids"]
    assert kinds == [0] * second + [1] * (len(names) - second)


def test_a_vocabulary_has_the_size_wanted_and_is_made_alike_twice(
    tokenizer, kind, documents
):
    assert len(tokenizer) == SIZE
    made = {KINDS[kind](iter(documents), SIZE).backend_tokenizer.to_str()}
    made |= {KINDS[kind](documents, SIZE).backend_tokenizer.to_str() for _ in range(3)}
    assert made == {tokenizer.backend_tokenizer.to_str()}


def test_a_reloaded_tokenizer_gives_the_same_ids(tokenizer, kind, documents, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    model = language_models.build(kind, tokenizer, language_models.Shape(1, 8, 2))
    for _ in range(2):  # without and with the configuration of a model beside it
        again = AutoTokenizer.from_pretrained(tmp_path)
        for text in (*ODD, *documents[:20]):
            assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
        assert torch.equal(
            tokenizers.pack(documents, again, 32),
            tokenizers.pack(documents, tokenizer, 32),
        )
        assert again.special_tokens_map == tokenizer.special_tokens_map
        model.config.save_pretrained(tmp_path)


def test_a_stream_ends_each_text_once(tokenizer, documents):
    end = tokenizer.sep_token_id or tokenizer.eos_token_id
    ids = tokenizers.stream(documents[:3], tokenizer).tolist()
    expected = []
    for text in documents[:3]:
        expected += tokenizer(text, add_special_tokens=False)["input_ids"] + [end]
    assert ids == expected
    assert ids.count(end) == 3


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_packing_loses_only_what_does_not_fill_a_row(tokenizer_of, documents, data):
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    tokenizer = tokenizer_of[kind]
    texts = data.draw(st.lists(st.sampled_from(documents[:9] + ODD), max_size=6))
    length = data.draw(st.integers(4, 70))
    rows = tokenizers.pack(texts, tokenizer, length)
    assert rows.dtype == torch.long
    assert rows.shape[1] == length
    assert tokenizer.pad_token_id not in rows
    inner = rows
    if kind == "mlm":
        assert (rows[:, 0] == tokenizer.cls_token_id).all()
        assert (rows[:, -1] == tokenizer.sep_token_id).all()
        inner = rows[:, 1:-1]
    ids = tokenizers.stream(texts, tokenizer)
    assert torch.equal(inner.flatten(), ids[: inner.numel()])
    assert 0 <= len(ids) - inner.numel() < inner.shape[1]


def test_no_texts_make_no_rows(tokenizer):
    assert tokenizers.stream([], tokenizer).shape == (0,)
    assert tokenizers.pack([], tokenizer, 16).shape == (0, 16)


def test_a_tokenizer_can_be_trained_on_nothing(kind):
    tokenizer = KINDS[kind]([], SIZE)
    text = "any ☃"
    ids = tokenizer(text)["input_ids"]
    if kind == "clm":
        assert tokenizer.decode(ids) == text
    else:
        assert set(ids[1:-1]) == {tokenizer.unk_token_id}
