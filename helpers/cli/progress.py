"""A line of progress, with the standard library only."""

import shutil
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager


@contextmanager
def progress(text: Callable[[], str]):
    """Show on stderr what `text` returns while the block runs.

    The line is rewritten in place on a terminal, or else printed every five seconds.
    """
    terminal = sys.stderr.isatty()
    start, end, every = ("\r", "", 0.3) if terminal else ("", "\n", 5)
    width = shutil.get_terminal_size().columns - 1
    done = threading.Event()

    def keep_showing() -> None:
        while not done.wait(every):
            line = f"{start}{text():{width}.{width}}"
            print(line, end=end, file=sys.stderr, flush=True)

    thread = threading.Thread(target=keep_showing, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        if terminal:
            print(f"\r{'':{width}}", end="\r", file=sys.stderr, flush=True)
