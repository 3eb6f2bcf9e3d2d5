"""`sweep`: run the experiments that a chapter shows but cannot wait for."""

import argparse

from helpers import hardware, paths
from helpers.cli import settings
from helpers.cli.install import ensure


def add(command) -> None:
    does = "run the experiments that a chapter shows but cannot wait for"
    parser = command("sweep", run, does, "sweep 05")
    parser.add_argument("chapter", metavar="NN", type=paths.padded)
    parser.add_argument("--save", action="store_true", help="publish the record")


def run(args: argparse.Namespace) -> int:
    """Run what is missing in the record, and publish the record if told to."""
    ensure(args.argv)
    settings.quiet(progress=True)
    hardware.use_cores()
    from helpers.experiments import runner  # needs what is installed now

    record = runner.run(args.chapter)
    if args.save:
        record = runner.publish(args.chapter, record)
    print(f"Every score is in {record}.")
    return 0
