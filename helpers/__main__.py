"""`python -m helpers`: check the Python version, then start the command line."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - Python 2.7 must be able to read this file
    sys.stderr.write(
        "This course needs Python 3.11 or newer, but %s is Python %s: install a newer "  # noqa: UP031
        "one and run the same command with it, as in `python3.13 -m helpers lab`.\n"
        % (sys.executable, sys.version.split()[0])
    )
    sys.exit(2)

from helpers import hardware  # noqa: E402
from helpers.cli.main import main  # noqa: E402

hardware.share_cores()  # before torch is loaded, here and in whatever this starts
sys.exit(main())
