"""One pass over a source: each photo is made ready, and stands in the catalogue or among those left out."""

import math
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geotune.data.catalogue import CatalogueBuilder, group_of, kind_of
from geotune.data.importing.prepare import Look, Prepared, look_at, prepare
from geotune.data.importing.spool import Spool
from geotune.data.known import Known
from geotune.data.shards.records import Record, unpack_record
from geotune.data.sources.columns import is_private
from geotune.data.sources.files import read_part
from geotune.data.sources.found import LeftOut, Photo
from geotune.data.sources.kinds import Source
from geotune.data.threads import in_threads
from geotune.errors import GeotuneError

if TYPE_CHECKING:
    import pandas as pd

Tell = Callable[[str, int, int | None], None]
READING = "reading photos"
NO_ID = "its record has no id, so it cannot be used where it lies"
OWN_KEYS = ("time", "heading", "gps_error_m", "camera", "sha", "phash")
"""What a stored record says besides id, image, position and place; a source's own columns may not hide it."""


@dataclass(frozen=True)
class Taking:
    """How photos are taken in: sizes as in ImportSettings, `columns` "all", "none" or names, `group` a column or ""."""

    max_side: int
    quality: int
    smallest_px: int
    columns: str = "all"
    group: str = ""
    in_place: bool = False
    adding: bool = False
    """Whether the columns were chosen for other photos: these may lack some."""


@dataclass(frozen=True)
class Intake:
    """What a source holds: its catalogue, what was left out, and the photos behind the catalogue's rows."""

    catalogue: "pd.DataFrame"
    left_out: list[LeftOut]
    columns: list[str]
    """The source's other columns, as far as they are kept."""
    by_camera: bool
    """Whether a column of the camera ties photos together, so that their camera says it."""
    _spool: Spool | None
    _shards: list[Path]
    _shard: "array[int]"

    @property
    def in_place(self) -> bool:
        """Whether its photos stay in the shards where they lie."""
        return self._spool is None

    def photo(self, offset: int, length: int) -> tuple[bytes, dict[str, Any]]:
        """JPEG and further keys of a photo that was copied."""
        assert self._spool is not None
        return self._spool.photo(offset, length)

    def shard(self, row: int) -> Path:
        """The shard that holds a photo which stays where it lies."""
        return self._shards[self._shard[row]]

    def image(self, row: int) -> bytes | None:
        """A photo's picture, to be shown; None where it cannot be read any more."""
        offset, length = (int(self.catalogue[name].iloc[row]) for name in ("offset", "length"))
        if self._spool is not None:
            return self._spool.jpeg(offset, length)
        try:
            record = unpack_record(read_part(self.shard(row), offset, length))
        except OSError:
            return None
        return record.image if isinstance(record, Record) else None


@contextmanager
def taken_in(
    source: Source, how: Taking, folder: Path, tell: Tell, known: Known | None = None, cameras: int = 0
) -> Iterator[Intake]:
    """Everything in a source, read once, by several threads; its photos wait in `folder` as long as this is open.

    Cameras that are not `known` yet are numbered from `cameras` + 1 on, and known from then on. Memory holds the
    catalogue and the photos that are in work, however many there are. Raises GeotuneError for a source that cannot be
    used.
    """
    with Spool(folder / "photos") as spool:
        builder, left_out = CatalogueBuilder(known, cameras), list[LeftOut]()
        shards, shard, kept = dict[Path, int](), array("q"), _Columns(how)
        by_camera = kind_of(how.group) == "camera"
        ready = in_threads(partial(_ready, how=how), source.scan())
        for number, found in enumerate(ready, start=1):
            if isinstance(found, LeftOut):
                left_out.append(found)
            else:
                photo, made = found
                camera = builder.camera(photo.camera)
                extra, tied = kept.of(photo), camera
                if kind_of(how.group) == "camera" and how.group in photo.extra:  # there are two such columns
                    tied, by_camera = builder.camera(str(photo.extra[how.group])), False
                group = group_of(how.group, photo.extra, photo, tied)
                if isinstance(made, Prepared):
                    offset, length, look = spool.add(made.jpeg, extra), len(made.jpeg), made.look
                else:
                    assert photo.at is not None
                    path, offset, length = photo.at
                    shard.append(shards.setdefault(path, len(shards)))
                    look = made
                builder.add(photo, look, group=group, camera=camera, offset=offset, length=length)
            tell(READING, number, None)
        kept.check()
        copied, names = (None, []) if how.in_place else (spool, kept.names)
        yield Intake(builder.frame(), left_out, names, by_camera, copied, list(shards), shard)


def _ready(found: Photo | LeftOut, how: Taking) -> tuple[Photo, Prepared | Look] | LeftOut:
    if isinstance(found, LeftOut):
        return found
    made: Prepared | Look | LeftOut
    if not how.in_place:
        made = prepare(found, how.max_side, how.quality, how.smallest_px)
    elif found.at is None:
        return LeftOut(found.id, NO_ID)
    else:
        made = look_at(found, how.smallest_px)
    return made if isinstance(made, LeftOut) else (replace(found, load=_done), made)


def _done() -> bytes:
    raise RuntimeError("this photo was read before")


class _Columns:
    """Which of the source's other columns are kept."""

    def __init__(self, how: Taking) -> None:
        self._how = how
        self._wanted = None if how.columns == "all" else {name.strip() for name in how.columns.split(",")} - {"none"}
        self._seen: dict[str, None] = {}

    def of(self, photo: Photo) -> dict[str, Any]:
        """What is stored of a photo's other columns."""
        for name in photo.extra:
            self._seen.setdefault(name)
        return {name: value for name, value in photo.extra.items() if self._is_kept(name) and not _empty(value)}

    @property
    def names(self) -> list[str]:
        return [name for name in self._seen if self._is_kept(name)]

    def _is_kept(self, name: str) -> bool:
        asked = not is_private(name) if self._wanted is None else name in self._wanted
        return asked and name not in OWN_KEYS

    def check(self) -> None:
        """Raise GeotuneError for a column that no photo has."""
        missing = sorted((self._wanted or set()) - set(self._seen))
        if missing and not self._how.adding:
            have = ", ".join(self._seen) or "none"
            raise GeotuneError(
                f"--columns {self._how.columns}: no photo has {' or '.join(missing)}; other columns are: {have}",
                "name some of these, or --columns all",
            )


def _empty(value: object) -> bool:
    return value == "" or (isinstance(value, float) and math.isnan(value))
