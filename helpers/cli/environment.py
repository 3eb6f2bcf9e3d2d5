"""Where the packages of the course belong, and what is missing there.

Standard library only, because this runs before anything is installed. The packages go
into the environment in use (virtual, conda, CI, Colab) or else into `.venv` beside the
README; `install` puts them there.
"""

import json
import os
import re
import sys
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from helpers import paths

VENV = paths.ROOT / ".venv"
MARKER = "course-setup-unfinished"  # lies in an environment while set-up works on it
COURSE = "pretrained-models-measured"
HALF_INSTALLED = "only half installed"


class SetupError(RuntimeError):
    """Set-up cannot go on; the message is one sentence that says what to do."""


@dataclass(frozen=True)
class Target:
    """An environment: its interpreter and its root folder."""

    python: str
    prefix: Path

    @property
    def running(self) -> bool:
        """Whether this very process runs in it."""
        return self.prefix == Path(sys.prefix)

    @property
    def usable(self) -> bool:
        """Whether it has an interpreter that is new enough."""
        if self.running:
            return True
        config = self.prefix / "pyvenv.cfg"
        if not (config.is_file() and os.path.exists(self.python)):
            return False
        text = config.read_text(encoding="utf-8", errors="replace")
        version = re.search(r"(?m)^version\w* *= *(\d+)\.(\d+)", text)
        return bool(version) and (int(version[1]), int(version[2])) >= (3, 11)

    @property
    def unfinished(self) -> bool:
        """Whether a set-up of it was interrupted, or is going on."""
        return (self.prefix / MARKER).exists()

    @property
    def folders(self) -> list[str]:
        """The folders that hold its packages (the checkout is none of them)."""
        if not self.running:
            libraries = (*self.prefix.glob("lib/python3*"), self.prefix / "Lib")
            return [str(library / "site-packages") for library in libraries]
        return [
            entry for entry in sys.path if os.path.realpath(entry) != str(paths.ROOT)
        ]


def choose() -> Target:
    """Return the environment that the packages belong into."""
    ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    conda = (
        os.environ.get("CONDA_PREFIX") == sys.prefix
        and os.environ.get("CONDA_DEFAULT_ENV") != "base"
    )
    virtual = sys.prefix != sys.base_prefix
    if ci or conda or virtual or "COLAB_RELEASE_TAG" in os.environ:
        return Target(sys.executable, Path(sys.prefix))
    python = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    return Target(str(VENV / python), VENV)


def pins() -> dict[str, str]:
    """Return name and version of every package in `requirements.txt`."""
    text = (paths.ROOT / "requirements.txt").read_text(encoding="utf-8")
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return dict(line.split("==") for line in lines if line)


def problems(target: Target) -> dict[str, str]:
    """Return each requirement that is not met, with what is there instead."""
    found = {}
    for name, version in pins().items():
        dist = next(iter(Distribution.discover(name=name, path=target.folders)), None)
        there = dist.metadata.get("Version") if dist else None
        if dist is None:
            found[f"{name}=={version}"] = "not installed"
        elif not there or not dist.read_text("RECORD"):  # pip writes RECORD last
            found[f"{name}=={version}"] = HALF_INSTALLED
        elif there.split("+")[0] != version:
            found[f"{name}=={version}"] = f"{there} is installed"
    if not _helpers_installed(target):
        found["helpers"] = "not installed from this folder"
    return found


def _helpers_installed(target: Target) -> bool:
    """Return whether `import helpers` means this checkout, whatever the folder."""
    for dist in Distribution.discover(name=COURSE, path=target.folders):
        origin = json.loads(dist.read_text("direct_url.json") or "{}")
        folder = url2pathname(urlsplit(origin.get("url", "")).path)
        if origin.get("dir_info", {}).get("editable") and os.path.exists(folder):
            return os.path.samefile(folder, paths.ROOT)
    return False
