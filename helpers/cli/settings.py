"""The variables that commands set for the processes they start.

Whatever the user has set stays.
"""

import os


def quiet(progress: bool = False) -> None:
    """Make what follows reproducible, silent and, in the laptop profile, offline.

    With `progress`, progress bars are shown.
    """
    settings = {
        "TQDM_DISABLE": "" if progress else "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "PYTHONHASHSEED": "0",
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    hub = os.environ.get("COURSE_SOURCE") == "hub"
    if not hub and os.environ.get("COURSE_PROFILE") != "full":
        settings["HF_HUB_OFFLINE"] = "1"
    for name, value in settings.items():
        os.environ.setdefault(name, value)
