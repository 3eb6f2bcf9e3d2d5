"""A saved classifier predicts as before, and refuses what it cannot read."""

import json
import subprocess
import sys
import warnings

import pandas as pd
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertModel,
)

from helpers.data import corpora
from helpers.models import encoders, text_classifier, tokenizers
from helpers.paths import ROOT

NAMES = ["complaint", "praise", "a question"]
TEXTS = ["the door is shut", "what a lovely room", "when do you open"] * 3

ELSEWHERE = """
import sys
import torch
from helpers.models import encoders, text_classifier
saved = text_classifier.Predictor(sys.argv[1])
scores = encoders.logits(saved.model, saved.tokenizer, sys.argv[3:])
torch.save(scores, sys.argv[2])
"""


def classifier(tokenizer, classes=3):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=classes,
        initializer_range=0.5,
        attn_implementation="eager",
    )
    return BertForSequenceClassification(config).eval()


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizers.wordpiece(TEXTS * 5, 200)


@pytest.fixture
def model(tokenizer):
    return classifier(tokenizer)


@pytest.fixture
def folder(tmp_path, model, tokenizer):
    text_classifier.save(tmp_path / "saved", model, tokenizer, NAMES)
    return tmp_path / "saved"


def failing(saved, texts, **options) -> str:
    with pytest.raises(text_classifier.PredictorError) as error:
        saved(texts, **options)
    message = str(error.value)
    assert "\n" not in message and message.endswith(".")
    message.encode()  # or it could not be printed
    return message


