"""`assets`: fetch the models and data sets ahead, check them, list them."""

import argparse
import sys

from helpers.cli.install import ensure
from helpers.data import assets


def add(command) -> None:
    does = "fetch the models and data sets ahead, or check them"
    parser = command("assets", run, does, "assets fetch --all")
    parser.add_argument("action", choices=("fetch", "verify", "list"))
    parser.add_argument("names", metavar="NAME", nargs="*")
    parser.add_argument("--all", action="store_true", help="fetch every asset")


def run(args: argparse.Namespace) -> int:
    """Do what was asked for with the assets; return 1 if it fails for one of them."""
    chosen = [assets.lookup(name) for name in args.names or assets.catalogue()]
    if args.action == "fetch" and not (args.names or args.all):
        names = ", ".join(assets.catalogue())
        raise argparse.ArgumentTypeError(f"name assets, or say --all: {names}")
    if args.action != "list":
        ensure(args.argv, install=args.action == "fetch")
    return int(not all([DO[args.action](asset) for asset in chosen]))


def _fetch(asset: assets.Asset) -> bool:
    try:
        print(f"{asset.name}: in {assets.fetch(asset.name)}", flush=True)
    except assets.AssetError as error:
        print(error, file=sys.stderr)
        return False
    return True


def _verify(asset: assets.Asset) -> bool:
    state = assets.verify(asset.name)
    print(f"{asset.name}: {state}")
    return state in ("verified", "missing")


def _list(asset: assets.Asset) -> bool:
    print(f"{asset.name}  ({asset.kind}, {asset.download_mb} MB)")
    print(f"    {asset.title}\n    Licence: {asset.licence}\n    {asset.citation}")
    return True


DO = {"fetch": _fetch, "verify": _verify, "list": _list}
