"""`lab`, `run`, `test` and `sweep`: open and execute chapters, tests, experiments."""

import argparse
import os
import sys
import time
from itertools import chain
from pathlib import Path

from helpers import hardware, paths
from helpers.cli import settings
from helpers.cli.install import ensure, hand_over

WORKERS = 2  # processes of pytest: more chapters at a time would need much memory


def add(command) -> None:
    parser = command("lab", lab, "open JupyterLab on a chapter", "lab 02")
    parser.add_argument("chapter", metavar="NN", nargs="?", type=sittings, default="01")
    parser.add_argument("--no-browser", action="store_true", help="print the address")

    parser = command("run", run, "execute chapters without a browser", "run 01 02")
    which = "04 with its further sittings, 04b that one alone; default: all chapters"
    parser.add_argument("chapters", metavar="NN", nargs="*", type=sittings, help=which)
    parser.add_argument("--save", action="store_true", help="publish what they give")

    command("test", test, "run the tests (arguments go to pytest)", "test -k chapters")

    parser = command("sweep", sweep, "run a chapter's long experiments", "sweep 05")
    parser.add_argument("chapter", metavar="NN", type=paths.padded)
    parser.add_argument("--save", action="store_true", help="publish the record")
    several = "rows measured at a time, each with its part of the cores (default 1)"
    parser.add_argument("--jobs", metavar="N", type=int, default=1, help=several)


def sittings(text: str) -> list[Path]:
    """Return the notebooks that `4`, `04`, `04b` or `04_lora` stands for.

    A chapter's number stands for all its sittings, the empty text for all chapters.
    """
    try:
        found = paths.chapters()
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    wanted = paths.padded(text)
    chosen = [
        path
        for key, path in found.items()
        if not text or text in (path.stem, path.name) or wanted in (key, key[:2])
    ]
    if not chosen:
        raise argparse.ArgumentTypeError(
            f"there is no chapter '{text}'; the chapters are {', '.join(found)}"
        )
    return chosen


def lab(args: argparse.Namespace) -> int:
    """Let JupyterLab take the place of this process."""
    ensure(args.argv)
    settings.own_tools()
    command = [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", "--allow-root"]
    command += [f"--ServerApp.root_dir={paths.ROOT}"]
    command += [f"--LabApp.default_url=/lab/tree/notebooks/{args.chapter[0].name}"]
    command += ["--no-browser"] * args.no_browser
    print("JupyterLab starts; Ctrl-C here ends it.", flush=True)
    return hand_over(command)


def run(args: argparse.Namespace) -> int:
    """Execute chapters, measure them, and keep what they give if told to."""
    if args.save and os.environ.get("COURSE_PROFILE", "laptop") != "laptop":
        raise argparse.ArgumentTypeError(
            "only laptop results are published: unset COURSE_PROFILE or --save"
        )
    chosen = list(dict.fromkeys(chain(*args.chapters))) or sittings("")
    started = ensure(args.argv)
    set_up = time.time() - started
    from helpers.cli import notebooks, readme_numbers  # need what is installed now

    settings.quiet()
    good = notebooks.run(chosen, save=args.save)
    if args.save:
        readme_numbers.refresh()
    print(f"All together {time.time() - started:.0f} s, set-up {set_up:.0f} s of them.")
    return int(not good)


def test(args: argparse.Namespace) -> int:
    """Let pytest take the place of this process, with half of the cores per worker."""
    ensure(args.argv)
    settings.quiet()
    workers = min(hardware.cores(), WORKERS)
    os.environ.setdefault("OMP_NUM_THREADS", str(hardware.cores() // workers))
    shares = ["-n", str(workers), "--dist", "loadscope"]  # a worker has whole files
    return hand_over([sys.executable, "-m", "pytest", *shares, *args.rest])


def sweep(args: argparse.Namespace) -> int:
    """Run what is missing in a record, and publish the record if told to."""
    if args.jobs < 1:
        raise argparse.ArgumentTypeError(f"--jobs is {args.jobs}: give 1 or more")
    ensure(args.argv)
    settings.quiet(progress=True)
    hardware.use_cores()
    from helpers.experiments import runner  # needs what is installed now

    record = runner.run(args.chapter, jobs=args.jobs)
    if args.save:
        record = runner.publish(args.chapter, record)
    print(f"Every score is in {record}.")
    return 0
