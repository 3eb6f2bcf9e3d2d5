"""Language models: their masks, their losses, and checkpoints that can be trusted."""

import math
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from helpers.models import checkpoints, language_models, tokenizers
from helpers.pretraining import run_folder

KINDS = {"mlm": tokenizers.wordpiece, "clm": tokenizers.byte_pairs}
OTHER = {"mlm": "clm", "clm": "mlm"}
SMALL = language_models.Shape(num_layers=2, hidden_size=16, num_heads=2, context=16)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def tokenizer_of(documents):
    return {kind: train(documents, 300) for kind, train in KINDS.items()}


@pytest.fixture(scope="module")
def models(tokenizer_of):
    """Randomly initialised models, with weights so large that every token matters."""
    torch.manual_seed(0)
    made = {}
    for kind, tokenizer in tokenizer_of.items():
        model = language_models.build(kind, tokenizer, SMALL).eval()
        for parameter in model.parameters():
            parameter.data.add_(0.3 * torch.randn_like(parameter))
        made[kind] = model
    return made


@pytest.fixture(scope="module")
def folders(models, tokenizer_of, tmp_path_factory):
    """The models as a finished run leaves them."""
    made = {}
    for kind, model in models.items():
        made[kind] = tmp_path_factory.mktemp(kind)
        tokenizer_of[kind].save_pretrained(made[kind])
        run_folder.save_model(made[kind], model)
    return made


@pytest.fixture(scope="module")
def rows(documents, tokenizer_of):
    """400 rows of tokens of which every other one ends in padding."""
    tokenizer = tokenizer_of["mlm"]
    rows = tokenizers.pack(documents, tokenizer, 64)[:400].clone()
    rows[::2, 50:] = tokenizer.pad_token_id
    rows[::3, 7] = tokenizer.unk_token_id
    return rows


@pytest.mark.parametrize("context", [0, 24])
def test_a_new_model_guesses_blindly(kind, tokenizer_of, context):
    tokenizer = tokenizer_of[kind]
    shape = SMALL._replace(context=context)
    model = language_models.build(kind, tokenizer, shape)
    length = context or language_models.CONTEXT[kind]
    assert model.config.max_position_embeddings == length
    assert len(model.get_output_embeddings().weight) == len(tokenizer)
    assert not any(m.p for m in model.modules() if isinstance(m, torch.nn.Dropout))
    rows = torch.randint(5, len(tokenizer), (4, length))
    loss = language_models.loss(kind, model, tokenizer, rows, seed=0).item()
    assert loss == pytest.approx(math.log(len(tokenizer)), abs=0.2)


def test_masks_spare_special_and_padding_tokens(rows, tokenizer_of):
    ids, labels = language_models.mask(rows, tokenizer_of["mlm"], seed=3)
    special = torch.isin(rows, torch.tensor(tokenizer_of["mlm"].all_special_ids))
    assert special.sum() > 3000
    assert (labels[special] == -100).all()
    assert torch.equal(ids[special], rows[special])


def test_labels_hold_what_stood_there_and_the_rest_stays(rows, tokenizer_of):
    before = rows.clone()
    ids, labels = language_models.mask(rows, tokenizer_of["mlm"], seed=3)
    guessed = labels != -100
    assert torch.equal(labels[guessed], rows[guessed])
    assert torch.equal(ids[~guessed], rows[~guessed])
    assert torch.equal(rows, before)


def test_15_in_100_are_guessed_of_which_80_masked_10_random_10_kept(rows, tokenizer_of):
    tokenizer = tokenizer_of["mlm"]
    ids, labels = language_models.mask(rows, tokenizer, seed=0)
    special = torch.isin(rows, torch.tensor(tokenizer.all_special_ids))
    guessed = labels != -100
    n = guessed.sum().item()
    assert n / (~special).sum().item() == pytest.approx(0.15, abs=0.012)
    now, then = ids[guessed], labels[guessed]
    masked = (now == tokenizer.mask_token_id).sum().item() / n
    kept = (now == then).sum().item() / n
    assert masked == pytest.approx(0.8, abs=0.035)
    assert kept == pytest.approx(0.1, abs=0.025)
    assert 1 - masked - kept == pytest.approx(0.1, abs=0.025)
    strange = now[(now != then) & (now != tokenizer.mask_token_id)]
    assert len(strange.unique()) > 100


