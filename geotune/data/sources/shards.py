"""Shards of other makers: `.msg` files with coordinates in the records, or in a table of labels."""

import errno
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

from geotune.config import Settings
from geotune.data.shards.records import BadRecord, Record, read_records, unpack_record
from geotune.data.sources.camera import exif_in, with_exif
from geotune.data.sources.columns import columns_in, photo_of
from geotune.data.sources.files import files_below, read_part, split_of
from geotune.data.sources.found import Ids, LeftOut, Photo, not_followed
from geotune.data.sources.labels import Labels, labels_beside
from geotune.data.sources.why import (
    BAD_RECORD,
    CUT_OFF,
    DAMAGED_BYTES,
    LISTED_TWICE,
    NO_COORDINATES,
    NO_IMAGE,
    NO_LABEL,
    NO_RECORD,
    OUTSIDE,
)
from geotune.errors import GeotuneError

SUFFIX = ".msg"
REASONS = {
    "cut off": CUT_OFF,
    "damaged": DAMAGED_BYTES,
    "no image": NO_IMAGE,
    "coordinates or place out of range": OUTSIDE,
    "only one of latitude and longitude": NO_COORDINATES,
}
"""How records.py begins what it says of a bad record."""


class ShardsSource(Settings):
    """Shards of MessagePack records, a file or a folder, that may have their coordinates in a table of labels."""

    name: Literal["shards"] = "shards"
    path: Path
    """The shard, or a folder of them; train, valid and test may be folders in it."""
    labels: tuple[Path, ...] = ()
    """CSV tables or JSON mappings of labels; those that lie beside the shards where not given."""

    def scan(self) -> Iterator[Photo | LeftOut]:
        """Every record, in the order of the shards' numbers. Raises GeotuneError where none has coordinates."""
        linked: list[Path] = []
        shards = list(files_below(self.path, (SUFFIX,), linked))
        if not shards:
            raise GeotuneError(f"{self.path}: no {SUFFIX} shard", "give a shard, or a folder of them")
        tables = [Labels(path) for path in self.labels or self._beside(shards)]
        root = self.path.parent if self.path.is_file() else self.path
        seen = Ids()
        photos = lost = damage = 0
        for shard in shards:
            name, split = shard.relative_to(root).as_posix(), split_of(shard, root)
            seen.begin(name.removesuffix(SUFFIX))
            for record in read_records(shard):
                found = _look(record, shard, name, split, tables, seen)
                photos += isinstance(found, Photo)
                lost += isinstance(found, LeftOut) and found.reason == NO_COORDINATES
                damage += isinstance(found, LeftOut) and found.reason in (CUT_OFF, DAMAGED_BYTES)
                yield found
        yield from not_followed(linked, root)
        if damage:  # whose photos were these? Without damage the table is just larger than the shards
            yield from (LeftOut(name, NO_RECORD) for table in tables for name in table.unasked())
        if lost and not photos and not tables:
            raise GeotuneError(
                f"{self.path}: its records have no coordinates, and no table of labels lies beside them",
                "name it: --labels FILE, a CSV file with the columns id, latitude, longitude",
            )

    def _beside(self, shards: list[Path]) -> list[Path]:
        """The tables beside the shards. Several CSV files count where each is of a split; else one must be named."""
        folders = dict.fromkeys([self.path.parent if self.path.is_file() else self.path, *(s.parent for s in shards)])
        tables = labels_beside(folders)
        texts = [table for table in tables if table.suffix.lower() != ".json"]
        if len(texts) < 2 or all(split_of(table, table) for table in texts):
            return tables
        first = next((record for record in read_records(shards[0]) if isinstance(record, Record)), None)
        if first is not None and first.latitude is None:
            raise GeotuneError(
                f"{self.path}: several tables could be its labels: {', '.join(table.name for table in texts[:5])}",
                f"name the right one: --labels {texts[0]}",
            )
        return [table for table in tables if table not in texts]


def _look(
    record: Record | BadRecord, shard: Path, name: str, split: str, tables: list[Labels], seen: Ids
) -> Photo | LeftOut:
    if isinstance(record, BadRecord):
        where = f"{name} at byte {record.offset}" + (f" ({record.id})" if record.id else "")
        reason = next((ours for theirs, ours in REASONS.items() if record.reason.startswith(theirs)), BAD_RECORD)
        return LeftOut(where, reason, str(record))
    unnamed = record.id == f"byte{record.offset}"
    identity = f"{name} at byte {record.offset}" if unnamed else seen.of(record.id)
    if not identity:
        return LeftOut(record.id, LISTED_TWICE)
    row: dict[str, Any] = {_text(key): _text(value) for key, value in record.extra.items()}
    said = [labels for labels in (table.of(record.id) for table in tables) if labels is not None]
    if record.latitude is not None and not any("latitude" in columns_in(tuple(labels)) for labels in said):
        row |= {"latitude": record.latitude, "longitude": record.longitude}
    elif tables and not said:
        return LeftOut(identity, NO_LABEL)
    for labels in reversed(said):
        row |= labels
    if record.place >= 0:
        row.setdefault("place", record.place)
    load = partial(_image, shard, record.offset, record.length, record.id)
    at = None if unnamed else (shard, record.offset, record.length)
    return with_exif(photo_of(identity, row, columns_in(tuple(row)), load, split=split, at=at), exif_in(record.image))


def _image(shard: Path, offset: int, length: int, identity: str) -> bytes:
    record = unpack_record(read_part(shard, offset, length), offset)
    if isinstance(record, BadRecord) or record.id != identity:
        raise OSError(errno.EIO, "the shard changed meanwhile")
    return record.image


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
