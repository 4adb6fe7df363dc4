"""A record: one photo of a shard, a MessagePack map `{"id", "image": JPEG bytes, "latitude", "longitude", …}`.

Old writers packed without the bin type, left coordinates to a CSV, wrote `None` for a lost photo and spelt the keys
otherwise: `read_records` takes all that, and names what it cannot take.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgpack

from geotune.errors import GeotuneError

MAX_RECORD_BYTES = 64 * 2**20
"""No photo is larger; a length field that says otherwise is damage, not a reason to allocate gigabytes."""

ALIASES = {
    "id": ("id", "img_id", "IMG_ID", "image_id", "key"),
    "image": ("image", "img", "jpg", "jpeg", "IMG"),
    "latitude": ("latitude", "lat", "LAT", "Latitude"),
    "longitude": ("longitude", "lon", "lng", "LON", "Longitude"),
    "place": ("place",),
}


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class BadRecord:
    """What stood at `offset` and why it is no photo."""

    reason: str
    offset: int
    id: str = ""


def read_records(path: Path, strict: bool = False) -> Iterator[Record | BadRecord]:
    """Every record of a shard, streamed; a bad one is yielded as BadRecord, and after damage nothing can follow.

    Raises GeotuneError for a file that cannot be opened, and with `strict` at the first bad record.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise GeotuneError(f"{path}: cannot be read ({error.strerror})") from None
    with stream:
        for record in _decode(stream, path.stat().st_size):
            if strict and isinstance(record, BadRecord):
                raise GeotuneError(f"{path}: bad record at byte {record.offset}: {record.reason}")
            yield record


def _decode(stream: BinaryIO, size: int) -> Iterator[Record | BadRecord]:
    unpacker = msgpack.Unpacker(stream, raw=True, strict_map_key=False, max_buffer_size=MAX_RECORD_BYTES)
    while (offset := unpacker.tell()) < size:
        try:
            value = unpacker.unpack()
        except msgpack.OutOfData:
            yield BadRecord(f"cut off: {size - offset} bytes at the end are no whole record", offset)
            return
        except (msgpack.UnpackException, ValueError, TypeError, RecursionError) as error:  # TypeError: a list as key
            yield BadRecord(f"damaged from here on ({error or type(error).__name__})", offset)
            return
        yield parse_record(value, offset, unpacker.tell() - offset)


def parse_record(value: Any, offset: int = 0, length: int = 0) -> Record | BadRecord:
    """A decoded msgpack value (`raw=True`: text as bytes) as a Record, or why it is none."""
    if value is None:
        return BadRecord("empty record", offset)
    if not isinstance(value, dict):
        return BadRecord(f"expected a map, found {type(value).__name__}", offset)
    fields = {_text(key): item for key, item in value.items()}
    found = {name: next((fields.pop(a) for a in names if a in fields), None) for name, names in ALIASES.items()}
    identity = _text(found["id"]) if found["id"] is not None else f"byte{offset}"
    image = found["image"]
    if not isinstance(image, bytes) or not image:
        return BadRecord("no image", offset, identity)
    try:
        latitude, longitude = _degrees(found["latitude"], 90), _degrees(found["longitude"], 180)
        place = -1 if found["place"] is None else int(found["place"])
    except (TypeError, ValueError, OverflowError) as error:
        return BadRecord(f"coordinates or place out of range ({error})", offset, identity)
    if (latitude is None) != (longitude is None):
        return BadRecord("only one of latitude and longitude", offset, identity)
    return Record(identity, image, latitude, longitude, place, fields, offset, length)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _degrees(value: Any, limit: float) -> float | None:
    if value is None:
        return None
    degrees = float(_text(value)) if isinstance(value, bytes) else float(value)
    if not math.isfinite(degrees) or abs(degrees) > limit:
        raise ValueError(degrees)
    return degrees
