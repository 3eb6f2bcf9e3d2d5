"""A saved classifier predicts as before, and refuses what it cannot read."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForSequenceClassification, BertModel

from helpers import encoders, pieces, predictor
from helpers.env import ROOT

NAMES = ["complaint", "praise", "a question"]
TEXTS = ["the door is shut", "what a lovely room", "when do you open"] * 3

ELSEWHERE = """
import sys
import torch
from helpers import encoders, predictor
saved = predictor.Predictor(sys.argv[1])
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
    return pieces.wordpiece(TEXTS * 5, 200)


@pytest.fixture
def model(tokenizer):
    return classifier(tokenizer)


@pytest.fixture
def folder(tmp_path, model, tokenizer):
    predictor.save(tmp_path / "saved", model, tokenizer, NAMES)
    return tmp_path / "saved"


def test_probabilities_are_the_models_own_in_the_order_of_the_texts(
    folder, model, tokenizer
):
    table = predictor.Predictor(folder)(TEXTS)
    wanted = encoders.logits(model, tokenizer, TEXTS).softmax(-1)
    assert list(table) == ["label", *NAMES]
    torch.testing.assert_close(torch.tensor(table[NAMES].to_numpy()), wanted)
    assert list(table["label"]) == [NAMES[i] for i in wanted.argmax(-1)]
    assert table["label"].nunique() > 1


def test_a_fresh_process_computes_identical_logits(folder, model, tokenizer, tmp_path):
    out = tmp_path / "scores.pt"
    command = [sys.executable, "-c", ELSEWHERE, str(folder), str(out), *TEXTS]
    subprocess.run(command, cwd=ROOT, check=True)
    here = encoders.logits(predictor.Predictor(folder).model, tokenizer, TEXTS)
    assert torch.equal(torch.load(out), here)
    assert torch.equal(here, encoders.logits(model, tokenizer, TEXTS))


def test_weights_are_no_pickle_and_classes_have_names(folder):
    names = {file.name for file in folder.iterdir()}
    assert "model.safetensors" in names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    assert predictor.Predictor(folder).names == NAMES


def test_more_than_ten_classes_keep_their_order(tokenizer, tmp_path):
    names = [f"class {number}" for number in range(12)]
    predictor.save(tmp_path, classifier(tokenizer, 12), tokenizer, names)
    assert predictor.Predictor(tmp_path).names == names


def test_a_name_for_each_class_is_asked_for(model, tokenizer, tmp_path):
    with pytest.raises(ValueError, match="2 names for 3 classes: give one"):
        predictor.save(tmp_path, model, tokenizer, ["yes", "no"])
    assert not list(tmp_path.iterdir())


def test_no_texts_give_an_empty_table(folder):
    table = predictor.Predictor(folder)([])
    assert table.shape == (0, 4)
    assert list(table) == ["label", *NAMES]


@pytest.mark.parametrize("texts", [None, "a single text"])
def test_it_wants_a_list(folder, texts):
    with pytest.raises(predictor.PredictorError, match="takes a list of texts"):
        predictor.Predictor(folder)(texts)


@pytest.mark.parametrize("odd", [None, "", " \n", 3, float("nan"), ["a"]])
def test_what_is_no_text_is_named(folder, odd):
    with pytest.raises(predictor.PredictorError, match="^Text 1 .*take it out"):
        predictor.Predictor(folder)(["fine", odd, "fine"])


def test_a_very_long_text_is_read_from_its_beginning(folder):
    saved = predictor.Predictor(folder)
    short, long = saved(["lovely " * 100, "lovely " * 1_000_000])[NAMES].to_numpy()
    assert short == pytest.approx(long, abs=1e-6)


def test_a_missing_folder_gets_a_sentence(tmp_path):
    with pytest.raises(predictor.PredictorError, match="no saved model in .*nowhere"):
        predictor.Predictor(tmp_path / "nowhere")


def test_a_truncated_file_gets_a_sentence(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(predictor.PredictorError, match="cannot be read .*save it ag"):
        predictor.Predictor(folder)


def test_a_lost_head_is_noticed(folder):
    file = folder / "model.safetensors"
    weights = load_file(file)
    kept = {name: w for name, w in weights.items() if "classifier" not in name}
    save_file(kept, file, {"format": "pt"})
    with pytest.raises(predictor.PredictorError, match="lacks .*classifier.* head"):
        predictor.Predictor(folder)


def test_an_encoder_is_no_classifier(tokenizer, model, tmp_path):
    BertModel(model.config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(predictor.PredictorError, match="is no classifier"):
        predictor.Predictor(tmp_path)
