"""Pre-training: whatever happens, a run ends in the same weights or in a sentence."""

import csv
import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import cache

import pytest
import torch
from filelock import FileLock
from transformers import AutoTokenizer

from helpers import hardware, paths
from helpers.cli import main
from helpers.cli import pretrain as pretrain_command
from helpers.data import corpora
from helpers.models import language_models, tokenizers
from helpers.paths import ROOT
from helpers.pretraining import costs, model_card, pretrain, recipes, run_folder

pytestmark = pytest.mark.integration  # every run trains, evaluates and saves
OBJECTIVES = ["mlm", "clm"]
SHAPE = language_models.Shape(1, 32, 2)
FULL_SIZE = language_models.build
STEPS, DEATH = 12, 8
MOMENTS = ["before", "within", "after"]  # the saving of a state
SMALL = f"""
import os, signal, sys, time
from pathlib import Path
import torch
from helpers import hardware
from helpers.models import language_models
from helpers.pretraining import pretrain, run_folder

build, death = language_models.build, {DEATH}
small = language_models.Shape(1, 32, 2)
torch.set_num_threads(1)
language_models.build = lambda *given: build(*given[:2], small)
hardware.precision = lambda _: "float32"
pretrain.SAVE_SECONDS, pretrain.LOG_ROWS, pretrain.HELD_OUT_EVERY = 0, 6, 2
"""
COMMAND = f"""{SMALL}
from helpers.cli import main
from helpers.cli import pretrain as command

step = pretrain.step

def wait(recipe, model, optimizers, tokenizer, sequences, number):
    if number == death:
        Path(sys.argv[-3]).with_name("waits").touch()
        time.sleep(600)
    return step(recipe, model, optimizers, tokenizer, sequences, number)

pretrain.step, command.ensure = wait, lambda argv: 0.0
sys.exit(main.main(sys.argv[1:]))
"""
KILLED = f"""{SMALL}
steps, (corpus, place) = int(sys.argv[1]), map(Path, sys.argv[2:])
save, sync = run_folder.save_state, os.fsync

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def live(objective, moment):
    def save_and_die(out, *parts, **state):
        doomed = state["start"]["done"] == death
        if doomed and moment == "before":
            die()
        os.fsync = die if doomed and moment == "within" else sync
        save(out, *parts, **state)
        if doomed:
            die()

    run_folder.save_state = save_and_die
    out = place / f"{{objective}}-{{moment}}"
    pretrain.run(objective, out, steps=steps, corpus=corpus)

children = []
for objective in ("mlm", "clm"):
    for moment in ("before", "within", "after"):
        children.append(os.fork())
        if not children[-1]:
            live(objective, moment)
            os._exit(0)
for child in children:
    print(-os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture(scope="module", autouse=True)
def small():
    """Small models, one thread, a state after each row of the log."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            language_models, "build", lambda *given: FULL_SIZE(*given[:2], SHAPE)
        )
        patch.setattr(hardware, "precision", lambda _: "float32")
        patch.setattr(pretrain, "SAVE_SECONDS", 0)
        patch.setattr(pretrain, "LOG_ROWS", 6)
        patch.setattr(pretrain, "HELD_OUT_EVERY", 2)
        yield
    torch.set_num_threads(before)


@pytest.fixture(params=OBJECTIVES)
def objective(request):
    return request.param


@pytest.fixture(scope="module")
def finished(corpus, tmp_path_factory):
    """Return the folder of a run that nothing interrupted."""

    @cache
    def run(objective):
        out = tmp_path_factory.mktemp("finished") / objective
        pretrain.run(objective, out, steps=STEPS, corpus=corpus)
        return out

    return run


