"""A record: one photo of a shard, a MessagePack map `{"id", "image": JPEG bytes, "latitude", "longitude", …}`.

Old writers packed without the bin type, left coordinates to a CSV, wrote `None` for a lost photo and spelt the keys
otherwise: `read_records` takes all that, and names what it cannot take.
"""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from geotune.data.shards.unpack import Damage, Value, short, value_of, values_of
from geotune.errors import GeotuneError

MAX_ID_CHARS = 1024
"""An index holds every id at the width of the longest."""

ALIASES = {
    "id": ("id", "img_id", "IMG_ID", "image_id", "key"),
    "image": ("image", "img", "jpg", "jpeg", "IMG"),
    "latitude": ("latitude", "lat", "LAT", "Latitude"),
    "longitude": ("longitude", "lon", "lng", "LON", "Longitude"),
    "place": ("place",),
}


@dataclass(frozen=True, slots=True)
class Record:
    """One photo of a shard. Coordinates are degrees, None where the shard leaves them to a table; no place is -1."""

    id: str
    image: bytes
    latitude: float | None
    longitude: float | None
    place: int = -1
    extra: Mapping[str, Any] = field(default_factory=dict)
    offset: int = 0
    length: int = 0

    def without_image(self) -> "Record":
        """The same without its bytes and extra keys, to be kept by the thousand."""
        return replace(self, image=b"", extra={})


@dataclass(frozen=True, slots=True)
class BadRecord:
    """What stood at `offset` and why it is no photo: a `reason` to be counted, and what was found there."""

    reason: str
    offset: int
    id: str = ""
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


# ------------------------------------------------------------------------------------------ a whole shard


def read_records(path: Path, strict: bool = False) -> Iterator[Record | BadRecord]:
    """Every record of a shard, streamed; a bad one is yielded as BadRecord, damage as one up to the next record.

    Raises GeotuneError for a file that cannot be read or changes meanwhile, and with `strict` at the first bad record.
    """
    try:
        with path.open("rb") as stream:
            before = os.fstat(stream.fileno())
            for record in map(_record, values_of(stream, before.st_size, _is_record)):
                if isinstance(record, BadRecord):
                    _check_unchanged(path, stream, before)
                    if strict:
                        raise GeotuneError(f"{path}: bad record at byte {record.offset}: {record}")
                yield record
            _check_unchanged(path, stream, before)
    except OSError as error:
        raise GeotuneError(f"{path}: cannot be read ({error.strerror})") from None


def _check_unchanged(path: Path, stream: BinaryIO, before: os.stat_result) -> None:
    now = os.fstat(stream.fileno())
    if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise GeotuneError(f"{path}: changed while it was read", "start again when nothing writes there any more")


# ------------------------------------------------------------------------------------------ one record


def unpack_record(packed: bytes, offset: int = 0) -> Record | BadRecord:
    """The one record that `packed` holds, which stood at `offset` of its shard."""
    return _record(value_of(packed, offset))


def _record(found: Value | Damage) -> Record | BadRecord:
    if isinstance(found, Damage):
        return BadRecord(found.reason, found.offset, detail=found.detail)
    return parse_record(found.value, found.offset, found.length)


def _is_record(value: Any) -> bool:
    """Whether a value found after damage was meant as a record."""
    return isinstance(value, dict) and any(name.encode() in value for name in (*ALIASES["id"], *ALIASES["image"]))


def parse_record(value: Any, offset: int = 0, length: int = 0) -> Record | BadRecord:
    """A decoded msgpack value (`raw=True`: text as bytes) as a Record, or why it is none."""
    if not isinstance(value, dict):
        reason, detail = ("empty record", "") if value is None else ("no map", f"found {type(value).__name__}")
        return BadRecord(reason, offset, detail=detail)
    fields = {_text(key): item for key, item in value.items() if isinstance(key, str | bytes | int)}
    found = {name: next((fields.pop(a) for a in names if a in fields), None) for name, names in ALIASES.items()}
    reason, identity = _identity(found["id"], offset)
    if reason:
        return BadRecord(reason, offset, identity)
    image = found["image"]
    if not isinstance(image, bytes) or not image:
        return BadRecord("no image", offset, identity)
    try:
        latitude, longitude = _degrees(found["latitude"], 90), _degrees(found["longitude"], 180)
        place = -1 if found["place"] is None else int(found["place"])
        if abs(place) >= 2**62:
            raise ValueError("place is too large")
    except (TypeError, ValueError, OverflowError) as error:
        return BadRecord("coordinates or place out of range", offset, identity, short(error))
    if (latitude is None) != (longitude is None):
        return BadRecord("only one of latitude and longitude", offset, identity)
    return Record(identity, image, latitude, longitude, place, fields, offset, length)


def _identity(value: Any, offset: int) -> tuple[str, str]:
    """What is wrong with an id, or "", and the id."""
    if value is None:
        return "", f"byte{offset}"
    if not isinstance(value, str | bytes | int):
        return "id is no text", ""
    text = _text(value)[: MAX_ID_CHARS + 1].rstrip("\0")  # NumPy drops NULs at the end, and so do we
    if len(text) > MAX_ID_CHARS:
        return f"id of over {MAX_ID_CHARS:,} characters", text[:40] + "…"
    return "", text or f"byte{offset}"


def _text(value: str | bytes | int) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _degrees(value: Any, limit: float) -> float | None:
    if value is None:
        return None
    degrees = float(_text(value)) if isinstance(value, bytes) else float(value)
    if math.isnan(degrees):  # how tables write that there is none
        return None
    if abs(degrees) > limit:
        raise ValueError(degrees)
    return degrees
