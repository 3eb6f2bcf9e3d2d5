"""The checkpoints that come with the course are what their cards say."""

import json
import math
import shutil

import pytest
import torch
from safetensors import safe_open

from helpers import paths
from helpers.data import assets
from helpers.models import language_models
from helpers.pretraining import model_card
from helpers.pretraining.run_folder import NAMES

OBJECTIVES = [
    objective
    for objective, name in NAMES.items()
    if (paths.CHECKPOINTS / name).is_dir()
]
MOST_BYTES = 14_000_000
TEXT = "This is one of the best films I have seen, and the acting is very good."


@pytest.fixture(params=OBJECTIVES)
def objective(request):
    return request.param


@pytest.fixture
def folder(objective):
    return paths.CHECKPOINTS / NAMES[objective]


def test_the_checkpoint_is_an_asset_and_unaltered(objective, folder):
    assert assets.fetch(NAMES[objective]) == folder
    listed = set(assets.lookup(folder.name).files)
    assert {path.name for path in folder.iterdir()} - listed == {
        "README.md",
        "curve.png",
    }


def test_its_weights_are_small_and_in_half_precision(folder):
    file = folder / "model.safetensors"
    assert file.stat().st_size <= MOST_BYTES
    with safe_open(file, "pt") as weights:
        assert {weights.get_slice(k).get_dtype() for k in weights.keys()} == {"F16"}  # noqa: SIM118


def test_its_card_is_written_from_its_results(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / folder.name)
    (copy / "README.md").unlink()
    model_card.write_card(copy)
    written = (copy / "README.md").read_text(encoding="utf-8")
    assert written == (folder / "README.md").read_text(encoding="utf-8")


def test_its_log_ends_at_the_last_step_of_its_recipe(folder):
    recipe = json.loads((folder / "results.json").read_text("utf-8"))["recipe"]
    *_, last = (folder / "log.csv").read_text(encoding="utf-8").splitlines()
    assert last.startswith(f"{recipe['steps']},{recipe['steps'] * recipe['tokens']},")


def test_it_knows_more_than_a_new_model(objective):
    model, tokenizer = language_models.load(objective, NAMES[objective])
    sequences = tokenizer(TEXT, return_tensors="pt")["input_ids"].repeat(8, 1)
    with torch.inference_mode():
        loss = language_models.loss(
            objective, model, tokenizer, sequences, seed=0
        ).item()
    assert loss < math.log(len(tokenizer)) - 3