@pytest.fixture(scope="module")
def killed(corpus, tmp_path_factory):
    """The folder with what runs leave behind that die at three moments."""
    if os.name == "nt":
        pytest.skip("Windows has no SIGKILL")
    place = tmp_path_factory.mktemp("killed")
    script = [sys.executable, "-c", KILLED, STEPS, corpus, place]
    done = subprocess.run([*map(str, script)], cwd=ROOT, stdout=-1, timeout=1200)
    assert done.stdout.split() == [b"%d" % signal.SIGKILL] * 6
    return place


@contextmanager
def ctrl_c_after(steps: int):
    """Let Ctrl-C come after so many steps."""
    loss, left = language_models.loss, iter(range(steps))

    def tired(*args):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return loss(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(language_models, "loss", tired)
        yield


@pytest.fixture(scope="module")
def stopped(corpus, tmp_path_factory):
    """Return the folder of a run that Ctrl-C stopped."""

    @cache
    def run(objective):
        out = tmp_path_factory.mktemp("stopped") / objective
        with ctrl_c_after(DEATH + 1), pytest.raises(KeyboardInterrupt):
            pretrain.run(objective, out, steps=STEPS, corpus=corpus)
        return out

    return run


@pytest.fixture
def interrupted(stopped, objective, tmp_path):
    """A copy of a run that was interrupted after its state was saved."""
    return shutil.copytree(stopped(objective), tmp_path / "run")


@pytest.fixture
def command(monkeypatch, capfd):
    """Return a function that runs `pretrain` and returns code, output and errors."""
    monkeypatch.setattr(os, "environ", os.environ | {"OMP_NUM_THREADS": "1"})
    monkeypatch.setattr(pretrain_command, "ensure", lambda argv: 0.0)

    def run(*argv):
        code = main.main(["pretrain", *map(str, argv)])
        return code, *capfd.readouterr()

    return run


def sentence(err: str) -> str:
    """Return the one sentence that was printed, leaving out the progress bar."""
    (line,) = [x for x in err.splitlines() if x.strip() and "%|" not in x]
    assert line.endswith(".")
    assert "Traceback" not in err
    return line


def rows(folder) -> list[dict]:
    with (folder / "log.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def assert_same(one, two) -> None:
    """Compare two finished runs: weights to the bit, and all that was measured."""
    first, second = ((run / "model.safetensors").read_bytes() for run in (one, two))
    assert first == second
    logs = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in rows(run)]
        for run in (one, two)
    ]
    assert logs[0] == logs[1]
    for key in ("recipe", "held_out", "documents", "tokens"):
        results = [
            json.loads((run / "results.json").read_text("utf-8"))[key]
            for run in (one, two)
        ]
        assert results[0] == results[1]
    names = [sorted(file.name for file in run.iterdir()) for run in (one, two)]
    assert names[0] == names[1]


def content(folder) -> dict[str, bytes]:
    files = [file for file in folder.iterdir() if file.name != ".lock"]
    return {file.name: file.read_bytes() for file in files}


