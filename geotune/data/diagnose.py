"""What a path is that was given as a dataset, or for a new one, and is none: the error with the nearest mend."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from geotune.data.words import counted
from geotune.errors import GeotuneError

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}
TABLE_SUFFIXES = {".csv", ".tsv"}
LOOK_AT_MOST = 20_000
"""Files looked at before a folder is taken to hold no photos."""


def no_dataset(path: Path) -> GeotuneError:
    """The error for a path without `dataset.json`; its hint is the command that makes a dataset of what is there."""
    problem, hint = _look(path)
    return GeotuneError(f"{path}: {problem}", hint)


def _look(path: Path) -> tuple[str, str]:
    if not path.exists():
        return "no such folder", f"make a dataset first: geotune data import PHOTOS {shlex.quote(str(path))}"
    if path.is_file():
        if path.suffix.lower() in TABLE_SUFFIXES:
            return "a table, not a dataset", _make(path, path.stem)
        return "a file, not a dataset", "give the folder that holds dataset.json"
    name = path.resolve().name
    if inside := sorted(path.glob("*/dataset.json")):
        found = "not a dataset, but it holds some"
        mend = f"give one of them, such as {shlex.quote(str(inside[0].parent))}"
    elif tables := sorted(table for table in path.iterdir() if table.suffix.lower() in TABLE_SUFFIXES):
        found, mend = "not a dataset, but there is a table in it", _make(tables[0], name)
    elif has_photo(path):
        found, mend = "a folder of photos, not a dataset", _make(path, name)
    else:
        found = "not a dataset: no dataset.json in it" if any(path.iterdir()) else "an empty folder, not a dataset"
        mend = "make one: geotune data import PHOTOS data/NAME"
    return found, mend


def _make(source: Path, name: str) -> str:
    out = shlex.quote("data/" + (name or "photos"))
    return f"make one of it: geotune data import {shlex.quote(str(source))} {out}"


def in_the_way(out: Path, source: Path | None = None) -> GeotuneError:
    """The error for a new dataset's path where something else stands; sees SOURCE and OUT in the wrong order."""
    photos = count_photos(out)
    what = " and is no dataset" + (f" ({counted(photos, 'photo')})" if photos else "") if out.is_dir() else ""
    mend = "name another folder; nothing that stands there is touched"
    if source:
        table, images = (out, source) if _is_table(out) else (source, out)
        if _is_table(table) and has_photo(images):  # the table is the source, and names the photos
            mend = f"{_meant(table, Path('data') / table.stem)} --images {shlex.quote(str(images))}"
        elif (photos or _is_table(out)) and not source.is_file() and not source.suffix and not has_photo(source):
            mend = _meant(out, source)
    return GeotuneError(f"{out}: exists already{what}", mend)


def _is_table(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in TABLE_SUFFIXES


def _meant(source: Path, out: Path) -> str:
    return f"did you mean: geotune data import {shlex.quote(str(source))} {shlex.quote(str(out))}"


def has_photo(path: Path) -> bool:
    """Whether a file with a photo's suffix lies anywhere under a folder; gives up after LOOK_AT_MOST files."""
    return next(_photos(path), None) is not None


def count_photos(path: Path) -> int:
    """How many files with a photo's suffix lie under a folder, among its first LOOK_AT_MOST files."""
    return sum(1 for _ in _photos(path))


def _photos(path: Path) -> Iterator[str]:
    seen = 0
    for _, _, names in os.walk(path):
        yield from (name for name in names if Path(name).suffix.lower() in PHOTO_SUFFIXES)
        seen += len(names) + 1
        if seen > LOOK_AT_MOST:
            return
