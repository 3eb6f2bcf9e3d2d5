"""Every check accepts the right answer, rejects typical mistakes, and knows a stub."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.nn import functional

from helpers.exercises import (
    ch01,
    ch02,
    ch03,
    ch04,
    ch04b,
    ch04c,
    ch04d,
    ch04e,
    ch05,
    ch06,
    ch06b,
    ch06c,
    ch06d,
    ch06e,
    ch06f,
    ch07,
    verdicts,
)
from tests.exercises import (
    cases_06,
    cases_06b,
    cases_06c,
    cases_06d,
    cases_06e,
    cases_06f,
)

MODULES = ch01, ch02, ch03, ch04, ch04b, ch04c, ch04d, ch04e, ch05
MODULES += ch06, ch06b, ch06c, ch06d, ch06e, ch06f, ch07
# of chapter 6, each with RIGHT, WRONG and UNREPAIRED
CASES = cases_06, cases_06b, cases_06c, cases_06d, cases_06e, cases_06f


def causal(q, k, v, scale=True, mask="before", side="later", axis=-1):
    """Causal attention, right by default, with the mistakes that people make."""
    scores = q @ k.T / (math.sqrt(q.shape[-1]) if scale else 1)
    ones = torch.ones_like(scores)
    sides = {"later": ones.triu(1), "earlier": ones.tril(-1), "itself": ones.triu(0)}
    later = sides[side].bool()
    if mask == "before":
        return scores.masked_fill(later, -torch.inf).softmax(axis) @ v
    if mask == "zero score":
        return scores.masked_fill(later, 0).softmax(-1) @ v
    if mask == "after":
        return scores.softmax(-1).masked_fill(later, 0) @ v
    return scores.softmax(-1) @ v


def pool(hidden, mask):
    return (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)


def shuffle_words(embed, texts, mix=lambda w, rng: rng.permutation(w), axis=1):
    rng = np.random.default_rng(0)
    mixed = [" ".join(mix(text.split(), rng)) for text in texts]
    return torch.cosine_similarity(embed(texts), embed(mixed), axis).mean().item()


def only_biases(model, test=lambda name: name.endswith("bias")):
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(test(name))
    return model


def freeze_weights_only(model):
    for name, parameter in model.named_parameters():
        if not name.endswith("bias"):
            parameter.requires_grad_(False)
    return model


def scaled(rows, by):
    return (rows - by.mean(0)) / by.std(0)


def check(name):
    """Return a check by its name, in whichever module it is."""
    return next(getattr(module, name) for module in MODULES if hasattr(module, name))


def mean(numbers):
    numbers = list(numbers)
    return sum(numbers) / len(numbers)


def pooled(texts):
    return mean(loss for text in texts for loss in text)


def labels(ids, lengths, shift=0):
    return ids.masked_fill(torch.arange(6) >= lengths[:, None] + shift, -100)


def masker(
    sequences,
    tokenizer,
    generator,
    probability=0.15,
    cuts=(0.8, 0.9),
    specials=True,
    label=lambda sequences, ids: sequences,
    spill=False,
    keep=True,
):
    """BERT's masking rule, right by default, with the mistakes that people make."""
    special = torch.isin(sequences, torch.tensor(tokenizer.all_special_ids))
    chosen = torch.rand(sequences.shape, generator=generator) < probability
    chosen &= ~special | (not specials)
    random = torch.rand(sequences.shape, generator=generator)
    ids = sequences.clone() if keep else sequences
    given = sequences.clone()
    ids[chosen & (random < cuts[0])] = tokenizer.mask_token_id
    swapped = (random >= cuts[0]) & (random < cuts[1]) & (chosen | spill)
    other = torch.randint(len(tokenizer), sequences.shape, generator=generator)
    ids[swapped & ~special] = other[swapped & ~special]
    return ids, label(given, ids).masked_fill(~chosen, -100)


def whole_words(tokens, chosen, ahead=True, back=True):
    words, word = [], -1
    for token in tokens:
        word += not token.startswith("##")
        words.append(word)
    wanted = chosen.clone()
    for i, mine in enumerate(words):
        for j in chosen.nonzero().flatten().tolist():
            if words[j] == mine and ((i > j and ahead) or (i < j and back)):
                wanted[i] = True
    return wanted


def three_bugs(sequences, tokenizer, generator):
    special = torch.isin(sequences, torch.tensor(tokenizer.all_special_ids))
    chosen = (torch.rand(sequences.shape, generator=generator) < 0.15) & ~special
    labels = sequences.clone()
    labels[chosen] = -100
    sequences[chosen] = 7
    return sequences, labels


