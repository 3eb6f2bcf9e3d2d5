"""Which subject (patient, animal, specimen) an image file shows."""

import csv
import os
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import pandas as pd

from helpers.data.image_files import ImageError
from helpers.data.splits import normal

PATTERN = r"(?i)(?:^|[^a-z0-9])((?:patient|subject|subj|sub|case|pat|pid|p)[-_ ]?\d+)"


def from_paths(files: Sequence[str], pattern: str | None = None) -> list[str | None]:
    """Return the subject that each path tells, or None.

    It is what `pattern` finds in the path without its ending: its first group if it has
    one, in small letters. By default that is a word and a number, such as `patient12`
    in `patient12_slice3.png` (see PATTERN), or else the outermost folder of the path.
    Raises ImageError for a pattern that is none, or that finds nothing in any path.
    """
    try:
        finder = re.compile(pattern or PATTERN)
    except re.error as error:
        raise ImageError(
            f"The pattern {pattern} is none ({error}): mend it."
        ) from error
    found = []
    for file in map(PurePosixPath, files):
        folder = file.parts[0] if len(file.parts) > 1 and not pattern else None
        match = finder.search(file.with_suffix("").as_posix())
        subject = match[1 if finder.groups else 0] if match else folder
        found.append(subject and normal(subject).casefold())
    if pattern and not any(found):
        raise ImageError(
            f"The pattern {pattern} finds no subject in any path, for instance not in "
            f"{files[0]}: change it."
        )
    return found


def from_csv(files: Sequence[str], path) -> list[str]:
    """Return the subject of each path as a CSV file says in `file` and `subject`.

    A file is named by its path, or by its name alone if that occurs once. Raises
    ImageError when the file cannot be read, lacks a column, or gives a path none or two
    subjects.
    """
    options = {"sep": None, "engine": "python", "encoding": "utf-8-sig", "dtype": str}
    try:
        listed = pd.read_csv(os.path.expanduser(path), **options)
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(
            f"The file {path} cannot be read ({reason}): name a CSV file with the "
            "columns file and subject."
        ) from error
    listed.columns = [str(name).strip().lower() for name in listed]
    if not {"file", "subject"} <= {*listed}:
        raise ImageError(
            f"The file {path} has the columns {', '.join(listed)}: it needs one named "
            "file and one named subject."
        )
    listed = listed[["file", "subject"]].dropna().map(lambda text: normal(text.strip()))
    listed["file"] = listed["file"].str.replace("\\", "/")
    listed = listed.drop_duplicates()
    if (twice := listed["file"].duplicated()).any():
        raise ImageError(
            f"The file {path} names two subjects for {listed['file'][twice].iloc[0]}: "
            "keep one, or name files by their paths below the folder."
        )
    known = listed.set_index("file")["subject"]
    wanted = pd.Series(files).map(normal)
    names = wanted.str.rpartition("/")[2]
    alone = names.where(~names.duplicated(keep=False))
    found = wanted.map(known).fillna(alone.map(known))
    if (missing := found.isna()).any():
        raise ImageError(
            f"The file {path} has no subject for {missing.sum()} of {len(found)} "
            f"images, for instance {wanted[missing].iloc[0]}: add them, by their paths "
            "below the folder."
        )
    return found.tolist()
