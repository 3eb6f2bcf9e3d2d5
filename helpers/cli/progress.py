"""A line of progress on stderr, so that stdout holds nothing but results.

Standard library only.
"""

import shutil
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager


@contextmanager
def progress(text: Callable[[], str]):
    """Show what `text` returns while the block runs.

    The line is rewritten in place on a terminal, or else printed every five seconds.
    """
    terminal = sys.stderr.isatty()
    start, end, every = ("\r", "", 0.3) if terminal else ("", "\n", 5)
    width = shutil.get_terminal_size().columns - 1
    done = threading.Event()

    def show(line: str) -> None:
        print(f"{start}{line:{width}.{width}}", end=end, file=sys.stderr, flush=True)

    def keep_showing() -> None:
        while not done.wait(every):
            show(text())

    thread = threading.Thread(target=keep_showing, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        if terminal:
            show("")
            print("\r", end="", file=sys.stderr, flush=True)