def train_epoch(
    model,
    optimizer,
    batches,
    mode=True,
    first=False,
    forget=True,
    last=False,
    give=mean,
):
    model.train(mode)
    losses = []
    for number, batch in enumerate(batches):
        loss = model(**batch).loss
        if first:
            optimizer.step()
        loss.backward()
        if not first and (not last or number == len(batches) - 1):
            optimizer.step()
        if forget and not last:
            optimizer.zero_grad()
        losses.append(loss)
    return give([loss.item() for loss in losses] if give is mean else losses)


def accumulated(losses, sizes):
    return (losses * sizes).sum() / sizes.sum()


def temperature(logits, labels, change=lambda logits, t: logits / t, choose=min):
    def loss(t):
        return functional.cross_entropy(change(logits, t), labels)

    return choose(np.arange(0.5, 4.05, 0.1), key=loss)


def adapt(model, task="SEQ_CLS", r=4, layers=("q_lin", "v_lin"), free=False):
    config = LoraConfig(task_type=task, r=r, target_modules=[*layers])
    adapted = get_peft_model(model, config)
    return adapted.requires_grad_() if free else adapted


def initialise(A, B, a=torch.nn.init.normal_, b=torch.nn.init.zeros_):
    a(A)
    b(B)


class Scaled(nn.Module):
    """IA3 by hand, right by default, with the mistakes that people make."""

    def __init__(self, layer, start=1.0, size=None, freeze=True, add=False):
        super().__init__()
        self.layer, self.add = layer.requires_grad_(not freeze), add
        self.vector = nn.Parameter(torch.full((size or layer.out_features,), start))

    def forward(self, hidden):
        output = self.layer(hidden)
        if self.vector.numel() == hidden.shape[-1]:
            return self.layer(hidden * self.vector)
        return output + self.vector if self.add else output * self.vector


def repaired(classifier, targets=("query", "value"), learn=(), **settings):
    config = LoraConfig(r=4, target_modules=[*targets], **settings)
    model = get_peft_model(classifier, config)
    for name, parameter in model.named_parameters():
        if any(part in name for part in learn):
            parameter.requires_grad_(True)
    return model


def next_learning_rate(learning_rate, alpha, new_alpha, power=0.5):
    return learning_rate * (alpha / new_alpha) ** power


def to_lora(change, r, alpha, power=1, scale=-1):
    U, S, V = torch.linalg.svd(change, full_matrices=False)
    return U[:, :r] * S[:r] ** power * (alpha / r) ** scale, V[:r]


def margin(first, second, times=1.96, n=5, power=0.5):
    return times * ((first - second).var() / n) ** power


def bytes_needed(frozen, width, trained, each=16):
    return frozen * width + trained * each


def adapted_gpt2(model, targets=("attn.c_attn", "attn.c_proj"), r=4, **options):
    options |= {"r": r, "target_modules": list(targets), "fan_in_fan_out": True}
    return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **options))


def gained(method, baseline, full):
    return (method - baseline) / (full - baseline)


