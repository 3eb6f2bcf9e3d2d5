"""`assets`: fetch the models and data sets ahead, check them, list them."""

import argparse
import sys

from helpers.cli.install import ensure
from helpers.data import assets


def add(command) -> None:
    """Register the command."""
    does = "fetch the models and data sets ahead, or check them"
    parser = command("assets", run, does, "assets fetch --all")
    parser.add_argument("action", choices=("fetch", "verify", "list"))
    parser.add_argument("names", metavar="NAME", nargs="*", type=_name)
    parser.add_argument("--all", action="store_true", help="fetch every asset")


def run(args: argparse.Namespace) -> int:
    """Do what was asked for with the assets."""
    return {"fetch": _fetch, "verify": _verify, "list": _list}[args.action](args)


def _name(text: str) -> str:
    """Return the name of an asset if there is such an asset."""
    if text in assets.catalogue():
        return text
    known = ", ".join(assets.catalogue())
    raise argparse.ArgumentTypeError(
        f"there is no asset '{text}'; the assets are {known}"
    )


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


def _list(args: argparse.Namespace) -> int:
    for asset in assets.catalogue().values():
        print(f"{asset.name}  ({asset.kind}, {asset.download_mb} MB)")
        print(f"    {asset.title}")
        print(f"    Licence: {asset.licence}")
        print(f"    {asset.citation}")
    return 0
