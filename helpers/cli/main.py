"""The command line `python -m helpers`.

Standard library only at import time: it runs before anything is installed. To add a
command, write a function that takes the parsed arguments and returns the exit code, and
register it in `_parser`.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from helpers import paths
from helpers.cli import doctor
from helpers.cli.environment import SetupError
from helpers.cli.install import ensure, hand_over
from helpers.data import assets

PRETRAIN_MINUTES = 60.0


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):  # a console that cannot show every letter
        stream.reconfigure(errors="backslashreplace")
    argv = sys.argv[1:] if argv is None else argv
    own, for_pytest = argv, []
    if argv[:1] == ["test"] and argv[1:] not in (["-h"], ["--help"]):
        own, for_pytest = argv[:1], argv[1:]
    parser = _parser()
    args = parser.parse_args(own)
    args.argv, args.pytest = argv, for_pytest
    if args.run is not _doctor and (problem := doctor.profile_problem()):
        parser.error(problem)
    try:
        return args.run(args)
    except (SetupError, assets.AssetError) as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # as in `… assets list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = error.filename or "a file of the course"
        print(
            f"Cannot use {where} ({error.strerror}): make sure that it may be read and "
            "written and that the disk is not full, then run the same command again.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(
            "\nInterrupted; nothing is left half-done that the same command does not "
            "repair, so run it again to go on.",
            file=sys.stderr,
        )
        return 130


class _Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one sentence."""

    def error(self, message: str) -> None:
        sentence = message[:1].upper() + message[1:].rstrip(".")
        self.exit(2, f"{sentence} (see `{self.prog} --help`).\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m helpers",
        description="Set up, run and test the course.",
        epilog="Example: python -m helpers lab",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, run, about: str, example: str) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=about,
            description=f"{about[:1].upper()}{about[1:]}.",
            epilog=f"Example: python -m helpers {example}",
            allow_abbrev=False,
        )
        command.set_defaults(run=run)
        return command

    lab = add("lab", _lab, "open JupyterLab on a chapter", "lab 02")
    lab.add_argument("chapter", metavar="NN", nargs="?", type=_chapter, default="01")
    lab.add_argument(
        "--no-browser", action="store_true", help="print the address, open nothing"
    )
    run = add("run", _run, "execute chapters without a browser", "run 01 02")
    run.add_argument(
        "chapters", metavar="NN", nargs="*", type=_chapter, help="default: all chapters"
    )
    run.add_argument(
        "--save",
        action="store_true",
        help="write outputs into notebooks/ and numbers into data/results/",
    )
    add(
        "test",
        _test,
        "run every test; further arguments go to pytest",
        "test -k chapters",
    )
    add("doctor", _doctor, "say what is there, what is missing, what to do", "doctor")
    store = add(
        "assets",
        _assets,
        "fetch the models and data sets ahead, or check them",
        "assets fetch --all",
    )
    store.add_argument("action", choices=("fetch", "verify", "list"))
    store.add_argument("names", metavar="NAME", nargs="*", type=_asset)
    store.add_argument("--all", action="store_true", help="fetch every asset")
    train = add(
        "pretrain",
        _pretrain,
        "train a small BERT (mlm) or GPT-2 (clm) from random weights",
        "pretrain clm --minutes 60",
    )
    train.add_argument("kind", choices=("mlm", "clm"))
    budget = train.add_mutually_exclusive_group()
    budget.add_argument(
        "--minutes", type=_amount(float), metavar="M", help="default: 60"
    )
    budget.add_argument("--steps", type=_amount(int), metavar="N")
    budget.add_argument(
        "--resume", action="store_true", help="go on with an interrupted run"
    )
    train.add_argument(
        "--corpus",
        type=Path,
        metavar="FILE",
        help="UTF-8 text, one document per line; default: the film reviews",
    )
    train.add_argument(
        "--out", type=Path, metavar="FOLDER", help="default: data/cache/pretrain/KIND"
    )
    train.add_argument(
        "--save", action="store_true", help="publish the result in data/checkpoints/"
    )
    sweep = add(
        "sweep",
        _sweep,
        "run the experiments that a chapter shows but cannot wait for",
        "sweep 05",
    )
    sweep.add_argument("chapter", metavar="NN", type=lambda text: text.zfill(2))
    sweep.add_argument(
        "--save", action="store_true", help="publish the record in data/results/"
    )
    return parser


def _amount(number):
    """Return a reader of numbers above zero."""

    def read(text: str):
        try:
            value = number(text)
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"'{text}' is not a number above zero")
        return value

    return read


def _chapter(text: str) -> Path:
    """Return the notebook that `1`, `01` or `01_ptm_concepts` stands for."""
    found = sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    for path in found:
        if text in (path.stem, path.name) or text.zfill(2) == path.name[:2]:
            return path
    known = ", ".join(path.name[:2] for path in found)
    raise argparse.ArgumentTypeError(
        f"there is no chapter '{text}'; the chapters are {known}"
    )


def _asset(text: str) -> str:
    """Return the name of an asset if there is such an asset."""
    if text in assets.catalogue():
        return text
    known = ", ".join(assets.catalogue())
    raise argparse.ArgumentTypeError(
        f"there is no asset '{text}'; the assets are {known}"
    )