def telling(saved, texts, **options):
    """Return the table, and the messages of the warnings."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        table = saved(texts, **options)
    assert {warning.category for warning in told} <= {corpora.CorpusWarning}
    assert {warning.filename for warning in told} <= {__file__}
    return table, [str(warning.message) for warning in told]


def test_probabilities_are_the_models_own_in_the_order_of_the_texts(
    folder, model, tokenizer
):
    table = text_classifier.Predictor(folder)(TEXTS)
    wanted = encoders.logits(model, tokenizer, TEXTS).softmax(-1)
    assert list(table) == ["label", *NAMES]
    torch.testing.assert_close(torch.tensor(table[NAMES].to_numpy()), wanted)
    assert list(table["label"]) == [NAMES[i] for i in wanted.argmax(-1)]
    assert table["label"].nunique() > 1


def test_a_fresh_process_computes_identical_logits(folder, model, tokenizer, tmp_path):
    out = tmp_path / "scores.pt"
    command = [sys.executable, "-c", ELSEWHERE, str(folder), str(out), *TEXTS]
    subprocess.run(command, cwd=ROOT, check=True)
    here = encoders.logits(text_classifier.Predictor(folder).model, tokenizer, TEXTS)
    assert torch.equal(torch.load(out), here)
    assert torch.equal(here, encoders.logits(model, tokenizer, TEXTS))


def test_weights_are_no_pickle_and_classes_have_names(folder):
    names = {file.name for file in folder.iterdir()}
    assert "model.safetensors" in names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    assert text_classifier.Predictor(folder).names == NAMES


def test_more_than_ten_classes_keep_their_order(tokenizer, tmp_path):
    names = [f"class {number}" for number in range(12)]
    text_classifier.save(tmp_path, classifier(tokenizer, 12), tokenizer, names)
    assert text_classifier.Predictor(tmp_path).names == names


def test_a_name_for_each_class_is_needed(model, tokenizer, tmp_path):
    with pytest.raises(
        ValueError, match="3 classes are called yes, no, and each needs"
    ):
        text_classifier.save(tmp_path, model, tokenizer, ["yes", "no"])
    assert not list(tmp_path.iterdir())


def test_no_texts_give_an_empty_table(folder):
    table = text_classifier.Predictor(folder)([])
    assert table.shape == (0, 4)
    assert list(table) == ["label", *NAMES]


ALONE = {
    "None": (None, "None, of type NoneType"),
    "text": ("a single text", "'a single text', of type str"),
    "book": ("word " * 99, f"'{'word ' * 7}wor…, of type str"),
    "number": (3, "3, of type int"),
    "bytes": (b"text", "b'text', of type bytes"),
    "dict": ({"text": "fine"}, "{'text': 'fine'}, of type dict"),
    "table": (pd.DataFrame({"text": ["fine"]}), ", of type DataFrame"),
    "scalar": (torch.tensor(3), "tensor(3), of type Tensor"),
}


@pytest.mark.parametrize("case", ALONE)
@pytest.mark.parametrize("way", ["raise", "skip"])
def test_it_wants_a_list(folder, case, way):
    texts, words = ALONE[case]
    message = failing(text_classifier.Predictor(folder), texts, on_bad_rows=way)
    assert message.startswith("The predictor takes a list of texts, but was given ")
    assert f"{words}: put texts, also one alone, into brackets" in message


@pytest.mark.parametrize("kind", [tuple, iter, pd.Series])
def test_what_is_like_a_list_is_taken(folder, kind):
    saved = text_classifier.Predictor(folder)
    pd.testing.assert_frame_equal(saved(kind(TEXTS)), saved(TEXTS))


BAD = {
    "None": (None, "not a text but None"),
    "number": (3, "not a text but 3"),
    "nan": (float("nan"), "not a text but nan"),
    "list": (["a"], "not a text but ['a']"),
    "lines": (pd.Series([1, 2]), "not a text but 0    1 1    2 dtype: int64"),
    "empty": ("", "no text in ''"),
    "blank": (" \n", r"no text in ' \n'"),
    "blanks": (" " * 99, f"no text in '{' ' * 38}…"),
    "late": (" " * text_classifier.LONGEST + "text", f"no text in '{' ' * 38}…"),
    "surrogate": ("a\ud83d", r"a lone surrogate '\ud83d' in 'a\ud83d'"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_item_is_named_or_left_out(folder, case):
    item, reason = BAD[case]
    saved = text_classifier.Predictor(folder)
    texts = [TEXTS[0], item, TEXTS[2]]
    listed = f"1 bad item (counted from 0, item 1: {reason})"
    assert failing(saved, texts) == (
        f'The list has {listed}: mend them, or leave them out with on_bad_rows="skip".'
    )
    table, messages = telling(saved, texts, on_bad_rows="skip")
    assert messages == [f"The list: left out {listed}."]
    pd.testing.assert_frame_equal(table, saved(TEXTS[:3]).loc[[0, 2]])


def test_only_the_first_bad_items_are_spelled_out(folder):
    saved = text_classifier.Predictor(folder)
    reasons = [f"item {number}: no text in ''" for number in range(1, 13)]
    message = failing(saved, ["fine", *[""] * 12])
    five = "; ".join(reasons[:5])
    assert f"has 12 bad items (counted from 0, {five}; and 7 more): mend" in message
    table, messages = telling(saved, ["fine", *[""] * 12], on_bad_rows="skip")
    assert f"left out 12 bad items (counted from 0, {five}; and 7 more)." in messages[0]
    assert list(table.index) == [0]


def test_all_items_may_be_left_out(folder):
    saved = text_classifier.Predictor(folder)
    table, messages = telling(saved, ["", None], on_bad_rows="skip")
    pd.testing.assert_frame_equal(table, saved([]))
    assert len(messages) == 1


def test_without_bad_items_both_ways_give_the_same(folder):
    saved = text_classifier.Predictor(folder)
    table, messages = telling(saved, TEXTS, on_bad_rows="skip")
    pd.testing.assert_frame_equal(table, saved(TEXTS))
    assert messages == []
    assert list(table.index) == list(range(len(TEXTS)))


@pytest.mark.parametrize("value", ["drop", "", None, True, "RAISE"])
def test_bad_items_are_raised_or_skipped(folder, value):
    message = failing(text_classifier.Predictor(folder), TEXTS, on_bad_rows=value)
    assert message == f'on_bad_rows is "raise" or "skip", not {value!r}.'


def test_a_very_long_text_is_read_from_its_beginning(folder):
    texts = ["lovely " * 100, "lovely " * 1_000_000]
    table, _ = telling(text_classifier.Predictor(folder), texts)
    short, long = table[NAMES].to_numpy()
    assert short == pytest.approx(long, abs=1e-6)


def test_texts_that_are_cut_are_counted(folder):
    fits = "the " * 62  # and two tokens for beginning and end
    saved = text_classifier.Predictor(folder)
    _, messages = telling(saved, [fits, fits + "the", *[fits + "door"] * 6])
    assert messages == [
        "The list: 7 of 8 texts are cut at the model's limit of 64 tokens (items 1, 2, "
        "3, 4, 5, and 2 more, counted from 0): split them if their ends matter."
    ]
    _, messages = telling(saved, ["", fits, fits + "the"], on_bad_rows="skip")
    assert "1 of 2 texts are cut" in messages[1] and "items 2, co" in messages[1]
    assert telling(saved, [fits])[1] == []


def test_what_lies_behind_many_blanks_is_told_to_be_cut(folder):
    far = "lovely" + " " * text_classifier.LONGEST + "door"
    _, messages = telling(text_classifier.Predictor(folder), [far])
    assert "1 of 1 texts are cut" in messages[0]


def test_texts_are_cut_where_they_were_in_training(model, tokenizer, tmp_path):
    before = tokenizer.model_max_length
    text_classifier.save(tmp_path, model, tokenizer, NAMES, max_length=4)
    assert tokenizer.model_max_length == before
    assert AutoTokenizer.from_pretrained(tmp_path).model_max_length == 4
    table, messages = telling(text_classifier.Predictor(tmp_path), TEXTS)
    wanted = encoders.logits(model, tokenizer, TEXTS, max_length=4).softmax(-1)
    torch.testing.assert_close(torch.tensor(table[NAMES].to_numpy()), wanted)
    assert "limit of 4 tokens" in messages[0]


def test_a_model_saved_without_a_limit_has_that_of_its_positions(
    folder, model, tokenizer
):
    tokenizer.save_pretrained(folder)
    saved = text_classifier.Predictor(folder)
    assert saved.max_length == model.config.max_position_embeddings
    assert "limit of 512 tokens" in telling(saved, ["the " * 600])[1][0]


def test_a_model_that_diverged_labels_nothing(folder):
    saved = text_classifier.Predictor(folder)
    saved.model.classifier.weight.data[0, 0] = torch.nan
    assert "NaN" in failing(saved, TEXTS)


def test_a_missing_folder_gets_a_sentence(tmp_path):
    with pytest.raises(
        text_classifier.PredictorError, match="no saved model in .*nowhere"
    ):
        text_classifier.Predictor(tmp_path / "nowhere")


def test_a_truncated_file_gets_a_sentence(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(text_classifier.PredictorError, match="damaged .*of them again"):
        text_classifier.Predictor(folder)


def test_a_lost_head_is_noticed(folder):
    file = folder / "model.safetensors"
    weights = load_file(file)
    kept = {name: w for name, w in weights.items() if "classifier" not in name}
    save_file(kept, file, {"format": "pt"})
    with pytest.raises(
        text_classifier.PredictorError, match="it lacks 2 weights, as classif"
    ):
        text_classifier.Predictor(folder)


def test_an_encoder_is_no_classifier(tokenizer, model, tmp_path):
    BertModel(model.config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(text_classifier.PredictorError, match="it lacks .*as classifi"):
        text_classifier.Predictor(tmp_path)


@pytest.mark.parametrize(
    "names, columns",
    [
        (["label", "praise", "text"], ["p(label)", "praise", "text"]),
        (["p(label)", "label", "index"], ["p(label)", "p(p(label))", "index"]),
    ],
)
def test_a_class_may_be_called_label(model, tokenizer, tmp_path, names, columns):
    text_classifier.save(tmp_path, model, tokenizer, names)
    table = text_classifier.Predictor(tmp_path)(TEXTS)
    wanted = encoders.logits(model, tokenizer, TEXTS).softmax(-1)
    assert list(table) == ["label", *columns]
    torch.testing.assert_close(torch.tensor(table[columns].to_numpy()), wanted)
    assert list(table["label"]) == [names[i] for i in wanted.argmax(-1)]


def test_a_lost_tokenizer_is_noticed(folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(
        text_classifier.PredictorError, match="there is no tokenizer.json"
    ):
        text_classifier.Predictor(folder)


def test_a_lost_tokenizer_of_berts_own_class_is_noticed(tmp_path):
    """Without its file the library makes one of five tokens, and says nothing."""
    tokenizer = AutoTokenizer.from_pretrained(encoders.locate("minilm"))
    text_classifier.save(tmp_path, classifier(tokenizer), tokenizer, NAMES)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(
        text_classifier.PredictorError, match="5 tokens.*; there is no tokenizer.json"
    ):
        text_classifier.Predictor(tmp_path)


def test_a_tokenizer_of_another_model_is_noticed(folder, documents):
    tokenizers.wordpiece(documents, 500).save_pretrained(folder)
    with pytest.raises(text_classifier.PredictorError, match="has 500 tokens and its"):
        text_classifier.Predictor(folder)


def test_layers_that_would_be_left_out_are_noticed(folder):
    file = folder / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"num_hidden_layers": 1}))
    with pytest.raises(
        text_classifier.PredictorError, match="would be left out.*layer.1"
    ):
        text_classifier.Predictor(folder)


def problem(tokenizer, **changes):
    model = classifier(tokenizer)
    for name, value in changes.items():
        setattr(model.config, name, value)
    return model


OTHER_PROBLEMS = {
    "one class": ({"num_labels": 1}, ["stars"], "it has one output, which is regress"),
    "regression": ({"problem_type": "regression"}, NAMES, "problem_type is regression"),
    "many labels": (
        {"problem_type": "multi_label_classification"},
        NAMES,
        "problem_type is multi_label",
    ),
}


@pytest.mark.parametrize("case", OTHER_PROBLEMS)
def test_a_head_for_another_problem_is_refused(tokenizer, folder, tmp_path, case):
    changes, names, reason = OTHER_PROBLEMS[case]
    with pytest.raises(ValueError, match=reason):
        text_classifier.save(tmp_path, problem(tokenizer, **changes), tokenizer, names)
    assert [file.name for file in tmp_path.iterdir()] == [folder.name]
    if "num_labels" in changes:
        model = classifier(tokenizer, 1)
    else:
        model = problem(tokenizer, **changes)
    model.save_pretrained(folder)  # by the library's own means
    with pytest.raises(text_classifier.PredictorError, match=f"classifier: .*{reason}"):
        text_classifier.Predictor(folder)


def test_a_problem_named_as_ours_is_taken(tokenizer, tmp_path):
    model = problem(tokenizer, problem_type="single_label_classification")
    text_classifier.save(tmp_path, model, tokenizer, NAMES)
    assert text_classifier.Predictor(tmp_path).names == NAMES


def test_each_class_needs_a_name_of_its_own(model, tokenizer, folder, tmp_path):
    names = ["yes", "no", "yes"]
    called = "called yes, no, yes, and each needs a name of its own"
    with pytest.raises(ValueError, match=called):
        text_classifier.save(tmp_path, model, tokenizer, names)
    model.config.id2label = dict(enumerate(names))
    model.save_pretrained(folder)
    with pytest.raises(text_classifier.PredictorError, match=called):
        text_classifier.Predictor(folder)


@pytest.mark.parametrize("form", [BertModel, BertForMaskedLM])
def test_only_a_classifier_is_saved(tokenizer, tmp_path, form):
    model = form(classifier(tokenizer).config)
    with pytest.raises(ValueError, match=f"a {form.__name__} is no model for seq"):
        text_classifier.save(tmp_path, model, tokenizer, NAMES)
    assert list(tmp_path.iterdir()) == []


def test_a_model_with_adapters_is_saved_so_that_it_loads(model, tokenizer, tmp_path):
    config = LoraConfig(task_type="SEQ_CLS", target_modules=["query", "value"])
    adapted = get_peft_model(model, config)
    torch.manual_seed(1)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name or "modules_to_save" in name:
            parameter.data += torch.randn_like(parameter)
    before = {name: w.clone() for name, w in adapted.state_dict().items()}
    wanted = encoders.logits(adapted, tokenizer, TEXTS)
    text_classifier.save(tmp_path, adapted, tokenizer, NAMES)
    after = adapted.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], weights) for name, weights in before.items())
    saved = text_classifier.Predictor(tmp_path)
    torch.testing.assert_close(encoders.logits(saved.model, tokenizer, TEXTS), wanted)
    assert saved.names == NAMES


def test_the_predictor_warns_of_long_texts_once_and_by_their_numbers(folder):
    _, messages = telling(text_classifier.Predictor(folder), ["the " * 100] * 3)
    assert len(messages) == 1 and "items 0, 1, 2," in messages[0]
