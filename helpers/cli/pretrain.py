"""`pretrain`: train a small BERT or GPT-2 from random weights."""

import argparse
import os
import sys
from pathlib import Path

from helpers import hardware, paths
from helpers.cli import settings
from helpers.cli.install import ensure

MINUTES = 60.0


def add(command) -> None:
    """Register the command."""
    does = "train a small BERT (mlm) or GPT-2 (clm) from random weights"
    parser = command("pretrain", run, does, "pretrain clm --minutes 60")
    parser.add_argument("objective", choices=("mlm", "clm"))
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument(
        "--minutes", type=_amount(float), metavar="M", help="default: 60"
    )
    budget.add_argument("--steps", type=_amount(int), metavar="N")
    budget.add_argument(
        "--resume", action="store_true", help="go on with an interrupted run"
    )
    parser.add_argument(
        "--corpus",
        type=Path,
        metavar="FILE",
        help="UTF-8 text, one document per line; default: the film reviews",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="empty or new; default: data/cache/pretrain/OBJECTIVE",
    )
    parser.add_argument(
        "--save", action="store_true", help="publish the result in data/checkpoints/"
    )


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


def run(args: argparse.Namespace) -> int:
    """Train, print the figures, and publish the result if told to."""
    if args.save and args.corpus:
        print(
            "Only the course's own corpus is published: leave out --save.",
            file=sys.stderr,
        )
        return 2
    ensure(args.argv)
    settings.quiet(progress=True)
    hardware.use_cores()
    from helpers.data import corpora  # needs what is installed now
    from helpers.pretraining import pretrain, run_folder

    out = args.out or paths.CACHED_PRETRAINING / args.objective
    budget = {"minutes": args.minutes, "steps": args.steps, "resume": args.resume}
    if not any(budget.values()):
        budget["minutes"] = MINUTES
    device = hardware.device(os.environ.get("COURSE_PROFILE", "laptop"))
    try:
        figures = pretrain.run(
            args.objective, out, corpus=args.corpus, device=device, **budget
        )
    except (pretrain.PretrainError, corpora.CorpusError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        again = "nothing was trained yet, so the same command starts again"
        if (out / run_folder.STATE).is_file():
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
        print(f"Published in {run_folder.publish(args.objective, out)}.")
    return 0
