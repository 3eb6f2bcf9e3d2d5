"""Keep the numbers in README.md equal to those in data/results/.

A number that comes from results stands between two HTML comments:

    <!-- result 02.frozen_100 .3f -->0.687<!-- /result -->

that is the notebook's id (`02`, `02b`), the result's name and the format, which whole
numbers do without. `.n`, `.low` and `.high` after the name mean the number of cases and
the ends of the interval; `01.run.minutes` and the like mean what the chapter cost.
"""

import json
import re
from pathlib import Path

from helpers import paths

README = paths.ROOT / "README.md"
MARKER = re.compile(
    r"(?P<open><!-- result (?P<name>[^\s>]+)(?: (?P<format>[^\s>]+))? -->)"
    r"(?P<shown>[^<]*)<!-- /result -->",
    re.DOTALL,
)


def recorded(name: str, spec: str | None, folder: Path = paths.RESULTS) -> str:
    """Return the number that a marker means, such as `02.frozen_100.low`, formatted.

    Raises FileNotFoundError, KeyError, or ValueError for a fraction without a format.
    """
    number, _, rest = name.partition(".")
    log = json.loads((folder / f"{number}.json").read_text(encoding="utf-8"))
    found = {f"run.{cost}": value for cost, value in log["run"].items()}
    for result, entry in log["results"].items():
        found[result] = entry["value"]
        found[f"{result}.n"] = entry.get("n")
        ends = entry.get("interval", (None, None))
        found[f"{result}.low"], found[f"{result}.high"] = ends
    value = found[rest]
    if not spec and value != int(value):
        raise ValueError("a fraction needs a format, such as .3f")
    return format(value, spec) if spec else str(int(value))


def refreshed(text: str, folder: Path = paths.RESULTS) -> str:
    """Return the text with every marked number as recorded. Raises KeyError."""

    def rewrite(claim: re.Match) -> str:
        value = recorded(claim["name"], claim["format"], folder)
        return f"{claim['open']}{value}<!-- /result -->"

    return MARKER.sub(rewrite, text)


def refresh() -> None:
    """Bring README.md up to date with data/results/."""
    paths.write(README, refreshed(README.read_text(encoding="utf-8")))
