"""Where the packages of the course belong, and what is missing there.

Standard library only. The packages go into the environment in use (virtual, conda, CI,
Colab) or else into `.venv` beside the README.
"""

import os
import re
import sys
from importlib.machinery import PathFinder
from importlib.metadata import Distribution
from pathlib import Path

from helpers import paths

VENV = paths.ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
NEW_ENOUGH = r"(?m)^version\w* *= *3\.(1[1-9]|[2-9]\d)"
MODULES = {
    "scikit-learn": "sklearn",
    "pillow": "PIL",
    "ipython": "IPython",
    "scikit-image": "skimage",
    "pynrrd": "nrrd",
}
HALF_INSTALLED = "only half installed"


class SetupError(RuntimeError):
    """Set-up cannot go on; the message is one sentence that says what to do."""

    def __init__(self, what: str):
        super().__init__(f"{what}, then run the same command again.")


def in_use() -> bool:
    """Return whether this process runs in an environment that takes the packages."""
    conda = os.environ.get("CONDA_PREFIX") == sys.prefix
    return (
        sys.prefix != sys.base_prefix  # a virtual environment
        or (conda and os.environ.get("CONDA_DEFAULT_ENV") != "base")
        or os.environ.get("CI", "") not in ("", "0", "false")
        or "COLAB_RELEASE_TAG" in os.environ
    )


def prefix() -> Path:
    """Return the root of the environment that takes the packages."""
    return Path(sys.prefix) if in_use() else VENV


def marker() -> Path:
    """Return the file that lies in an environment while set-up changes it."""
    return prefix() / "course-setup-unfinished"


def usable() -> bool:
    """Return whether `.venv` is whole, with a Python that is new enough."""
    config = VENV / "pyvenv.cfg"
    whole = config.is_file() and PYTHON.exists() and not marker().exists()
    return whole and bool(re.search(NEW_ENOUGH, config.read_text("utf-8", "replace")))


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


def problems() -> dict[str, str]:
    """Return each requirement that is not met here, with what is there instead."""
    found = {}
    for name, version in pins().items():
        dist = distribution(name)
        there = dist.metadata.get("Version") if dist else None
        if dist is None:
            found[f"{name}=={version}"] = "not installed"
        elif not there or not dist.read_text("RECORD"):  # pip writes RECORD last
            found[f"{name}=={version}"] = HALF_INSTALLED
        elif there.split("+")[0] != version:
            found[f"{name}=={version}"] = f"{there} is installed"
    return found


def distribution(name: str) -> Distribution | None:
    """Return what is installed here under a name."""
    return next(iter(Distribution.discover(name=name, path=folders())), None)


def folders() -> list[str]:
    """Return the folders of this environment's packages."""
    others = {str(paths.ROOT), *foreign()}
    return [entry for entry in sys.path if os.path.realpath(entry) not in others]


def foreign() -> list[str]:
    """Return the folders in PYTHONPATH but for this course and this environment."""
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    folders = [Path(folder).resolve() for folder in named if folder]
    own = (paths.ROOT, Path(sys.prefix))
    return [str(f) for f in folders if not any(f.is_relative_to(o) for o in own)]


def intruders() -> list[str]:
    """Return a sentence for each file that an import finds before one of the course.

    It lies beside the notebooks, in PYTHONPATH, or belongs to another `helpers`.
    """
    names = [MODULES.get(name, name.replace("-", "_")) for name in ("helpers", *pins())]
    remedies = {str(paths.NOTEBOOKS): "rename it"}
    remedies |= {folder: f"take {folder} out of PYTHONPATH" for folder in foreign()}
    places = [(name, folder) for folder in remedies for name in names]
    places += [("helpers", folder) for folder in folders()]
    return [
        f"{spec.origin} is imported in place of the {name} that the course needs: "
        + remedies.get(folder, "uninstall it")
        for name, folder in places
        if (spec := PathFinder.find_spec(name, [folder])) and spec.origin
    ]
