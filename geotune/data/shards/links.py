"""Shards used where they lie: a dataset that holds only indices, and where the records are."""

import hashlib
import os
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
from pydantic import BaseModel

from geotune.data.cache.entries import cache_root
from geotune.data.shards.index import ShardIndex, index_path, save_index
from geotune.errors import GeotuneError


class Link(BaseModel):
    """A shard that lies elsewhere. Its path is relative to the dataset's folder, or absolute where it is far away."""

    path: str
    size: int
    mtime_ns: int


class LinkWriter:
    """Writes the indices `link_0.index.npz …` of shards that stay where they are; use as a context manager.

    `folder` is that of the split, `dataset` the one that will hold dataset.json (above it, unless named): links are
    relative to that. `links` is for `SplitFile.links`, `digest` names the photos so far, `first` is the first number.
    """

    def __init__(self, folder: Path, *, dataset: Path | None = None, first: int = 0) -> None:
        self.folder = folder
        self.shards: list[str] = []
        self.links: dict[str, Link] = {}
        self.photos = 0
        self._dataset = (dataset or folder.parent).absolute()
        self._first = first
        self._pending: dict[Path, _Columns] = {}
        self._sha = hashlib.sha256()
        folder.mkdir(parents=True, exist_ok=True)

    def add(
        self, shard: Path, offset: int, length: int, id: str, lat: float, lon: float, place: int, *, sha: str = ""
    ) -> None:
        """Append the photo whose record stands at `offset` of a shard; `sha` names its bytes, if they are known.

        Without `sha` the digest takes the shard's own date for it. Raises OSError for a shard that is missing,
        GeotuneError for one that will not stay.
        """
        columns = self._pending.get(shard)
        if columns is None:
            if shard.resolve().is_relative_to((cache_root() / "remote").resolve()):
                raise GeotuneError(
                    f"{shard}: fetched from afar, and removed when the cache needs room",
                    "leave --in-place out, or copy the shards to a folder of your own first",
                )
            status = shard.stat()
            name = f"link_{self._first + len(self.shards)}.msg"
            self.shards.append(name)
            self.links[name] = Link(path=_from(self._dataset, shard), size=status.st_size, mtime_ns=status.st_mtime_ns)
            columns = self._pending[shard] = _Columns(name, status)
        columns.offset.append(offset)
        columns.length.append(length)
        columns.id.append(id)
        columns.lat.append(lat)
        columns.lon.append(lon)
        columns.place.append(place)
        content = sha or f"{shard.name} {columns.status.st_size} {columns.status.st_mtime_ns} {offset} {length}"
        self._sha.update(repr((id, lat, lon, place, content)).encode("utf-8", "surrogatepass"))
        self.photos += 1

    @property
    def digest(self) -> str:
        return self._sha.hexdigest()

    def __enter__(self) -> "LinkWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is not None:
            return
        for shard, columns in self._pending.items():
            check_unchanged(shard, self.links[columns.name])
            save_index(index_path(self.folder / columns.name), columns.index(), columns.status.st_size)


@dataclass
class _Columns:
    name: str
    status: os.stat_result
    id: list[str] = field(default_factory=list)
    offset: "array[int]" = field(default_factory=lambda: array("q"))
    length: "array[int]" = field(default_factory=lambda: array("q"))
    place: "array[int]" = field(default_factory=lambda: array("q"))
    lat: "array[float]" = field(default_factory=lambda: array("d"))
    lon: "array[float]" = field(default_factory=lambda: array("d"))

    def index(self) -> ShardIndex:
        return ShardIndex(
            offset=np.array(self.offset, np.int64),
            length=np.array(self.length, np.int64),
            id=np.array(self.id, np.str_),
            latitude=np.array(self.lat, np.float64),
            longitude=np.array(self.lon, np.float64),
            place=np.array(self.place, np.int64),
        )


def _from(dataset: Path, shard: Path) -> str:
    """A path that survives when both are moved together: at most two folders up, else absolute."""
    # The system goes up from where a symbolic link leads to, not from where it stands.
    there = shard.resolve()
    up = Path(os.path.relpath(there, dataset.resolve()))
    return str(there) if up.parts[:3] == ("..", "..", "..") else up.as_posix()


def check_unchanged(shard: Path, link: Link, now: os.stat_result | None = None) -> None:
    """Raise GeotuneError where a linked shard is gone, or is not the file that it was (`now`: what it is)."""
    again = "put it back, or import again: geotune data import SHARDS OUT --in-place"
    try:
        now = now or shard.stat()
    except OSError as error:
        raise GeotuneError(f"{shard}: the dataset uses it there, but: {error.strerror}", again) from None
    if now.st_size != link.size:
        raise GeotuneError(f"{shard}: changed since the import ({link.size:,} bytes then, {now.st_size:,} now)", again)
    if now.st_mtime_ns != link.mtime_ns:
        raise GeotuneError(f"{shard}: written to since the import, which uses it where it lies", again)