def start_of(out) -> dict:
    return run_folder.load_state(out)[0]["start"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_goes_on_to_the_very_same_weights(
    killed, finished, objective, moment, corpus, tmp_path
):
    out = shutil.copytree(killed / f"{objective}-{moment}", tmp_path / "run")
    saved = DEATH if moment == "after" else DEATH - 2
    assert start_of(out)["done"] == saved
    assert int(rows(out)[-1]["step"]) == DEATH
    assert (out / "state.pt.partial").exists() == (moment == "within")
    pretrain.run(objective, out, resume=True, corpus=corpus)
    assert_same(out, finished(objective))
    seconds = [float(row["seconds"]) for row in rows(out)]
    assert seconds == sorted(seconds)


def test_a_run_can_be_interrupted_again_and_again(
    finished, objective, corpus, tmp_path
):
    out, budget = tmp_path / "run", {"steps": STEPS}
    for lives in (3, 5, 4):
        with ctrl_c_after(lives), pytest.raises(KeyboardInterrupt):
            pretrain.run(objective, out, corpus=corpus, **budget)
        budget = {"resume": True}
    pretrain.run(objective, out, corpus=corpus, resume=True)
    assert_same(out, finished(objective))


def test_a_run_killed_while_its_figures_are_made_only_makes_them(
    finished, objective, corpus, tmp_path, monkeypatch
):
    whole, out = finished(objective), tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(model_card, "write_card", lambda folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pretrain.run(objective, out, steps=STEPS, corpus=corpus)
    monkeypatch.setattr(
        language_models, "loss", lambda *_: pytest.fail("trained again")
    )
    pretrain.run(objective, out, resume=True, corpus=corpus)
    assert_same(out, whole)


@pytest.mark.parametrize("log", ["", None, "step,tokens\nx,y\n1"])
def test_the_log_is_that_of_the_state(interrupted, finished, objective, corpus, log):
    (interrupted / "log.csv").unlink()
    if log is not None:
        (interrupted / "log.csv").write_text(log, encoding="utf-8")
    pretrain.run(objective, interrupted, resume=True, corpus=corpus)
    assert_same(interrupted, finished(objective))


def test_two_runs_at_once_in_one_folder_are_refused(interrupted, corpus, command):
    before = content(interrupted)
    with FileLock(interrupted / ".lock"):
        for budget in (["--resume"], ["--steps", 2]):
            argv = ["clm", *budget, "--corpus", corpus, "--out", interrupted]
            code, _, err = command(*argv)
            assert code == 1
            assert f"Another run is training in {interrupted}: wait" in sentence(err)
    assert content(interrupted) == before


def test_the_precision_is_that_of_the_start(corpus, tmp_path, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    with monkeypatch.context() as patch:
        patch.setattr(hardware, "precision", lambda _: "bfloat16")
        pretrain.run("clm", whole, steps=4, corpus=corpus)
        with ctrl_c_after(3), pytest.raises(KeyboardInterrupt):
            pretrain.run("clm", parts, steps=4, corpus=corpus)
    pretrain.run("clm", parts, resume=True, corpus=corpus)
    assert_same(whole, parts)
    assert "bfloat16" in (parts / "README.md").read_text(encoding="utf-8")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_the_command_shows_its_progress_stops_at_ctrl_c_and_goes_on(
    finished, objective, corpus, tmp_path, command
):
    """The real command in a process of its own."""
    out = tmp_path / "run"
    argv = [objective, "--corpus", str(corpus), "--out", str(out)]
    with (tmp_path / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "pretrain", *argv, "--steps", str(STEPS)],
            cwd=ROOT,
            stderr=err,
            env={k: v for k, v in os.environ.items() if "TQDM" not in k}
            | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
    try:
        while process.poll() is None and not (tmp_path / "waits").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=600)
    finally:
        process.kill()
    text = (tmp_path / "err").read_text("utf-8")
    assert code == 130, text
    assert f"/{STEPS} [" in text
    assert f"goes on from the last checkpoint in {out}." in sentence(text)
    code, printed, _ = command(*argv, "--resume")
    assert code == 0
    assert "perplexity: " in printed
    assert f"Model, tokenizer, log and card are in {out}." in printed
    assert_same(out, finished(objective))


def test_ctrl_c_gives_a_sentence(finished, objective, corpus, tmp_path, command):
    out = tmp_path / "run"
    argv = (objective, "--corpus", corpus, "--out", out)
    with ctrl_c_after(5):
        code, _, err = command(*argv, "--steps", STEPS)
    assert code == 130
    assert "the same command with --resume" in sentence(err)
    assert command(*argv, "--resume")[0] == 0
    assert_same(out, finished(objective))


def test_ctrl_c_before_the_first_checkpoint_promises_nothing(
    corpus, tmp_path, command, monkeypatch
):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tokenizers, "pack", interrupt)
        argv = ("clm", "--steps", 2, "--corpus", corpus, "--out", tmp_path)
        code, _, err = command(*argv)
    assert code == 130
    assert "nothing was trained yet" in sentence(err)
    assert "--resume" not in err
    assert command(*argv)[0] == 0


UNUSABLE = {
    "missing": (None, "No such file"),
    "folder": (..., "Is a directory"),
    "empty": (b"", "is empty"),
    "blank": (b"\n  \n\t\r\n\n", "is empty"),
    "tags": (b"<br />\n<p></p>\n", "nothing but markup"),
    "utf-16": ("Ein schöner Film\n".encode("utf-16"), "no UTF-8"),
    "latin-1": ("Good.\nEin schöner Film\n".encode("latin-1"), "no UTF-8 text (line 2"),
    "binary": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no UTF-8"),
    "bytes": (bytes(range(1, 256)), "no UTF-8"),
    "short": (b"Too short.\nSo is this.\n", "too short"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_corpus_gets_a_sentence(tmp_path, command, name):
    given, words = UNUSABLE[name]
    file, out = tmp_path / name, tmp_path / "run"
    if given is ...:
        file.mkdir()
    elif given is not None:
        file.write_bytes(given)
    code, printed, err = command("clm", "--steps", 3, "--corpus", file, "--out", out)
    assert code == 1
    assert words in sentence(err)
    assert printed == ""
    assert not (out / run_folder.STATE).exists()


@pytest.mark.parametrize("n", [4, 20])
def test_too_few_documents_are_counted(documents, objective, tmp_path, command, n):
    file, out = tmp_path / "few.txt", tmp_path / "run"
    file.write_text("\n".join(documents[:n]), encoding="utf-8")
    code, _, err = command(objective, "--steps", 1, "--corpus", file, "--out", out)
    assert code == 1
    left = len(corpora.documents(file)["train"])
    words = sentence(err)
    assert f"{left} documents are left to train on" in words
    assert (
        f"needs {recipes.Recipe.tokens // language_models.CONTEXT[objective]} sequences"
        in words
    )


def test_too_short_a_budget_gets_a_sentence(objective, corpus, tmp_path, command):
    argv = (objective, "--corpus", corpus, "--out", tmp_path)
    code, _, err = command(*argv, "--minutes", "1e-9")
    assert code == 1
    assert "1e-09 minutes are too short for one step" in sentence(err)
    assert command(*argv, "--steps", 2)[0] == 0


def test_minutes_become_steps_by_timing_some(objective, corpus, tmp_path, monkeypatch):
    speed = costs.Speed(0, recipes.Recipe.tokens / 0.5, 0)
    monkeypatch.setattr(costs, "speed", lambda *given, **options: speed)
    timed, counted = tmp_path / "timed", tmp_path / "counted"
    pretrain.run(objective, timed, minutes=3.4 * 0.5 / 0.95 / 60, corpus=corpus)
    pretrain.run(objective, counted, steps=3, corpus=corpus)
    assert_same(timed, counted)


def test_steps_that_are_timed_leave_no_trace(objective, corpus, finished, tmp_path):
    speed = costs.speed
    with pytest.MonkeyPatch.context() as patch:

        def timed(*given, **options):
            speed(*given, **options)
            return costs.Speed(0, recipes.Recipe.tokens * (STEPS + 0.5) / 57, 0)

        patch.setattr(costs, "speed", timed)
        pretrain.run(objective, tmp_path / "run", minutes=1, corpus=corpus)
    assert_same(tmp_path / "run", finished(objective))


def test_there_must_be_something_to_resume(
    finished, objective, tmp_path, command, corpus
):
    done = finished(objective)
    before = content(done)
    for out in (tmp_path / "nowhere", done):
        code, _, err = command(objective, "--resume", "--out", out, "--corpus", corpus)
        assert code == 1
        assert f"There is no interrupted run in {out}" in sentence(err)
    assert content(done) == before
    assert not (tmp_path / "nowhere").exists()


def test_neither_an_interrupted_nor_a_finished_run_is_overwritten(
    interrupted, finished, objective, command, corpus
):
    for out, words in (
        (interrupted, "There is an interrupted run in"),
        (finished(objective), "There is a finished run or something else"),
    ):
        before = content(out)
        code, _, err = command(
            objective, "--steps", 2, "--corpus", corpus, "--out", out
        )
        assert code == 1
        assert words in sentence(err)
        assert content(out) == before


def cut(name: str, fraction: float):
    def damage(out, corpus) -> None:
        whole = (out / name).read_bytes()
        (out / name).write_bytes(whole[: int(fraction * len(whole))])

    return damage


def lose(name: str):
    return lambda out, corpus: (out / name).unlink()


def learn_other_tokens(out, corpus) -> None:
    train = {5: tokenizers.wordpiece, 2: tokenizers.byte_pairs}
    special = len(AutoTokenizer.from_pretrained(out).all_special_ids)
    texts = ["entirely other words " * 9, "make other tokens " * 9]
    train[special](texts).save_pretrained(out)


def other_corpus(out, corpus) -> None:
    lines = corpus.read_text(encoding="utf-8").splitlines()
    corpus.write_text("\n".join(lines[20:]), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut("state.pt", 0), "is damaged"),
        (cut("state.pt", 0.001), "is damaged"),
        (cut("state.pt", 0.8), "is damaged"),
        (cut("tokenizer.json", 0), "is damaged"),
        (cut("tokenizer.json", 0.5), "is damaged"),
        (lose("tokenizer.json"), "is damaged"),
        (cut("tokenizer_config.json", 0.5), "is damaged"),
        (learn_other_tokens, "its vocabulary is"),
        (other_corpus, "its corpus is"),
    ],
)
def test_a_damaged_run_is_left_as_it_is(
    interrupted, objective, command, corpus, tmp_path, damage, words
):
    file = shutil.copy(corpus, tmp_path / "corpus.txt")
    damage(interrupted, file)
    before = content(interrupted)
    code, _, err = command(
        objective, "--resume", "--corpus", file, "--out", interrupted
    )
    assert code == 1
    assert words in sentence(err)
    assert content(interrupted) == before


def test_a_run_of_the_other_objective_is_left_as_it_is(
    interrupted, objective, command, corpus
):
    other = {"mlm": "clm", "clm": "mlm"}[objective]
    before = content(interrupted)
    code, _, err = command(other, "--resume", "--corpus", corpus, "--out", interrupted)
    assert code == 1
    assert f"its objective is {objective}, not {other}" in sentence(err)
    assert content(interrupted) == before


def test_a_run_of_another_shape_is_left_as_it_is(
    interrupted, objective, command, corpus, monkeypatch
):
    wider = language_models.Shape(1, 64, 2)
    monkeypatch.setattr(
        language_models, "build", lambda *given: FULL_SIZE(*given[:2], wider)
    )
    before = content(interrupted)
    code, _, err = command(
        objective, "--resume", "--corpus", corpus, "--out", interrupted
    )
    assert code == 1
    assert "its architecture is" in sentence(err)
    assert content(interrupted) == before


def older(run) -> None:
    run["warm_up"] = run.pop("warmup_fraction")


def with_(name: str, value):
    return lambda run: run.update({name: value})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            older,
            "is another one: its warmup_fraction is None, not 0.03.",
        ),
        (with_("new", 1), "is another one: its new is 1, not None."),
        (with_("torch", "1.0"), f"its torch is 1.0, not {torch.__version__}"),
        (with_("transformers", "4.0"), "its transformers is 4.0, not"),
        (with_("number of threads", 7), "its number of threads is 7, not 1"),
        (with_("device", "tpu"), "its device is tpu, not"),
    ],
)
def test_a_run_from_elsewhere_is_left_as_it_is(
    interrupted, objective, command, corpus, change, words
):
    state = run_folder.load_state(interrupted)[0]
    change(state["run"])
    torch.save(state, interrupted / run_folder.STATE)
    before = content(interrupted)
    code, _, err = command(
        objective, "--resume", "--corpus", corpus, "--out", interrupted
    )
    assert code == 1
    assert words in sentence(err)
    assert "another --out." in err
    assert content(interrupted) == before