def test_a_share_of_masks_can_be_chosen(rows, tokenizer_of):
    few, many = (
        (language_models.mask(rows, tokenizer_of["mlm"], 0, share)[1] != -100)
        .float()
        .mean()
        for share in (0.05, 0.5)
    )
    assert 8 < many / few < 12.5


def test_one_seed_makes_one_set_of_masks(rows, tokenizer_of):
    torch.rand(3)
    state = torch.get_rng_state()
    one, again, other = (
        language_models.mask(rows, tokenizer_of["mlm"], s) for s in (5, 5, 6)
    )
    assert all(map(torch.equal, one, again))
    assert not torch.equal(one[1], other[1])
    assert torch.equal(torch.get_rng_state(), state)


def test_logits_of_masked_positions_are_those_of_the_whole_model(
    rows, tokenizer_of, models
):
    ids, labels = language_models.mask(rows[:8, :16], tokenizer_of["mlm"], seed=0)
    logits, targets = language_models.masked_logits(models["mlm"], ids, labels)
    whole = models["mlm"](input_ids=ids, labels=labels)
    guessed = labels != -100
    torch.testing.assert_close(logits, whole.logits[guessed])
    assert torch.equal(targets, labels[guessed])
    loss = language_models.loss(
        "mlm", models["mlm"], tokenizer_of["mlm"], rows[:8, :16], 0
    )
    torch.testing.assert_close(loss, whole.loss)


def test_masked_scores_are_those_of_one_large_batch(rows, tokenizer_of, models):
    rows = rows[:40, :16]  # more than fit in two batches
    losses, hits = language_models.masked_scores(
        models["mlm"], tokenizer_of["mlm"], rows
    )
    ids, labels = language_models.mask(
        rows, tokenizer_of["mlm"], language_models.MASK_SEED
    )
    whole = models["mlm"](input_ids=ids, labels=labels)
    assert len(losses) == len(hits) == (labels != -100).sum()
    torch.testing.assert_close(losses.mean(), whole.loss)
    assert torch.equal(hits, (whole.logits.argmax(-1) == labels)[labels != -100])


def test_the_training_loss_of_next_tokens_is_that_of_each_token_but_the_first(
    models, tokenizer_of
):
    rows = torch.randint(2, 300, (3, 16))
    model = models["clm"]
    loss = language_models.loss("clm", model, tokenizer_of["clm"], rows, seed=0)
    each = [-log_p(model, row[:i], row[i]) for row in rows for i in range(1, 16)]
    assert loss.item() == pytest.approx(sum(each) / len(each), rel=1e-4)


@torch.no_grad()
def log_p(model, before, token) -> float:
    logits = model(input_ids=before[None]).logits[0, -1]
    return logits.log_softmax(-1)[token].item()


def naive(model, tokens) -> list[float]:
    """One token at a time, in the first window in which it is not near the start."""
    context = model.config.n_positions
    step = context // 2
    losses = []
    for at in range(1, len(tokens)):
        start = 0
        while at >= start + context:
            start += step
        losses.append(-log_p(model, tokens[start:at], tokens[at]))
    return losses