RIGHT = {
    "gained": gained,
    "fraud": "b",
    "adapt_gpt2": adapted_gpt2,
    "margin": margin,
    "bytes_needed": bytes_needed,
    "other_machine": "b",
    "next_learning_rate": next_learning_rate,
    "to_lora": to_lora,
    "which_layers": "b",
    "add_ia3": Scaled,
    "repair": partial(repaired, task_type="SEQ_CLS"),
    "forgetting": "c",
    "train_epoch": train_epoch,
    "accumulated": accumulated,
    "temperature": temperature,
    "which_epoch": "b",
    "better_model": "c",
    "adapt": adapt,
    "initialise": initialise,
    "enough": "b",
    "masker": masker,
    "whole_words": whole_words,
    "too_good": "c",
    "is_it_a_leak": "b",
    "causal_attention": causal,
    "mean_pooling": pool,
    "sentiment_claim": "b",
    "shuffled_similarity": shuffle_words,
    "only_biases": only_biases,
    "standardise": lambda a, b: (scaled(a, a), scaled(b, a)),
    "which_to_ship": "b",
    "one_point_apart": "c",
    "perplexity": lambda texts: math.exp(pooled(texts)),
    "bits_per_character": lambda loss, t, c: loss * t / c / math.log(2),
    "make_labels": labels,
    "which_rule": "b",
} | {name: answer for cases in CASES for name, answer in cases.RIGHT.items()}
WRONG = (
    {  # check -> (answer, a word of the hint that fits)
        "margin": [
            (partial(margin, n=1), "one sentence"),
            (partial(margin, power=1), "root"),
            (partial(margin, times=1), "68 %"),
            (lambda first, second: first - second, "shape"),
        ],
        "bytes_needed": [
            (partial(bytes_needed, each=12), "16 bytes"),
            (partial(bytes_needed, each=0), "trained parameters are missing"),
            (lambda frozen, width, trained: 12 * trained, "the weights themselves"),
            (lambda frozen, width, trained: 16 * (frozen + trained), "no gradient"),
            (lambda frozen, width, trained: 4 * frozen + 16 * trained, "`width` bytes"),
            (partial(bytes_needed, each=14), "float32"),
            (partial(bytes_needed, each=1), "for each frozen one"),
        ],
        "gained": [
            (lambda method, baseline, full: method / full, "where is the baseline"),
            (lambda method, baseline, full: method - baseline, "divide"),
            (lambda method, baseline, full: (method - baseline) / full, "whole way"),
            (
                lambda method, baseline, full: 1 - gained(method, baseline, full),
                "missing",
            ),
            (lambda method, baseline, full: full, "by hand"),
            (lambda *given: max(0.0, gained(*given)), "negative"),
            (lambda *given: abs(gained(*given)), "by hand"),
        ],
        "fraud": [("a", "cheap"), ("c", "worth nothing"), ("x", "Choose")],
        "adapt_gpt2": [
            (partial(adapted_gpt2, targets=["c_attn"]), "one layer of two"),
            (partial(adapted_gpt2, targets=["c_attn", "c_proj"]), "longer paths"),
            (partial(adapted_gpt2, targets=["attn.c_proj"]), "Adapted are attn.c_proj"),
            (partial(adapted_gpt2, r=8), "rank"),
            (partial(adapted_gpt2, modules_to_save=["ln_f"]), "More is trained"),
            (lambda model: model, "get_peft_model"),
        ],
        "other_machine": [("a", "arrived"), ("c", "digits"), ("x", "Choose")],
        "next_learning_rate": [
            (partial(next_learning_rate, power=1), "Both B and A"),
            (partial(next_learning_rate, power=-0.5), "smaller"),
            (partial(next_learning_rate, power=2), "alpha squared"),
            (partial(next_learning_rate, power=0), "should stay"),
        ],
        "to_lora": [
            (partial(to_lora, scale=0), "divide by it"),
            (partial(to_lora, power=0), "How strong"),
            (partial(to_lora, scale=-2), "alpha / r is there twice"),
            (partial(to_lora, power=2), "S is there twice"),
            (partial(to_lora, power=0.5), "nearest"),
            (lambda change, r, alpha: change, "two matrices"),
            (lambda change, r, alpha: (change, change), "should be"),
        ],
        "which_layers": [("a", "shared"), ("c", "learning"), ("x", "Choose")],
        "add_ia3": [
            (partial(Scaled, start=0.0), "changes nothing"),
            (partial(Scaled, start=0.0, add=True), "does not add"),
            (partial(Scaled, size=3), "each output"),
            (partial(Scaled, freeze=False), "3 tensors are trained"),
            (partial(Scaled, size=1), "shape"),
            (lambda layer: layer.requires_grad_(False), "0 tensors"),
            (lambda layer: 1.0, "a module"),
        ],
        "repair": [
            (partial(repaired, targets=["query"], task_type="SEQ_CLS"), "Half"),
            (repaired, "still random"),
            (partial(repaired, learn=["classifier"]), "not saved"),
            (partial(repaired, task_type="SEQ_CLS", learn=["bias"]), "More is trained"),
            (lambda model: model, "get_peft_model"),
        ],
        "forgetting": [("a", "differ"), ("b", "would stay"), ("d", "Choose")],
        "train_epoch": [
            (partial(train_epoch, forget=False), "forget them"),
            (partial(train_epoch, first=True), "No weight has moved"),
            (partial(train_epoch, last=True), "every batch"),
            (partial(train_epoch, mode=False), "model.train()"),
            (partial(train_epoch, give=lambda losses: sum(losses) / 3), "graph"),
            (partial(train_epoch, give=lambda losses: losses[-1].item()), "mean of"),
            (partial(train_epoch, give=lambda losses: None), "mean of"),
            (lambda *given: None, "No weight has moved"),
        ],
        "accumulated": [
            (lambda losses, sizes: losses.mean(), "weigh less"),
            (lambda losses, sizes: losses.sum(), "grow with"),
            (lambda losses, sizes: (losses * sizes).sum(), "number of texts"),
            (lambda losses, sizes: losses, "shape"),
        ],
        "temperature": [
            (
                partial(temperature, change=lambda logits, t: logits * t),
                "not multiplied",
            ),
            (partial(temperature, choose=max), "lowest"),
            (partial(temperature, change=lambda s, t: (s / t).softmax(1)), "of logits"),
            (lambda logits, labels: 11, "place"),
            (lambda logits, labels: 2.5, "too large"),
            (lambda logits, labels: logits, "one number"),
            (lambda logits, labels: [1.6], "one number"),
        ],
        "which_epoch": [("a", "luckiest"), ("c", "lucky one, too")],
        "better_model": [("a", "coin"), ("b", "paired"), ("d", "Choose")],
        "adapt": [
            (partial(adapt, layers=["query", "value"]), "names of the layers"),
            (partial(adapt, layers=["q_lin"]), "v_lin"),
            (partial(adapt, layers=["q_lin", "k_lin", "v_lin"]), "no others"),
            (partial(adapt, r=8), "is 8, not 4"),
            (partial(adapt, task=None), "stays random"),
            (partial(adapt, task="TOKEN_CLS"), "another task"),
            (lambda model: [adapt(model)][1:] or None, "returned None"),
            (partial(adapt, free=True), "own weights"),
            (lambda model: model, "no LoRA"),
        ],
        "initialise": [
            (lambda A, B: None, "in place"),
            (partial(initialise, b=torch.nn.init.normal_), "damaged"),
            (partial(initialise, a=torch.nn.init.ones_), "Equal numbers"),
        ],
        "enough": [("a", "fair"), ("c", "other side"), ("d", "Choose")],
        "masker": [
            (partial(masker, probability=0.4), "are selected"),
            (partial(masker, cuts=(0.5, 0.9)), "become [MASK]"),
            (partial(masker, cuts=(0.8, 0.82)), "another token"),
            (partial(masker, specials=False), "Special tokens"),
            (partial(masker, label=lambda sequences, ids: ids), "stood there before"),
            (partial(masker, spill=True), "not selected"),
            (partial(masker, keep=False), "handed in"),
            (lambda *given: masker(*given)[0], "two tensors"),
        ],
        "whole_words": [
            (partial(whole_words, back=False), "begins before"),
            (partial(whole_words, ahead=False), "goes on"),
            (lambda tokens, chosen: chosen, "as they were"),
            (lambda tokens, chosen: chosen.logical_or(torch.ones(7) > 0), "numbers"),
            (lambda tokens, chosen: [False] * 6 + [True], "numbers"),
            (lambda tokens, chosen: "un", "not a tensor"),
        ],
        "too_good": [("a", "our own"), ("b", "smaller learning rate")],
        "is_it_a_leak": [("a", "neighbours"), ("c", "larger")],
        "causal_attention": [
            (lambda q, k, v: causal(q, k, v, mask="none"), "still have a weight"),
            (lambda q, k, v: causal(q, k, v, mask="after"), "sum to one"),
            (lambda q, k, v: causal(q, k, v, mask="zero score"), "infinity"),
            (lambda q, k, v: causal(q, k, v, side="earlier"), "wrong way round"),
            (lambda q, k, v: causal(q, k, v, scale=False), "square root"),
            (lambda q, k, v: causal(q, k, v, side="itself"), "itself"),
            (lambda q, k, v: causal(q, k, v, axis=0), "last axis"),
            (lambda q, k, v: (causal(q, k, v), None), "alone"),
            (lambda q, k, v: v[:2], "shape"),
            (lambda q, k, v: v, "numbers"),
            (lambda q, k, v: [0.0], "not a tensor"),
        ],
        "mean_pooling": [
            (lambda h, m: h.mean(1), "multiply by the mask"),
            (lambda h, m: h[:, 0], "CLS"),
            (lambda h, m: (h * m.unsqueeze(-1)).sum(1) / m.sum(1), "keepdim"),
            (lambda h, m: (h * m.unsqueeze(-1)).sum(1) / m.sum(), "its own number"),
            (lambda h, m: (h * m.unsqueeze(-1)).sum(1), "divide"),
        ],
        "sentiment_claim": [("a", "not 50 %"), ("c", "baseline"), ("d", "Choose")],
        "shuffled_similarity": [
            (lambda e, t: shuffle_words(e, t, lambda words, rng: words), "shuffled"),
            (
                lambda e, t: shuffle_words(
                    e, t, lambda w, r: r.permutation(list(w[0]))
                ),
                "words",
            ),
            (lambda e, t: shuffle_words(e, t, axis=0), "must give 1"),
            (lambda e, t: torch.tensor(1.0), "float"),
        ],
        "only_biases": [
            (freeze_weights_only, "frozen before"),
            (lambda m: only_biases(m) and None, "Return the model"),
            (lambda m: only_biases(m, lambda n: "bias" in n), "bias_gate.weight"),
            (
                lambda m: only_biases(m, lambda n: "norm" in n or "bias" in n),
                "norm.weight",
            ),
            (lambda m: only_biases(m, lambda n: True), "layer.weight"),
            (lambda m: ["layer.bias"], "Return the model"),
        ],
        "standardise": [
            (lambda a, b: (scaled(a, a), scaled(b, b)), "its own mean"),
            (lambda a, b: (scaled(a, a), b), "scale them too"),
            (lambda a, b: (a, scaled(b, a)), "training rows"),
            (lambda a, b: (scaled(b, a), scaled(a, a)), "training first"),
            (lambda a, b: (None, scaled(b, a)), "Return both"),
            (lambda a, b: scaled(b, a), "Return both splits"),
        ],
        "which_to_ship": [("a", "chart"), ("c", "CLS")],
        "one_point_apart": [("a", "points"), ("b", "found")],
        "perplexity": [
            (pooled, "exponential"),
            (lambda texts: math.exp(mean(map(mean, texts))), "one token"),
            (
                lambda texts: mean(math.exp(mean(t)) for t in texts),
                "not the perplexities",
            ),
            (lambda texts: mean(math.exp(x) for t in texts for x in t), "first"),
            (lambda texts: 2 ** pooled(texts), "not 2"),
            (lambda texts: "7", "one number"),
        ],
        "bits_per_character": [
            (lambda loss, t, c: loss * t / c, "nats"),
            (lambda loss, t, c: loss * t / c * math.log(2), "multiply"),
            (lambda loss, t, c: loss / math.log(2), "per token"),
            (lambda loss, t, c: loss / math.log(2) * c / t, "wrong way"),
        ],
        "make_labels": [
            (lambda ids, n: ids, "again"),
            (lambda ids, n: labels(ids, n, -1), "real end"),
            (lambda ids, n: labels(ids, n, 1), "from 0"),
        ],
        "which_rule": [("a", "parcel"), ("c", "stories")],
    }
    | {name: answers for cases in CASES for name, answers in cases.WRONG.items()}
)
STUBS = {
    name: ... if isinstance(RIGHT[name], str) else lambda *_: None
    for name in RIGHT
    if name not in ("train_epoch", "initialise")  # given broken, not empty
}
UNREPAIRED = {
    "margin": lambda first, second: (
        1.96 * ((first.var() + second.var()) / len(first)).sqrt()
    ),
    "to_lora": partial(to_lora, power=0, scale=0),
    "initialise": partial(initialise, a=torch.nn.init.zeros_),
    "repair": partial(repaired, targets=["query", "valeu"]),
    "mean_pooling": lambda h, m: (h * m.unsqueeze(-1)).mean(1),
    "standardise": lambda a, b: tuple(
        scaled(x, np.concatenate([a, b])) for x in (a, b)
    ),
    "make_labels": lambda ids, n: ids.masked_fill(ids == 0, -100),
    "masker": three_bugs,
    "train_epoch": partial(train_epoch, mode=False, first=True, forget=False, give=sum),
} | {name: answer for cases in CASES for name, answer in cases.UNREPAIRED.items()}


@pytest.mark.parametrize("name", RIGHT)
def test_the_right_answer_is_accepted(name):
    assert check(name)(RIGHT[name]).state == "right"


@pytest.mark.parametrize("name", RIGHT)
def test_at_least_two_wrong_answers_are_rejected_with_a_hint_that_fits(name):
    assert len(WRONG[name]) >= 2
    for answer, word in WRONG[name]:
        verdict = check(name)(answer)
        assert verdict.state == "wrong"
        assert word in verdict.message


@pytest.mark.parametrize("name", STUBS)
def test_a_stub_is_open(name):
    assert check(name)(STUBS[name]).state == "open"


@pytest.mark.parametrize("name", UNREPAIRED)
def test_a_broken_pipeline_as_given_is_open_and_keeps_its_secret(name):
    assert check(name)(UNREPAIRED[name]).state == "open"


def test_every_check_is_tested():
    own = {
        name
        for module in MODULES
        for name, value in vars(module).items()
        if getattr(value, "__module__", "").startswith("helpers.exercises")
        and name[0].islower()
    }
    assert own - set(vars(verdicts)) == set(RIGHT)
