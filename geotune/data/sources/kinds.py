"""The kinds of sources, and which of them lies at a path."""

import shlex
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Annotated

from pydantic import Field

from geotune.data.diagnose import LOOK_AT_MOST, TABLE_SUFFIXES
from geotune.data.sources import parquet, shards, tar
from geotune.data.sources.files import files_below
from geotune.data.sources.parquet import ParquetSource
from geotune.data.sources.photos import RAW_SUFFIXES, READ_SUFFIXES, VIDEO_SUFFIXES, PhotosSource
from geotune.data.sources.shards import ShardsSource
from geotune.data.sources.table import TableSource
from geotune.data.sources.webdataset import WebDatasetSource
from geotune.data.sources.why import VIDEO, why
from geotune.errors import GeotuneError

Source = Annotated[
    PhotosSource | TableSource | ParquetSource | WebDatasetSource | ShardsSource, Field(discriminator="name")
]

KINDS = "a folder of photos, a CSV file, or parquet, .tar or .msg files"
STRAY = 0.1
"""Less than this share of a folder's bytes is a logo or an example, not data."""
ARCHIVES = (".zip", ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst")


def source_of(path: Path | str, *, images: Path | None = None, labels: Path | None = None) -> Source:
    """The kind of source that lies at a path; raises GeotuneError where it is none, or where an option is another's.

    A folder is what most of its bytes are: photos, parquet, tar or shards. `images` is where a CSV file's images lie,
    `labels` the table of a shard's coordinates.
    """
    path = Path(path)
    if path.is_dir() and (path / "dataset.json").is_file():
        raise GeotuneError(f"{path}: a dataset already", f"use it: geotune search data={shlex.quote(str(path))}")
    if not path.exists():
        raise GeotuneError(f"{path}: no such file or folder", f"give {KINDS}")
    kind = _folder(path) if path.is_dir() else _file(path)
    if images and kind != "table":
        what = "a folder" if path.is_dir() else "none"
        raise GeotuneError("--images belongs to a CSV file", f"{path} is {what}: leave --images out")
    if labels and kind != "shards":
        raise GeotuneError("--labels belongs to .msg shards", f"{path} holds none: leave --labels out")
    if labels and not labels.is_file():
        raise GeotuneError(f"{labels}: no such file", "name a CSV file or a JSON mapping: --labels FILE")
    match kind:
        case "table":
            return TableSource(path=path, images=images)
        case "parquet":
            return ParquetSource(path=path)
        case "tar":
            return WebDatasetSource(path=path)
        case "shards":
            return ShardsSource(path=path, labels=(labels,) if labels else ())
    return PhotosSource(path=path)


def _kind_of(name: str) -> str:
    """The kind of source that a file of this name belongs to, or ""."""
    name = name.lower()
    if name.endswith(tar.SUFFIXES):
        return "tar"
    suffix = Path(name).suffix
    known = {parquet.SUFFIX: "parquet", shards.SUFFIX: "shards"} | dict.fromkeys(READ_SUFFIXES, "photos")
    return known.get(suffix, "")


def _folder(path: Path) -> str:
    """The kind that most of a folder's bytes are. Raises GeotuneError where another kind would be lost silently."""
    size: Counter[str] = Counter()
    first: dict[str, Path] = {}
    for file in islice(files_below(path), LOOK_AT_MOST):
        if kind := _kind_of(file.name):
            size[kind] += 1 + (file.stat().st_size if file.is_file() else 0)
            first.setdefault(kind, file)
    (kind, most), (other, more) = [*size.most_common(2), ("photos", 0), ("", 0)][:2]
    if kind != "photos" and more > STRAY * most:  # a folder of photos names what else lies in it
        raise GeotuneError(
            f"{path}: holds both {first[kind].name} and {first[other].name}",
            f"import them one by one: geotune data import {shlex.quote(str(first[kind]))} OUT, or move one kind away",
        )
    return kind


def _file(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return "table"
    kind = _kind_of(path.name)
    if kind == "photos" or suffix in RAW_SUFFIXES:
        raise GeotuneError(f"{path}: a single photo", f"give the folder that holds it: {path.parent}")
    if kind:
        return kind
    if suffix in VIDEO_SUFFIXES:
        raise GeotuneError(f"{path}: a video", why(VIDEO))
    if suffix in ARCHIVES:
        raise GeotuneError(f"{path}: an archive", "unpack it first, and give the folder")
    if suffix == ".json":
        raise GeotuneError(
            f"{path}: no source of photos", f"give the .msg shards, and --labels {shlex.quote(str(path))}"
        )
    raise GeotuneError(f"{path}: no source of photos", f"give {KINDS}")
