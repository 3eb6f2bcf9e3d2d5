"""Start a chapter: profile, seed, device, threads, timers, recorded results."""

import json
import logging
import os
import platform
import re
import time
import tomllib
import warnings
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path

import datasets
import torch
from transformers import set_seed
from transformers.utils import logging as transformers_logging

from helpers import hardware, paths, plots

VERSIONS = ("torch", "transformers", "datasets", "peft", "scikit-learn")


class Chapter:
    """The state of one running chapter: see `start`."""

    def __init__(self, number: str, profile: str, seed: int, assets: tuple[str, ...]):
        self.number, self.profile, self.seed = number, profile, seed
        self.device = hardware.device(profile)
        self.data = paths.DATA  # the course's folder of samples and results
        self.seconds: dict[str, float] = {}
        self.results: dict[str, dict] = {}  # what this run has recorded, by name
        folder = Path(os.environ.get("COURSE_RESULTS", paths.CACHED_RESULTS))
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / f"{number}.json"
        self._log = {
            "chapter": number,
            "profile": profile,
            "seed": seed,
            "cores": torch.get_num_threads(),
            "date": date.today().isoformat(),
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in VERSIONS},
            "assets": list(assets),
            "results": self.results,
        }

    def pick(self, *, laptop, full):
        """Return the value that belongs to the profile in use."""
        return {"laptop": laptop, "full": full}[self.profile]

    def record(self, name: str, value: float, *, key: bool = False, **about) -> None:
        """Store a measured number at once; `about` takes n=, interval=, unit=, …

        `key` marks a number for the table that `python -m helpers run` prints.
        """
        marked = {"key": True} if key else {}
        self.results[name] = {"value": float(value)} | about | marked
        options = {"indent": 1, "ensure_ascii": False, "allow_nan": False}
        text = json.dumps(self._log, default=lambda array: array.tolist(), **options)
        paths.write(self._file, text + "\n")

    def beside(self, name: str) -> Path:
        """Return the path of a file to store beside this run's recorded results."""
        return self._file.with_name(f"{self.number}_{name}")

    @contextmanager
    def timer(self, name: str):
        """Measure the wall-clock seconds of a block into `seconds[name]`."""
        begin = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begin


def start(number: str, *, seed: int = 0, assets: tuple[str, ...] = ()) -> Chapter:
    """Set seed, threads and profile, and say what the chapter costs.

    `number` is the notebook's id, as `04` or `04b`; `assets` names what it fetches.
    Raises ValueError for an unknown asset, a malformed id or another COURSE_PROFILE.
    """
    if not re.fullmatch(paths.ID, number):
        raise ValueError(f"'{number}' is no id of a notebook, such as 04 or 04b.")
    known = tomllib.loads((paths.DATA / "assets.toml").read_text(encoding="utf-8"))
    if unknown := [name for name in assets if name not in known]:
        raise ValueError(
            f"There is no asset {', '.join(unknown)} for chapter {number}, but there "
            f"are {', '.join(known)}."
        )
    profile = os.environ.get("COURSE_PROFILE", "laptop")
    if profile not in paths.PROFILES:
        raise ValueError(f"COURSE_PROFILE is '{profile}': set it to laptop or full.")
    set_up_libraries()
    set_seed(seed)  # of Python, numpy and torch
    hardware.use_cores()
    chapter = Chapter(number, profile, seed, tuple(assets))
    print(f"Chapter {number}, {profile} profile, {chapter.device}, seed {seed}.")
    if not hardware.waiting():
        print("Waiting threads spin: restart the kernel and run the first cell first.")
    if run := published(number).get("run"):
        print(
            f"Measured on {published(number)['cores']} cores: {run['minutes']:.1f} "
            f"minutes, {run['peak_memory_gb']:.1f} GB of memory, "
            f"{run['download_mb']} MB to download once."
        )
    return chapter


def set_up_libraries() -> None:
    """Set the figures' theme, and silence what is no news; twice does no harm."""
    plots.set_theme()
    datasets.disable_progress_bars()  # of encoding texts: it takes under a second
    transformers_logging.disable_progress_bar()  # of loading weights: likewise
    logging.getLogger("transformers.modeling_utils").addFilter(
        lambda record: "LOAD REPORT" not in str(record.msg)  # that a head is new
    )
    # names that transformers replaces; peft, chapter 3 and Colab's version use them
    warnings.filterwarnings("ignore", message=".*gradient_checkpointing")


def published(number: str) -> dict:
    """Return the results that come with the course, or {} where there are none yet."""
    file = paths.RESULTS / f"{number}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