def test_a_training_that_diverges_keeps_its_last_checkpoint(
    objective, corpus, tmp_path, command, monkeypatch
):
    out, loss, calls = tmp_path / "run", language_models.loss, iter(range(STEPS))

    def diverge(*given):
        return loss(*given) * (math.nan if next(calls) == 5 else 1)

    monkeypatch.setattr(language_models, "loss", diverge)
    argv = (objective, "--steps", STEPS, "--corpus", corpus, "--out", out)
    code, _, err = command(*argv)
    assert code == 1
    assert "diverged (in step 6 the loss is nan" in sentence(err)
    assert start_of(out)["done"] == 4
    weights = run_folder.load_state(out)[0]["parts"][0].values()
    assert all(tensor.isfinite().all() for tensor in weights)


@pytest.mark.parametrize(
    ("full", "writes", "step"),
    [("state", 2, 2), ("config", 0, STEPS), ("model", 0, STEPS), ("results", 0, STEPS)],
)
def test_a_disk_that_fills_costs_nothing_but_the_last_steps(
    finished, corpus, tmp_path, command, monkeypatch, full, writes, step
):
    out, left, sync = tmp_path / "run", iter(range(writes)), os.fsync
    argv = ("clm", "--corpus", corpus, "--out", out)

    def fill(number):
        if list(out.glob(f"{full}.*.partial")) and next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(number)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fill)
        code, _, err = command(*argv, "--steps", STEPS)
    assert code == 1
    assert "The disk is full" in sentence(err)
    assert "go on with --resume" in err
    assert not list(out.glob("*.partial"))
    assert start_of(out)["done"] == step
    assert command(*argv, "--resume")[0] == 0
    assert_same(out, finished("clm"))


