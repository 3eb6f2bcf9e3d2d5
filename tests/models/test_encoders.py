"""Encoders: loaded ready for use, and vectors that do not depend on their company."""

import json
import shutil
import warnings

import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    Dinov2Config,
    Dinov2Model,
    PreTrainedTokenizerFast,
)

from helpers.data import assets
from helpers.models import checkpoints, encoders, tokenizers

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefgh"]
SHORT = "a b"
LONG = "h g f e d c b a " * 7
TEXTS = [LONG, "a", "c d e f", SHORT, "", "h h h", LONG + "b", "b a"]


def make_tokenizer(words=None) -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = words or {word: number for number, word in enumerate(WORDS)}
    inner = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random BERT of width 16, saved in half precision, with its tokenizer."""
    path = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).to(torch.bfloat16).save_pretrained(path)
    make_tokenizer().save_pretrained(path)
    return path


@pytest.fixture
def bert(folder):
    return encoders.load_text(str(folder))


@pytest.fixture(scope="module")
def minilm():
    assets.fetch("minilm", quiet=True)
    return encoders.load_text("minilm")


@pytest.fixture(scope="module")
def dino():
    """A random DINOv2 of width 16 for pictures of 28 pixels."""
    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=28,
        patch_size=14,
    )
    return Dinov2Model(config).eval()


def test_an_assets_name_becomes_its_folder_and_any_other_name_stays(monkeypatch):
    monkeypatch.setattr(assets, "fetch", lambda name: f"folder of {name}")
    assert encoders.locate("minilm") == "folder of minilm"
    assert encoders.locate("bert-base-uncased") == "bert-base-uncased"


def test_a_text_encoder_comes_in_float32_and_evaluation_mode(bert):
    model, tokenizer = bert
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not any(module.training for module in model.modules())
    assert tokenizer("a b")["input_ids"] == [2, 4, 5, 3]


def test_options_reach_the_model(folder):
    model, _ = encoders.load_text(str(folder), attn_implementation="eager")
    assert model.config._attn_implementation == "eager"


def test_an_image_encoder_comes_in_float32_and_evaluation_mode(dino, tmp_path):
    dino.to(torch.bfloat16).save_pretrained(tmp_path)
    dino.to(torch.float32)
    model = encoders.load_image(str(tmp_path))
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not model.training


@pytest.mark.parametrize("file", ["tokenizer.json", "config.json"])
def test_an_encoder_whose_files_do_not_fit_is_refused(folder, tmp_path, file):
    copy = shutil.copytree(folder, tmp_path / "copy")
    if file == "config.json":
        config = json.loads((copy / file).read_text()) | {"num_hidden_layers": 1}
        (copy / file).write_text(json.dumps(config))
    else:
        words = {f"word{number}": number for number in range(40)}
        make_tokenizer(words | {"[UNK]": 40, "[CLS]": 41, "[SEP]": 42}).save_pretrained(
            copy
        )
    with pytest.raises(checkpoints.CheckpointError) as error:
        encoders.load_text(str(copy))
    assert "or of another model" in str(error.value)
    assert "44 tokens" in str(error.value) or "left out" in str(error.value)


def test_an_encoder_needs_neither_a_pooler_nor_the_head_of_another_model():
    model, _ = encoders.load_text("course-bert")  # saved with its masked-token head
    assert encoders.count(model).total > 5e6


def test_evaluation_restores_every_modules_mode_also_after_an_error(bert):
    model, tokenizer = bert
    model.train()
    model.encoder.eval()
    before = [module.training for module in model.modules()]
    noiseless = [encoders.embed_texts(model, tokenizer, TEXTS) for _ in range(2)]
    assert torch.equal(*noiseless)

    def failing(hidden, mask):
        assert not model.training
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        encoders.embed_texts(model, tokenizer, TEXTS, pool=failing)
    assert [module.training for module in model.modules()] == before


def test_images_are_embedded_without_dropout(dino):
    noisy = Dinov2Model(
        Dinov2Config(**dino.config.to_dict() | {"hidden_dropout_prob": 0.5})
    )
    pixels = torch.randn(2, 3, 28, 28)
    noisy.train()
    assert torch.equal(*(encoders.embed_images(noisy, pixels) for _ in range(2)))
    assert noisy.training


@pytest.mark.parametrize(("long", "warned"), [(2, False), (3, True)])
def test_it_is_told_when_many_texts_are_cut(bert, long, warned):
    texts = ["a b"] * (50 - long) + ["a " * 30] * long
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        encoders.embed_texts(*bert, texts, max_length=12)
    assert len(told) == warned
    if warned:
        assert told[0].category is tokenizers.TruncationWarning
        assert told[0].filename == __file__
        lost = 3 * 20 / (47 * 4 + 3 * 32)
        assert str(told[0].message) == (
            "6% of 50 texts are longer than 12 tokens and are cut there, and with "
            f"their ends {lost:.0%} of all tokens are lost: set max_length= (the "
            "longest has 32), or split the texts."
        )


@pytest.mark.parametrize("use", [encoders.embed_texts, encoders.logits])
def test_more_tokens_than_a_model_has_positions_are_refused(bert, use):
    with pytest.raises(ValueError, match="max_length is 65, the model reads 64 tok"):
        use(*bert, ["a"], max_length=65)


def test_a_text_that_just_fits_is_not_cut(bert):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoders.embed_texts(*bert, ["a " * 10] * 5, max_length=12)


def test_a_frozen_model_has_nothing_left_to_train(bert):
    model, _ = bert
    before = encoders.count(model)
    assert before.trainable == before.total
    encoders.freeze(model)
    assert encoders.count(model) == (0, before.total)
    assert encoders.count(model).fraction == 0


def test_no_optimiser_moves_a_frozen_weight(bert):
    model, tokenizer = bert
    encoders.freeze(model)
    before = {name: p.clone() for name, p in model.named_parameters()}
    head = torch.nn.Linear(16, 2)
    optimiser = torch.optim.AdamW([*model.parameters(), *head.parameters()], lr=1.0)
    batch = tokenizer([SHORT], return_tensors="pt")
    head(model(**batch).last_hidden_state[:, 0]).sum().backward()
    optimiser.step()
    for name, p in model.named_parameters():
        assert torch.equal(p, before[name])


def test_parameters_are_counted_by_hand():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 5))
    encoders.freeze(model[0])
    assert encoders.count(model) == (4 * 5 + 5, 3 * 4 + 4 + 4 * 5 + 5)
    assert encoders.count(model).fraction == pytest.approx(25 / 41)


def test_shared_weights_count_once():
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    model[1].weight = model[0].weight
    assert encoders.count(model).total == 4 * 4 + 4 + 4


def test_the_real_models_have_the_sizes_their_cards_give(minilm):
    assert encoders.count(minilm[0]).total == 22_713_216
    dinov2 = encoders.load_image("dinov2-small")
    assert encoders.count(dinov2).total == 22_056_576


def test_mean_pool_is_a_plain_loop_over_the_real_tokens():
    torch.manual_seed(0)
    hidden = torch.randn(3, 5, 4)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])
    pooled = encoders.mean_pool(hidden, mask)
    for text in range(3):
        total, tokens = torch.zeros(4), 0
        for token in range(5):
            if mask[text, token]:
                total, tokens = total + hidden[text, token], tokens + 1
        torch.testing.assert_close(pooled[text], total / tokens)


def test_cls_pool_takes_the_first_token():
    hidden = torch.arange(24.0).view(2, 3, 4)
    pooled = encoders.cls_pool(hidden, torch.ones(2, 3))
    assert pooled.tolist() == [[0, 1, 2, 3], [12, 13, 14, 15]]


@pytest.mark.parametrize("pool", [encoders.mean_pool, encoders.cls_pool])
@pytest.mark.parametrize("tokens_per_batch", [1, 16, 2048])
def test_vectors_come_in_the_order_of_the_texts(
    bert, monkeypatch, pool, tokens_per_batch
):
    monkeypatch.setattr(encoders, "TOKENS_PER_BATCH", tokens_per_batch)
    together = encoders.embed_texts(*bert, TEXTS, pool=pool)
    assert together.shape == (len(TEXTS), 16)
    for text, vector in zip(TEXTS, together, strict=True):
        alone = encoders.embed_texts(*bert, [text], pool=pool)[0]
        torch.testing.assert_close(vector, alone, atol=1e-5, rtol=0)


def test_a_vector_is_what_the_model_says_about_the_text_alone(bert):
    model, tokenizer = bert
    with torch.inference_mode():
        batch = tokenizer(["c d e f"], return_tensors="pt")
        expected = model(**batch).last_hidden_state.mean(1)
    torch.testing.assert_close(
        encoders.embed_texts(*bert, TEXTS)[2:3], expected, atol=1e-5, rtol=0
    )


def test_no_batch_is_larger_than_allowed_and_little_is_padded(bert, monkeypatch):
    masks = []

    def spy(hidden, mask):
        masks.append(mask)
        return encoders.mean_pool(hidden, mask)

    monkeypatch.setattr(encoders, "TOKENS_PER_BATCH", 128)
    texts = [" ".join("a" * (1 + 7 * i % 40)) for i in range(100)]
    encoders.embed_texts(*bert, texts, pool=spy)
    assert len(masks) > 10  # batches
    assert max(mask.numel() for mask in masks) <= 128
    real = sum(int(mask.sum()) for mask in masks)
    assert real / sum(mask.numel() for mask in masks) > 0.95


def test_long_texts_are_cut_at_max_length(bert):
    cut = encoders.embed_texts(*bert, ["a " * 50, "a " * 8], max_length=10)
    torch.testing.assert_close(cut[0], cut[1])
    uncut = encoders.embed_texts(*bert, ["a " * 50, "a " * 8], max_length=60)
    assert (uncut[0] - uncut[1]).abs().max() > 1e-3


def test_embedding_says_nothing_and_keeps_no_gradients(bert, capfd):
    vectors = encoders.embed_texts(*bert, (text for text in TEXTS))
    assert capfd.readouterr() == ("", "")
    assert not vectors.requires_grad
    assert vectors.dtype == torch.float32


@pytest.mark.parametrize("pool", [encoders.mean_pool, encoders.cls_pool])
def test_minilm_gives_the_same_vector_alone_and_in_company(minilm, pool):
    short = "A quiet film."
    long = "It goes on and on, " * 40
    alone = encoders.embed_texts(*minilm, [short], pool=pool)
    company = encoders.embed_texts(*minilm, [long, short, long], pool=pool)
    assert alone.shape == (1, 384)
    torch.testing.assert_close(company[1:2], alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(company[0], company[2])


def test_minilm_puts_like_beside_like(minilm):
    texts = ["The film was wonderful.", "A great movie!", "Mix the flour and eggs."]
    film, movie, cake = torch.nn.functional.normalize(
        encoders.embed_texts(*minilm, texts)
    )
    assert film @ movie > 0.6
    assert film @ cake < 0.3


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_an_image_vector_is_the_class_token_and_the_mean_of_the_patches(
    dino, batch_size
):
    torch.manual_seed(1)
    pixels = torch.randn(5, 3, 28, 28)
    vectors = encoders.embed_images(dino, pixels, batch_size=batch_size)
    assert vectors.shape == (5, 32)
    assert not vectors.requires_grad
    for picture, vector in zip(pixels, vectors, strict=True):
        with torch.inference_mode():
            hidden = dino(picture[None]).last_hidden_state[0]  # [1 + 4 patches, 16]
        expected = torch.cat([hidden[0], hidden[1:].mean(0)])
        torch.testing.assert_close(vector, expected, atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def classifier(folder):
    model = BertForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    return model.train(), encoders.load_text(str(folder))[1]


def test_logits_come_in_the_order_of_the_texts_and_without_padding(classifier):
    model, tokenizer = classifier
    together = encoders.logits(model, tokenizer, TEXTS)
    alone = torch.cat([encoders.logits(model, tokenizer, [text]) for text in TEXTS])
    assert together.shape == (len(TEXTS), 2)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_logits_switch_dropout_off_and_leave_the_model_as_it_was(classifier):
    model, tokenizer = classifier
    one, other = (encoders.logits(model, tokenizer, TEXTS) for _ in range(2))
    assert torch.equal(one, other)
    assert model.training
    assert not one.requires_grad
