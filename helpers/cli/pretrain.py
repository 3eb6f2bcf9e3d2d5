"""`pretrain`: train a small BERT or GPT-2 from random weights."""

import argparse
import os
import sys
from pathlib import Path

from helpers import hardware, paths
from helpers.cli import settings
from helpers.cli.install import ensure


def add(command) -> None:
    does = "train a small BERT (mlm) or GPT-2 (clm) from random weights"
    parser = command("pretrain", run, does, "pretrain clm --minutes 60")
    parser.add_argument("objective", choices=("mlm", "clm"))
    option = parser.add_mutually_exclusive_group().add_argument
    option("--minutes", type=float, default=60.0, metavar="M", help="default: 60")
    option("--steps", type=int, metavar="N")
    option("--resume", action="store_true", help="go on with an interrupted run")
    option = parser.add_argument
    text = "UTF-8 text, one document per line; default: the film reviews"
    option("--corpus", type=Path, metavar="FILE", help=text)
    place = "empty or new; default: data/cache/pretrain/OBJECTIVE"
    option("--out", type=Path, metavar="FOLDER", help=place)
    option("--save", action="store_true", help="publish in data/checkpoints/")


def run(args: argparse.Namespace) -> int:
    """Train, print the figures, and publish the result if told to."""
    if args.save and args.corpus:
        raise argparse.ArgumentTypeError(
            "only the course's own corpus is published: leave out --save"
        )
    amount = args.minutes if args.steps is None else args.steps
    if not 0 < amount < float("inf"):
        raise argparse.ArgumentTypeError(f"{amount} is not a number above zero")
    ensure(args.argv)
    settings.quiet(progress=True)
    hardware.use_cores()
    from helpers.pretraining import pretrain, run_folder  # need what is installed now

    out = args.out or paths.CACHED_PRETRAINING / args.objective
    budget = {"minutes": args.minutes, "steps": args.steps, "resume": args.resume}
    device = hardware.device(os.environ.get("COURSE_PROFILE", "laptop"))
    try:
        figures = pretrain.run(
            args.objective, out, corpus=args.corpus, device=device, **budget
        )
    except KeyboardInterrupt:
        again = "nothing was trained yet"
        if (out / run_folder.STATE).is_file():
            again = "the same command with --resume, without --minutes or --steps, "
            again += f"goes on from the last checkpoint in {out}"
        print(f"\nStopped; {again}.", file=sys.stderr)
        return 130
    for name, figure in figures.items():
        print(f"{name}: {figure} (n={figure.n})")
    print(f"Model, tokenizer, log and card are in {out}.")
    if args.save:
        print(f"Published in {run_folder.publish(args.objective, out)}.")
    return 0
