"""Lines of progress: rewritten in place on a terminal, or printed every few seconds.

Standard library only. They go to stderr, so that stdout holds nothing but results.
"""

import re
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path


class StatusLine:
    """A line that is rewritten on a terminal, or else printed every few seconds."""

    def __init__(self, every: float = 5):
        self.every = every
        self.shown = time.monotonic()
        self.terminal = sys.stderr.isatty()

    def show(self, text: str) -> None:
        """Show the text now (terminal), or if the last line is old enough."""
        if self.terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{text[:width]:<{width}}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self.shown >= self.every:
            self.shown = time.monotonic()
            print(text, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Wipe the line from a terminal."""
        if self.terminal:
            self.show("")
            print("\r", end="", file=sys.stderr, flush=True)


@contextmanager
def progress(text: Callable[[], str]):
    """Keep a status line up to date while the block runs."""
    done = threading.Event()
    line = StatusLine()

    def keep_showing() -> None:
        while not done.wait(0.3):
            line.show(text())

    thread = threading.Thread(target=keep_showing, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        line.clear()


class Step:
    """What a step of set-up has said so far, as a line of progress."""

    def __init__(self, folders: list[str], doing: str):
        self.folders, self.doing = folders, doing
        self.found = self.total = self.before = 0
        self.begin = time.monotonic()

    def read(self, line: str) -> None:
        """Take in one line of pip's output."""
        if re.match(r"\s*(Collecting|Processing|Requirement already)\b", line):
            self.found += 1
            self.doing = "looking for packages"
        elif match := re.match(r"\s*Downloading (?:\S*/)?(\S+)(.*)", line):
            self.doing = f"downloading {match[1]}{match[2]}"
        elif line.startswith("Installing collected packages:"):
            self.total = line.count(",") + 1
            self.before = self._installed()

    def text(self) -> str:
        """Return the line of progress."""
        doing = self.doing
        if self.found:
            doing = f"{self.found} packages found, {doing}"
        if self.total:
            done = min(max(self._installed() - self.before, 0), self.total)
            doing = f"installing {done} of {self.total} packages"
        return f"Set-up: {doing}, {time.monotonic() - self.begin:.0f} s"

    def _installed(self) -> int:
        """Return how many packages the environment holds."""
        return sum(len(list(Path(f).glob("*.dist-info"))) for f in self.folders)