def _lab(args: argparse.Namespace) -> int:
    ensure(args.argv)
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    command = [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1"]
    command += [f"--ServerApp.root_dir={paths.ROOT}"]
    command += [f"--LabApp.default_url=/lab/tree/notebooks/{args.chapter.name}"]
    command += ["--no-browser"] * args.no_browser
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command += ["--allow-root"]
    print("JupyterLab starts; Ctrl-C here ends it.", flush=True)
    return hand_over(command)


def _run(args: argparse.Namespace) -> int:
    if args.save and os.environ.get("COURSE_PROFILE", "laptop") != "laptop":
        print("Only laptop results are published: unset COURSE_PROFILE or --save.")
        return 2
    started = ensure(args.argv)
    set_up = time.time() - started
    from helpers.cli import notebooks, readme_numbers  # noqa: PLC0415 - needs what is installed now

    _quiet()
    chosen = args.chapters or sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    good = notebooks.run(chosen, save=args.save)
    if args.save:
        readme_numbers.refresh()
    print(
        f"Set-up took {set_up:.0f} s; all together {time.time() - started:.0f} s since "
        "the command was started."
    )
    return 0 if good else 1


def _test(args: argparse.Namespace) -> int:
    ensure(args.argv)
    _quiet()
    return hand_over([sys.executable, "-m", "pytest", *args.pytest])


def _quiet() -> None:
    """Make kernels reproducible, silent and, in the laptop profile, offline."""
    settings = {
        "TQDM_DISABLE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "PYTHONHASHSEED": "0",
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    hub = os.environ.get("COURSE_SOURCE") == "hub"
    if not hub and os.environ.get("COURSE_PROFILE") != "full":
        settings["HF_HUB_OFFLINE"] = "1"
    for name, value in settings.items():
        os.environ.setdefault(name, value)


def _doctor(args: argparse.Namespace) -> int:
    ensure(args.argv, install=False)
    return doctor.report()


def _assets(args: argparse.Namespace) -> int:
    action = {"fetch": _fetch, "verify": _verify, "list": _list}[args.action]
    return action(args)


def _fetch(args: argparse.Namespace) -> int:
    names = list(assets.catalogue()) if args.all else args.names
    if not names:
        known = ", ".join(assets.catalogue())
        print(f"Name the assets to fetch, or say --all: {known}", file=sys.stderr)
        return 2
    ensure(args.argv)
    failed = 0
    for name in names:
        try:
            print(f"{name}: in {assets.fetch(name)}", flush=True)
        except assets.AssetError as error:
            print(error, file=sys.stderr)
            failed = 1
    return failed


def _verify(args: argparse.Namespace) -> int:
    ensure(args.argv, install=False)
    states = {name: assets.verify(name) for name in args.names or assets.catalogue()}
    for name, state in states.items():
        print(f"{name}: {state}")
    return 0 if set(states.values()) <= {"verified", "missing"} else 1


def _pretrain(args: argparse.Namespace) -> int:
    if args.save and args.corpus:
        print(
            "Only the course's own corpus is published: leave out --save.",
            file=sys.stderr,
        )
        return 2
    ensure(args.argv)
    os.environ.setdefault("TQDM_DISABLE", "")  # of all commands it alone shows its bar
    _quiet()
    from helpers.data import corpora  # noqa: PLC0415 - as in `_run`
    from helpers.pretraining import checkpoint, pretrain  # noqa: PLC0415 - as in `_run`

    out = args.out or paths.CACHED_PRETRAINING / args.kind
    budget = {"minutes": args.minutes, "steps": args.steps, "resume": args.resume}
    if not any(budget.values()):
        budget["minutes"] = PRETRAIN_MINUTES
    try:
        figures = pretrain.run(args.kind, out, corpus=args.corpus, **budget)
    except (checkpoint.StateError, corpora.CorpusError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        again = "nothing was trained yet, so the same command starts again"
        if (out / pretrain.STATE).is_file():
            again = (
                "the same command with --resume, without --minutes or --steps, goes on "
                f"from the last checkpoint in {out}"
            )
        print(f"\nStopped; {again}.", file=sys.stderr)
        return 130
    for name, figure in figures.items():
        print(f"{name}: {figure} (n={figure.n})")
    print(f"Model, tokenizer, log and card are in {out}.")
    if args.save:
        print(f"Published in {pretrain.publish(args.kind, out)}.")
    return 0


def _sweep(args: argparse.Namespace) -> int:
    ensure(args.argv)
    os.environ.setdefault("TQDM_DISABLE", "")  # as in `_pretrain`
    _quiet()
    from helpers.experiments import runner  # noqa: PLC0415 - as in `_run`

    try:
        record = runner.run(args.chapter)
    except runner.SweepError as error:
        print(error, file=sys.stderr)
        return 1
    if args.save:
        record = runner.publish(args.chapter, record)
    print(f"Every score is in {record}.")
    return 0


def _list(args: argparse.Namespace) -> int:
    for asset in assets.catalogue().values():
        print(f"{asset.name}  ({asset.kind}, {asset.download_mb} MB)")
        print(f"    {asset.title}")
        print(f"    Licence: {asset.licence}")
        print(f"    {asset.citation}")
    return 0