def test_a_really_full_disk_costs_nothing_but_the_last_steps(
    finished, objective, corpus, small_disk, command
):
    """There is room for the weights, but not for the optimizers' states too."""
    tokenizer, model = (
        (finished(objective) / name).stat().st_size
        for name in ("tokenizer.json", "model.safetensors")
    )
    disk = small_disk(tokenizer + 3 * model + 40_000)  # weights take twice the model
    argv = (objective, "--corpus", corpus, "--out", disk / "run")
    code, _, err = command(*argv, "--steps", STEPS)
    assert code == 1
    assert "The disk is full" in sentence(err)
    assert "go on with --resume" in err
    assert start_of(disk / "run")["done"] == 0
    larger = ["mount", "-o", "remount,size=50m", str(disk)]
    subprocess.run(larger, check=True)
    assert command(*argv, "--resume")[0] == 0
    assert_same(disk / "run", finished(objective))


@pytest.mark.parametrize("size", [4096, 12_288, 32_768])
def test_a_disk_that_was_always_full_gets_a_sentence(
    objective, corpus, small_disk, command, size
):
    out = small_disk(size) / "run"
    argv = (objective, "--steps", 2, "--corpus", corpus, "--out", out)
    code, _, err = command(*argv)
    assert code == 1
    assert "start again if nothing was trained yet" in sentence(err)


