"""Model cards: every number on them is one that was measured."""

import json

import matplotlib.pyplot as plt
import pytest

from helpers.pretraining import model_card

FIGURES = {
    "mlm": ["masked_accuracy", "unigram_accuracy", "masked_perplexity"],
    "clm": ["perplexity", "trigram_perplexity", "unigram_perplexity"],
}
LOG = """step,tokens,seconds,learning_rate,loss,held_out_loss
10,10240,90.0,0.001,8.25,
20,20480,3600.0,0.0005,7.125,7.375
30,30720,7200.0,0.0,6.5,6.75
"""


def finished(folder, objective: str, source: str):
    """Write what a run leaves behind for its card."""
    held_out = {
        name: {"value": 10.5 + i, "interval": (9.25 + i, 11.75 + i), "n": 2000 + i}
        for i, name in enumerate(FIGURES[objective])
    }
    results = {
        "source": source,
        "recipe": {
            "objective": objective,
            "steps": 30,
            "seed": 17,
            "tokens": 1024,
            "learning_rate": 0.002,
            "warmup_fraction": 0.03,
            "weight_decay": 0.15,
            "betas": [0.85, 0.995],
            "max_grad_norm": 1.25,
            "precision": "bfloat16",
            "mlm_probability": 0.35,
            "short_length": 48,
            "short_fraction": 0.45,
        },
        "documents": {"train": 18_001, "validation": 3_002, "test": 3_003},
        "tokens": {"train": 20_480, "validation": 4_000, "test": 5_000},
        "held_out": held_out,
        "cores": 6,
        "date": "2026-01-31",
        "versions": {"torch": "2.0.9", "transformers": "5.0.9"},
    }
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    length = {"mlm": "max_position_embeddings", "clm": "n_positions"}[objective]
    config = {"vocab_size": 8192, length: 99}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "log.csv").write_text(LOG, encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"\0" * 2_600_000)
    model_card.write_card(folder)
    return (folder / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=FIGURES)
def objective(request):
    return request.param


@pytest.fixture(scope="module")
def card(objective, tmp_path_factory):
    return finished(tmp_path_factory.mktemp("run"), objective, model_card.REVIEWS)


@pytest.mark.parametrize(
    "words",
    [
        "Seed 17; 30 steps of 1,024 tokens in sequences of 99",
        "18,001 documents, 20,480 tokens, read 1.5 times",
        "Another 3,002 documents served",
        "and 3,003 to test",
        "learning rate 0.002 after a warm-up over 3% of the steps",
        "betas 0.85 and 0.995",
        "weight decay 0.15",
        "clipped at 1.25",
        "bfloat16 matrix products",
        "6 cores, 2.0 hours, torch 2.0.9, transformers 5.0.9, 2026-01-31",
        "1.3 million parameters and a vocabulary of 8,192 tokens, and reads at most 99",
        "from 8.2 to 6.50, held out 6.75",
        "`dtype=torch.float32`",
    ],
)
def test_a_card_says(card, words):
    assert words in " ".join(card.split())


def test_the_head_can_be_read_by_the_hub(card):
    assert card.startswith("---\nlicense: apache-2.0\nlanguage: en\n---\n# A small ")


def test_the_card_names_its_command_and_its_task(card, objective):
    assert f"`python -m helpers pretrain {objective}`" in card
    task = {
        "mlm": "predict masked tokens (35% are selected, 15 % when evaluated; of these "
        "80 % become `[MASK]`, 10 % a random token, 10 % stay), at first, for 45% of "
        "the steps, in sequences of 48.",
        "clm": "predict the next token.",
    }
    assert f"learned to {task[objective]}" in " ".join(card.split())
    assert model_card.TITLES[objective] in card


def test_only_the_masked_model_has_two_losses_to_explain(card, objective):
    words = "high while training reads short sequences"
    assert (words in " ".join(card.split())) is (objective == "mlm")


def test_every_figure_has_a_row_with_its_interval_and_size(card, objective):
    rows = [line for line in card.splitlines() if line.startswith("| ")][1:]
    assert rows == [
        f"| {model_card.MEANING[name]} | {10.5 + i:.4g} | {9.25 + i:.4g} to "
        f"{11.75 + i:.4g} | {2000 + i:,} |"
        for i, name in enumerate(FIGURES[objective])
    ]


def test_only_reviews_have_the_biases_of_their_writers(tmp_path, objective):
    assert "**Biases.**" in finished(tmp_path, objective, model_card.REVIEWS)
    other = finished(tmp_path, objective, "my {odd} corpus.txt")
    assert "**Biases.**" not in other
    assert "**Data.** my {odd} corpus.txt: 18,001" in other
    assert "IMDB" not in other


def test_the_curve_is_a_picture_and_stays_closed(tmp_path, objective):
    before = plt.get_fignums()
    finished(tmp_path, objective, "x.txt")
    assert (tmp_path / "curve.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert plt.get_fignums() == before


def test_the_curve_shows_every_point_of_the_log():
    log = [
        {"tokens": 1e6, "loss": 8.0},
        {"tokens": 2e6, "loss": 7.0, "held_out_loss": 7.5},
        {"tokens": 3e6, "loss": 6.5},
        {"tokens": 4e6, "loss": 6.0, "held_out_loss": 6.25},
    ]
    (ax,) = model_card.curve(log).axes
    training, held_out = ax.lines
    assert training.get_xydata().tolist() == [[1, 8], [2, 7], [3, 6.5], [4, 6]]
    assert held_out.get_xydata().tolist() == [[2, 7.5], [4, 6.25]]
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["training", "held out"]
    assert "millions" in ax.get_xlabel()
    assert "nats" in ax.get_ylabel()
