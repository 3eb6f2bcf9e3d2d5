"""The variables that commands set for what they start; the user's own stay."""

import os

from helpers import paths

FOLDERS = ("JUPYTER_CONFIG_DIR", "IPYTHONDIR", "MPLCONFIGDIR")


def quiet(progress: bool = False) -> None:
    """Make what follows reproducible, silent and, in the laptop profile, offline."""
    own_tools()
    os.environ.setdefault("TQDM_DISABLE", "" if progress else "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("PYTHONHASHSEED", "0")
    hub = os.environ.get("COURSE_SOURCE") == "hub"
    if not hub and os.environ.get("COURSE_PROFILE") != "full":
        os.environ.setdefault("HF_HUB_OFFLINE", "1")


def own_tools() -> None:
    """Let no start-up file or style in the home folder change what a chapter does."""
    place = paths.CACHE / "settings"
    place.mkdir(parents=True, exist_ok=True)  # or IPython takes a temporary folder
    for name in FOLDERS:
        os.environ.setdefault(name, str(place / name.lower()))
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # kernels, too
