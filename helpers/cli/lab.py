"""`lab`: open JupyterLab on a chapter."""

import argparse
import os
import sys

from helpers import paths
from helpers.cli import settings
from helpers.cli.install import ensure, hand_over
from helpers.cli.run import sittings


def add(command) -> None:
    parser = command("lab", run, "open JupyterLab on a chapter", "lab 02")
    parser.add_argument("chapter", metavar="NN", nargs="?", type=sittings, default="01")
    parser.add_argument("--no-browser", action="store_true", help="print the address")


def run(args: argparse.Namespace) -> int:
    """Let JupyterLab take the place of this process."""
    ensure(args.argv)
    settings.own_tools()
    command = [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1"]
    command += [f"--ServerApp.root_dir={paths.ROOT}"]
    command += [f"--LabApp.default_url=/lab/tree/notebooks/{args.chapter[0].name}"]
    command += ["--no-browser"] * args.no_browser
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command += ["--allow-root"]
    print("JupyterLab starts; Ctrl-C here ends it.", flush=True)
    return hand_over(command)
