"""The kinds of sources, and which of them lies at a path."""

import shlex
from pathlib import Path
from typing import Annotated

from pydantic import Field

from geotune.data.diagnose import PHOTO_SUFFIXES, TABLE_SUFFIXES
from geotune.data.sources.photos import UNREADABLE_SUFFIXES, PhotosSource
from geotune.data.sources.table import TableSource
from geotune.errors import GeotuneError

Source = Annotated[PhotosSource | TableSource, Field(discriminator="name")]


def source_of(path: Path | str, images: Path | None = None, labels: Path | None = None) -> Source:
    """The kind of source that lies at a path: a folder of photos, or a CSV file. Raises GeotuneError for others."""
    path = Path(path)
    if path.is_dir():
        if (path / "dataset.json").is_file():
            raise GeotuneError(f"{path}: a dataset already", f"use it: geotune search data={shlex.quote(str(path))}")
        if images:
            raise GeotuneError("--images belongs to a CSV file", f"{path} is a folder: leave --images out")
        return PhotosSource(path=path)
    if not path.exists():
        raise GeotuneError(f"{path}: no such file or folder", "give a folder of photos, or a CSV file")
    if path.suffix.lower() not in TABLE_SUFFIXES:
        if path.suffix.lower() in PHOTO_SUFFIXES | UNREADABLE_SUFFIXES:
            raise GeotuneError(f"{path}: a single photo", f"give the folder that holds it: {path.parent}")
        raise GeotuneError(f"{path}: neither a folder of photos nor a .csv file", "unpack an archive first")
    return TableSource(path=path, images=images)
