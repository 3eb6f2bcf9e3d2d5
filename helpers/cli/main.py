"""The command line `python -m helpers`: its parser, and errors turned into sentences.

Standard library only at import time: it runs before anything is installed. A command
is a module with `add(command)`, which registers it, and `run(args)`, which returns the
exit code; COMMANDS lists them.
"""

import argparse
import errno
import os
import sys

from helpers.cli import assets, doctor, lab, pretrain, run, sweep
from helpers.cli.environment import SetupError
from helpers.data.assets import AssetError

OF_A_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
COMMANDS = (lab, run, doctor, assets, pretrain, sweep)


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
    if args.run is not doctor.run and (problem := doctor.unknown_setting()):
        parser.error(problem)
    try:
        return args.run(args)
    except argparse.ArgumentTypeError as error:  # `run` without chapters finds odd ones
        parser.error(str(error))
    except (SetupError, AssetError) as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # as in `… assets list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if not error.filename and error.errno not in OF_A_DISK:
            raise  # libraries raise it for much else
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

    def command(name: str, run, does: str, example: str) -> argparse.ArgumentParser:
        own = commands.add_parser(
            name,
            help=does,
            description=f"{does[:1].upper()}{does[1:]}.",
            epilog=f"Example: python -m helpers {example}",
            allow_abbrev=False,
        )
        own.set_defaults(run=run)
        return own

    for module in COMMANDS:
        module.add(command)
    return parser
