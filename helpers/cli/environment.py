"""Where the packages of the course belong, and what is missing there.

Standard library only. The packages go into the environment in use (virtual, conda, CI,
Colab) or else into `.venv` beside the README.
"""

import os
import re
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import Distribution
from pathlib import Path

from helpers import paths

VENV = paths.ROOT / ".venv"
MARKER = "course-setup-unfinished"
NEW_ENOUGH = r"(?m)^version\w* *= *3\.(1[1-9]|[2-9]\d)"
MODULES = {"scikit-learn": "sklearn", "pillow": "PIL", "ipython": "IPython"}
HALF_INSTALLED = "only half installed"


class SetupError(RuntimeError):
    """Set-up cannot go on; the message is one sentence that says what to do."""

    def __init__(self, what: str):
        super().__init__(f"{what}, then run the same command again.")


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
    def marker(self) -> Path:
        """The file that lies there while set-up changes the environment."""
        return self.prefix / MARKER

    @property
    def usable(self) -> bool:
        """Whether it is whole, with an interpreter that is new enough."""
        config = self.prefix / "pyvenv.cfg"
        if self.running or self.marker.exists() or not config.is_file():
            return self.running
        text = config.read_text(encoding="utf-8", errors="replace")
        return os.path.exists(self.python) and bool(re.search(NEW_ENOUGH, text))

    @property
    def folders(self) -> list[str]:
        """The folders that hold its packages (the checkout is none of them)."""
        if not self.running:
            libraries = (*self.prefix.glob("lib/python3*"), self.prefix / "Lib")
            return [str(library / "site-packages") for library in libraries]
        others = {str(paths.ROOT), *foreign()}
        return [entry for entry in sys.path if os.path.realpath(entry) not in others]


def choose() -> Target:
    """Return the environment that the packages belong into."""
    variables = os.environ.get
    in_use = (
        sys.prefix != sys.base_prefix,  # a virtual environment
        variables("CONDA_PREFIX") == sys.prefix
        and variables("CONDA_DEFAULT_ENV") != "base",
        variables("CI", "") not in ("", "0", "false"),
        "COLAB_RELEASE_TAG" in os.environ,
    )
    if any(in_use):
        return Target(sys.executable, Path(sys.prefix))
    python = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    return Target(str(VENV / python), VENV)


def listing() -> Path:
    """Return the file that lists what to install: on Colab, only what it lacks."""
    if "COLAB_RELEASE_TAG" in os.environ:
        return Path(__file__).with_name("colab.txt")
    return paths.ROOT / "requirements.txt"


def pins() -> dict[str, str]:
    """Return name and version of every package to install."""
    text = listing().read_text(encoding="utf-8")
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return dict(line.split("==") for line in lines if line)


def problems(target: Target) -> dict[str, str]:
    """Return each requirement that is not met, with what is there instead."""
    found = {}
    for name, version in pins().items():
        dist = distribution(name, target.folders)
        there = dist.metadata.get("Version") if dist else None
        if dist is None:
            found[f"{name}=={version}"] = "not installed"
        elif not there or not dist.read_text("RECORD"):  # pip writes RECORD last
            found[f"{name}=={version}"] = HALF_INSTALLED
        elif there.split("+")[0] != version:
            found[f"{name}=={version}"] = f"{there} is installed"
    return found


def distribution(name: str, folders: list[str]) -> Distribution | None:
    """Return what is installed under a name in the first of the folders that has it."""
    return next(iter(Distribution.discover(name=name, path=folders)), None)


def foreign() -> list[str]:
    """Return the folders in PYTHONPATH but for this course and this environment."""
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    folders = [Path(folder).resolve() for folder in named if folder]
    own = (paths.ROOT, Path(sys.prefix))
    return [str(f) for f in folders if not any(f.is_relative_to(o) for o in own)]


def intruders(target: Target) -> list[str]:
    """Return a sentence for each file that an import finds before one of the course.

    It lies beside the notebooks, in PYTHONPATH, or belongs to another `helpers`.
    """
    names = [MODULES.get(name, name.replace("-", "_")) for name in ("helpers", *pins())]
    remedies = {str(paths.NOTEBOOKS): "rename it"}
    remedies |= {folder: f"take {folder} out of PYTHONPATH" for folder in foreign()}
    places = [(name, folder) for folder in remedies for name in names]
    places += [("helpers", folder) for folder in target.folders]
    return [
        f"{spec.origin} is imported in place of the {name} that the course needs: "
        + remedies.get(folder, "uninstall it")
        for name, folder in places
        if (spec := PathFinder.find_spec(name, [folder])) and spec.origin
    ]
