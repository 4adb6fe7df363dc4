"""What a path is that was given as a dataset, or for a new one, and is none: the error with the nearest mend."""

import os
import shlex
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from geotune.data.words import counted
from geotune.errors import GeotuneError

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}
PHONE_SUFFIXES = {".heic", ".heif", ".avif"}
"""Photos too, where a package reads them."""
TABLE_SUFFIXES = {".csv", ".tsv"}
FILES = {
    (".msg",): ("a shard of photos", "a folder of .msg shards"),
    (".parquet",): ("a table with photos", "a folder of parquet files"),
    (".tar", ".tar.gz", ".tgz"): ("an archive of photos", "a folder of .tar archives"),
}
"""Files that hold many photos: what one is, and a folder of them."""
LOOK_AT_MOST = 20_000
"""Files looked at before a folder is taken to hold no photos."""


def no_dataset(path: Path) -> GeotuneError:
    """The error for a path without `dataset.json`; its hint is the command that makes a dataset of what is there."""
    problem, hint = _look(path)
    return GeotuneError(f"{path}: {problem}", hint)


def _look(path: Path) -> tuple[str, str]:
    if not path.exists():
        return "no such folder", f"make a dataset first: geotune data import PHOTOS {shlex.quote(str(path))}"
    name = path.resolve().name
    if path.is_file():
        kind = next((what for suffixes, (what, _) in FILES.items() if path.name.lower().endswith(suffixes)), "")
        if path.suffix.lower() in TABLE_SUFFIXES:
            kind = "a table"
        if kind:
            return f"{kind}, not a dataset", _make(path, path.name.partition(".")[0])
        return "a file, not a dataset", "give the folder that holds dataset.json"
    if inside := sorted(path.glob("*/dataset.json")):
        found = "not a dataset, but it holds some"
        mend = f"give one of them, such as {shlex.quote(str(inside[0].parent))}"
    elif kind := _files_in(path):
        found, mend = f"{kind}, not a dataset", _make(path, name, in_place=kind == FILES[(".msg",)][1])
    elif tables := sorted(table for table in path.iterdir() if table.suffix.lower() in TABLE_SUFFIXES):
        found, mend = "not a dataset, but there is a table in it", _make(tables[0], name)
    elif has_photo(path):
        found, mend = "a folder of photos, not a dataset", _make(path, name)
    else:
        found = "not a dataset: no dataset.json in it" if any(path.iterdir()) else "an empty folder, not a dataset"
        mend = "make one: geotune data import PHOTOS data/NAME"
    return found, mend


def _files_in(path: Path) -> str:
    """What a folder is that holds large files of photos, there or one folder below; "" for another."""
    names = [file.name.lower() for pattern in ("*.*", "*/*.*") for file in islice(path.glob(pattern), LOOK_AT_MOST)]
    return next((what for suffixes, (_, what) in FILES.items() if any(name.endswith(suffixes) for name in names)), "")


def _make(source: Path, name: str, in_place: bool = False) -> str:
    out = shlex.quote("data/" + (name or "photos"))
    command = f"geotune data import {shlex.quote(str(source))} {out}"
    return f"use them where they lie: {command} --in-place" if in_place else f"make one of it: {command}"


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
        yield from (name for name in names if Path(name).suffix.lower() in PHOTO_SUFFIXES | PHONE_SUFFIXES)
        seen += len(names) + 1
        if seen > LOOK_AT_MOST:
            return
