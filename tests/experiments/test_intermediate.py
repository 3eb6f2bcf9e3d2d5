"""The reviewer reads what it is shown of film reviews, and nothing that is asked."""

import pytest
from datasets import Dataset

from helpers import paths
from helpers.experiments import intermediate
from helpers.training import strategies

OTHER = "film " * 299 + "end"


@pytest.fixture
def asked(monkeypatch, tmp_path):
    sentence = max(strategies.sentences()["test"]["text"], key=len)
    texts = [f"Before. {sentence} After.", OTHER]
    reviews = Dataset.from_dict({"text": texts, "label": [0, 1]})
    monkeypatch.setattr(intermediate.corpora, "imdb", lambda: {"train": reviews})
    monkeypatch.setattr(paths, "CACHED_EXPERIMENTS", tmp_path)


def test_it_reads_no_sentence_that_is_asked_later_and_is_trained_once(fits, asked):
    folder = intermediate.train("last 64 pieces")
    assert fits[0]["texts"] == [OTHER]
    assert intermediate.train("last 64 pieces") == folder
    assert len(fits) == 1
    assert strategies.new_classifier(1, weights=str(folder)).config.num_labels == 2


@pytest.mark.parametrize("shown", intermediate.SHOWN)
def test_it_is_shown_what_its_name_says(shown, fits, asked, monkeypatch):
    given = []
    classifier = intermediate.fine_tuning.classifier
    monkeypatch.setattr(
        intermediate.fine_tuning,
        "classifier",
        lambda model, tokenizer, data, **options: (
            given.append(tokenizer) or classifier(model, tokenizer, data, **options)
        ),
    )
    intermediate.train(shown)
    (tokenizer,), (fit,) = given, fits
    length = fit["max_length"]
    ids = tokenizer(fit["texts"], truncation=True, max_length=length)["input_ids"]
    assert tokenizer.decode(ids[0], skip_special_tokens=True).endswith("film end")
    if shown == "last 4 parts":
        assert len(ids) == 4
    else:
        assert len(ids[0]) == int(shown.split()[1])


def test_parts_are_cut_from_the_end_and_keep_the_label():
    words = [str(i) for i in range(45 * 5)]
    short, long = " ".join(words[:10]), " ".join(words)
    middle = " ".join(words[: 45 + 10])
    cut = intermediate.parts(
        Dataset.from_dict({"text": [short, long, middle], "label": [0, 1, 0]})
    )
    assert cut["label"][:] == [0, 1, 1, 1, 1, 0]
    assert cut["text"][0] == short
    assert [text.split()[0] for text in cut["text"][1:5]] == ["180", "135", "90", "45"]
    assert cut["text"][5] == " ".join(words[10 : 45 + 10])
