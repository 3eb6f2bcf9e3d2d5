"""`assets`: fetch the models and data sets ahead, check them, list them."""

import argparse
import sys

from helpers.cli.install import ensure
from helpers.data import assets


def add(command) -> None:
    does = "fetch, verify or list the models and data sets"
    parser = command("assets", run, does, "assets fetch --all")
    parser.add_argument("action", choices=("fetch", "verify", "list"))
    parser.add_argument("names", metavar="NAME", nargs="*")
    parser.add_argument("--all", action="store_true", help="fetch every asset")


def run(args: argparse.Namespace) -> int:
    """Do what was asked for with the assets; return 1 if it fails for one of them."""
    chosen = [assets.lookup(name) for name in args.names or assets.catalogue()]
    if args.action == "list":
        for asset in chosen:
            print(f"{asset.name}  ({asset.kind}, {asset.download_mb} MB)")
            print(
                f"    {asset.title}\n    Licence: {asset.licence}\n    {asset.citation}"
            )
        return 0
    if args.action == "fetch" and not (args.names or args.all):
        names = ", ".join(assets.catalogue())
        raise argparse.ArgumentTypeError(f"name assets, or say --all: {names}")
    ensure(args.argv, install=args.action == "fetch")
    failed = False
    for asset in chosen:
        try:
            state = assets.verify(asset.name)
            if args.action == "fetch":
                state = f"in {assets.fetch(asset.name)}"
            elif state not in ("verified", "missing"):
                failed = True
            print(f"{asset.name}: {state}", flush=True)
        except assets.AssetError as error:
            print(error, file=sys.stderr)
            failed = True
    return int(failed)
