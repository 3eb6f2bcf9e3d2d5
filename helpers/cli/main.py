"""The command line `python -m helpers`: its parser, and errors turned into sentences.

Standard library only at import time: it runs before anything is installed. A command
is a function of the parsed arguments that returns the exit code; the modules in
COMMANDS register theirs in `add`. ArgumentTypeError refuses arguments.
"""

import argparse
import errno
import os
import sys

from helpers.cli import assets, doctor, pretrain, run

COMMANDS = (run, doctor, assets, pretrain)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):  # a console that cannot show every letter
        stream.reconfigure(errors="backslashreplace")
    argv = sys.argv[1:] if argv is None else argv
    parser = _parser()
    args, args.rest = parser.parse_known_args(argv, argparse.Namespace(argv=argv))
    try:
        if args.rest and args.run is not run.test:
            raise argparse.ArgumentTypeError(f"unknown arguments: {args.rest}")
        if args.run is not doctor.run and (problem := doctor.unknown_setting()):
            raise argparse.ArgumentTypeError(problem)
        return args.run(args)
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    except BrokenPipeError:  # as in `… assets list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted: run the same command again to go on.", file=sys.stderr)
        return 130
    except Exception as error:
        if not (sentence := _sentence(error)):
            raise
        print(sentence, file=sys.stderr)
        return 1


def _sentence(error: Exception) -> str:
    """Return what the user can do, or nothing if nobody foresaw the error."""
    if type(error).__module__.startswith("helpers."):
        return str(error)
    if isinstance(error, OSError) and (error.filename or error.errno == errno.ENOSPC):
        return (
            f"Cannot use {error.filename or 'the disk'} ({error.strerror}): make sure "
            "that it may be read and written and that the disk is not full, then run "
            "the same command again."
        )
    return ""  # libraries raise OSError for much else


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
        example = f"Example: python -m helpers {example}"
        own = commands.add_parser(name, help=does, description=does, epilog=example)
        own.allow_abbrev = False
        own.set_defaults(run=run)
        return own

    for module in COMMANDS:
        module.add(command)
    return parser
