"""Where the packages of the course belong, and what is missing there.

Standard library only, because this runs before anything is installed. The packages go
into the environment in use (virtual, conda, CI, Colab) or else into `.venv` beside the
README; `install` puts them there.
"""

import os
import re
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import Distribution
from pathlib import Path
from sysconfig import get_path

from helpers import paths

VENV = paths.ROOT / ".venv"
MARKER = "course-setup-unfinished"  # lies in an environment while set-up works on it
LINK = "course.pth"  # lies beside the packages and leads to `helpers`
MODULES = {"scikit-learn": "sklearn", "pillow": "PIL", "ipython": "IPython"}
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
        others = {str(paths.ROOT), *foreign()}
        return [entry for entry in sys.path if os.path.realpath(entry) not in others]

    @property
    def link(self) -> Path:
        """The file that makes `import helpers` work there, from any folder."""
        return Path(get_path("purelib") if self.running else self.folders[0], LINK)


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
    names = [MODULES.get(name, name.replace("-", "_")) for name in pins()]
    remedies = {str(paths.NOTEBOOKS): "rename it"}
    remedies |= {folder: f"take {folder} out of PYTHONPATH" for folder in foreign()}
    places = [(folder, name) for folder in remedies for name in ("helpers", *names)]
    places += [(folder, "helpers") for folder in target.folders]
    specs = [(folder, PathFinder.find_spec(name, [folder])) for folder, name in places]
    return [
        f"{spec.origin} is imported in place of the {spec.name} that the course needs: "
        + remedies.get(folder, "uninstall it")
        for folder, spec in specs
        if spec and spec.origin
    ]


def link_text() -> str:
    """Return what LINK has to say: in ASCII, since systems disagree about letters."""
    return f"import sys; sys.path.append({ascii(str(paths.ROOT))})\n"