def test_a_folder_that_is_a_file_gets_a_sentence(corpus, tmp_path, command):
    (tmp_path / "file").touch()
    argv = ("clm", "--steps", 2, "--corpus", corpus, "--out", tmp_path / "file")
    code, _, err = command(*argv)
    assert code == 1
    assert str(tmp_path / "file") in sentence(err)


def test_the_log_has_a_row_now_and_then(finished, objective):
    log = rows(finished(objective))
    assert tuple(log[0]) == run_folder.COLUMNS
    recipe = recipes.Recipe(objective, STEPS, vocabulary="", corpus="")
    assert [int(row["step"]) for row in log] == [2, 4, 6, 8, 10, 12]
    for row in log:
        step = int(row["step"])
        assert int(row["tokens"]) == recipe.tokens * step
        assert float(row["learning_rate"]) == recipe.learning_rate_at(step - 1)
        assert bool(row["held_out_loss"]) == (step % 4 == 0)


def test_something_is_learned(finished, objective):
    log = rows(finished(objective))
    held_out = [float(r["held_out_loss"]) for r in log if r["held_out_loss"]]
    assert float(log[-1]["loss"]) < float(log[0]["loss"]) - 0.1
    assert held_out[-1] < held_out[0]
    assert all(math.isfinite(loss) for loss in held_out)