@pytest.mark.parametrize("context", [8, 9, 16])
@settings(deadline=None, max_examples=15)
@given(length=st.integers(2, 60), seed=st.integers(0, 99))
def test_each_token_of_a_text_is_scored_once_with_enough_before_it(
    tokenizer_of, context, length, seed
):
    torch.manual_seed(seed)
    shape = language_models.Shape(1, 8, 2, context)
    model = language_models.build("clm", tokenizer_of["clm"], shape).eval()
    for parameter in model.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    tokens = torch.randint(0, 300, (length,))
    losses = language_models.next_token_losses(model, tokens)
    assert losses.shape == (length - 1,)
    assert losses.tolist() == pytest.approx(naive(model, tokens), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("length", [2, 9, 16])
def test_a_text_within_the_context_has_the_models_own_loss(models, length):
    tokens = torch.randint(0, 300, (length,))
    own = models["clm"](input_ids=tokens[None], labels=tokens[None]).loss
    losses = language_models.next_token_losses(models["clm"], tokens)
    torch.testing.assert_close(losses.mean(), own.detach())


def test_many_windows_are_read_in_batches(models):
    tokens = torch.randint(0, 300, (8 * language_models.BATCH_SIZE * 2 + 13,))
    losses = language_models.next_token_losses(models["clm"], tokens)
    expected = naive(models["clm"], tokens)
    assert losses.tolist() == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_a_saved_model_comes_back_up_to_half_precision(
    kind, folders, models, tokenizer_of, no_network
):
    model, tokenizer = language_models.load(kind, folders[kind])
    assert not model.training
    assert tokenizer.get_vocab() == tokenizer_of[kind].get_vocab()
    for name, weights in models[kind].named_parameters():
        loaded = model.get_parameter(name)
        assert loaded.dtype == torch.float32
        assert torch.equal(loaded, weights.half().float()), name
    ids = torch.randint(5, 300, (2, 16))
    with torch.no_grad():
        now, then = (m(input_ids=ids).logits for m in (model, models[kind]))
    assert (now - then).abs().max() < 0.01 * then.abs().max()


@pytest.fixture
def copy(kind, folders, tmp_path):
    return shutil.copytree(folders[kind], tmp_path / "copy")


def refused(kind, folder) -> str:
    """Return the sentence with which a checkpoint is refused."""
    with pytest.raises(checkpoints.CheckpointError) as error:
        language_models.load(kind, folder)
    message = str(error.value)
    assert "\n" not in message
    assert str(folder) in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize("size", [0, 5, 2000, -1])
def test_cut_weights_are_refused(kind, copy, size):
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    assert "damaged" in refused(kind, copy)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_missing_files_are_refused(kind, copy, name):
    (copy / name).unlink()
    assert "missing" in refused(kind, copy)


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "tokenizer_config.json"]
)
@pytest.mark.parametrize("size", [0, 100])
def test_cut_descriptions_are_refused(kind, copy, name, size):
    (copy / name).write_bytes((copy / name).read_bytes()[:size])
    assert "damaged" in refused(kind, copy)


def test_a_folder_that_is_not_there_is_refused(kind, tmp_path):
    assert "missing" in refused(kind, tmp_path / "nowhere")


def test_another_kind_of_model_is_refused(kind, folders):
    names = {"mlm": "bert", "clm": "gpt2"}
    message = refused(OTHER[kind], folders[kind])
    assert f"a {names[kind]}, not a {names[OTHER[kind]]} model" in message


def test_another_vocabulary_is_refused(kind, copy, documents):
    KINDS[kind](documents, 290).save_pretrained(copy)
    assert "tokenizer has 290 tokens and its embedding matrix 300" in refused(
        kind, copy
    )


@pytest.mark.parametrize("which", [0, 5, -1])
def test_missing_weights_are_refused(kind, copy, which):
    file = copy / "model.safetensors"
    weights = load_file(file)
    del weights[sorted(weights)[which]]
    save_file(weights, file)
    assert "it lacks " in refused(kind, copy)


def test_weights_of_another_shape_are_refused(kind, copy):
    file = copy / "model.safetensors"
    weights = load_file(file)
    weights[sorted(weights)[3]] = torch.zeros(7)
    save_file(weights, file)
    refused(kind, copy)