def test_the_saved_model_is_the_one_that_was_measured(finished, objective, corpus):
    model, tokenizer = language_models.load(objective, finished(objective))
    text = corpora.documents(corpus)["validation"]["text"]
    validation = tokenizers.pack(text, tokenizer, language_models.CONTEXT[objective])
    loss = pretrain._held_out_loss(model, tokenizer, validation)
    logged = float(rows(finished(objective))[-1]["held_out_loss"])
    assert loss == pytest.approx(logged, abs=0.01)


def test_the_results_tell_how_they_were_made(finished, objective, corpus):
    results = json.loads((finished(objective) / "results.json").read_text("utf-8"))
    texts = corpora.documents(corpus)
    assert results["source"] == corpus.name
    assert results["documents"] == {name: len(part) for name, part in texts.items()}
    assert results["recipe"]["objective"] == objective
    assert results["recipe"]["steps"] == STEPS
    assert results["versions"]["torch"] == torch.__version__


def test_every_sequence_is_read_once_before_any_is_read_again(
    objective, corpus, tmp_path, monkeypatch
):
    loss, seen = language_models.loss, []

    def watch(objective, model, tokenizer, sequences, seed, *rest):
        whole = sequences.view(-1, language_models.CONTEXT[objective])
        seen.append((seed, [hash(tuple(sequence)) for sequence in whole.tolist()]))
        return loss(objective, model, tokenizer, sequences, seed, *rest)

    monkeypatch.setattr(language_models, "loss", watch)
    text = corpora.documents(corpus)["train"]["text"]
    tokenizer = AutoTokenizer.from_pretrained
    pretrain.run(objective, tmp_path, steps=1, corpus=corpus)
    packed = tokenizers.pack(
        text, tokenizer(tmp_path), language_models.CONTEXT[objective]
    )
    per_epoch = len(packed) // (
        recipes.Recipe.tokens // language_models.CONTEXT[objective]
    )
    seen.clear()
    pretrain.run(objective, tmp_path / "again", steps=2 * per_epoch, corpus=corpus)
    known = {hash(tuple(sequence)) for sequence in packed.tolist()}
    epochs = [seen[:per_epoch], seen[per_epoch:]]
    orders = [[each for _, some in epoch for each in some] for epoch in epochs]
    for order in orders:
        assert (
            len(set(order)) == len(order) == per_epoch * (len(orders[0]) // per_epoch)
        )
        assert set(order) <= known
    assert orders[0] != orders[1]
    assert len({seed for seed, _ in seen}) == 2 * per_epoch


def test_a_published_run_is_copied_whole(
    objective, corpus, tmp_path, command, monkeypatch
):
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path / "published")
    monkeypatch.setattr(corpora, "unlabelled", lambda: corpora.documents(corpus))
    out = tmp_path / "run"
    code, printed, _ = command(objective, "--steps", 2, "--out", out, "--save")
    assert code == 0
    target = tmp_path / "published" / run_folder.NAMES[objective]
    assert f"Published in {target}." in printed
    assert content(target) == content(out)
    assert model_card.REVIEWS in (target / "README.md").read_text(encoding="utf-8")
    assert {"model.safetensors", "tokenizer.json"} <= set(content(target))
    assert run_folder.STATE not in content(target)
