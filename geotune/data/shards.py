"""A shard: a plain concatenation of MessagePack maps, one a photo, with an index beside it for random access.

A record is `{"id", "image": JPEG bytes, "latitude", "longitude", "place", …}`, the format of the field's public sets
(`shard_{n}.msg`, 4,096 records each). Old writers packed without the bin type, left coordinates to a CSV, wrote
`None` for a lost photo and spelt the keys otherwise: `read_records` takes all that, and names what it cannot take.
"""

import hashlib
import logging
import math
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import msgpack
import numpy as np
import numpy.typing as npt

from geotune.errors import GeotuneError

RECORDS_PER_SHARD = 4096
MAX_RECORD_BYTES = 64 * 2**20
"""No photo is larger; a length field that says otherwise is damage, not a reason to allocate gigabytes."""

ALIASES = {
    "id": ("id", "img_id", "IMG_ID", "image_id", "key"),
    "image": ("image", "img", "jpg", "jpeg", "IMG"),
    "latitude": ("latitude", "lat", "LAT", "Latitude"),
    "longitude": ("longitude", "lon", "lng", "LON", "Longitude"),
    "place": ("place",),
}

log = logging.getLogger(__name__)


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


@dataclass(frozen=True)
class ShardIndex:
    """Where each record of a shard begins and what it says; arrays of one length."""

    offset: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    id: npt.NDArray[np.str_]
    latitude: npt.NDArray[np.float64]
    longitude: npt.NDArray[np.float64]
    place: npt.NDArray[np.int64]


# ------------------------------------------------------------------------------------------ reading


def shard_number(path: Path) -> tuple[int, str]:
    """A sort key: public shards are numbered without leading zeros."""
    digits = re.search(r"(\d+)$", path.stem)
    return (int(digits.group(1)) if digits else -1, path.name)


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


# ------------------------------------------------------------------------------------------ the index


def index_path(shard: Path) -> Path:
    """`shard_0.msg` -> `shard_0.index.npz`."""
    return shard.with_suffix(".index.npz")


def load_index(shard: Path) -> ShardIndex:
    """The index beside a shard; where it is missing, cut or older than the shard, the shard itself is read.

    Records without coordinates and bad records are left out, with one warning that counts them.
    """
    try:
        size = shard.stat().st_size
        with np.load(index_path(shard), allow_pickle=False) as stored:
            if int(stored["size"]) == size:
                return ShardIndex(**{name: stored[name] for name in ShardIndex.__dataclass_fields__})
    except FileNotFoundError:
        if not shard.is_file():
            raise GeotuneError(f"{shard}: no such shard", "import the photos again") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        log.warning("%s cannot be read; reading the whole shard instead", index_path(shard))
    good: list[Record] = []
    bad: list[str] = []
    for record in read_records(shard):
        if isinstance(record, BadRecord):
            bad.append(record.reason)
        elif record.latitude is None:
            bad.append("no coordinates")
        else:
            good.append(record)
    if bad:
        log.warning("%s: %d bad records left out, the first: %s", shard, len(bad), bad[0])
    return _index(good)


def _index(records: list[Record]) -> ShardIndex:
    return ShardIndex(
        offset=np.array([r.offset for r in records], np.int64),
        length=np.array([r.length for r in records], np.int64),
        id=np.array([r.id for r in records], np.str_),
        latitude=np.array([r.latitude for r in records], np.float64),
        longitude=np.array([r.longitude for r in records], np.float64),
        place=np.array([r.place for r in records], np.int64),
    )


# ------------------------------------------------------------------------------------------ writing


class ShardWriter:
    """Writes `shard_0.msg, shard_1.msg …` and their indices into a folder; use as a context manager.

    A shard appears under its name only when it is whole. `digest` names the bytes written so far.
    """

    def __init__(self, folder: Path, records_per_shard: int = RECORDS_PER_SHARD) -> None:
        self.folder = folder
        self.shards: list[str] = []
        self.photos = 0
        self._records_per_shard = records_per_shard
        self._packer = msgpack.Packer(use_bin_type=True)
        self._stream: BinaryIO | None = None
        self._pending: list[Record] = []
        self._offset = 0
        self._sha = hashlib.sha256()
        folder.mkdir(parents=True, exist_ok=True)

    def add(
        self,
        id: str,
        image: bytes,
        latitude: float,
        longitude: float,
        place: int,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Append one photo: JPEG bytes, degrees, the number of its place; `extra` holds plain values only."""
        known = {"id": id, "image": image, "latitude": latitude, "longitude": longitude, "place": place}
        packed: bytes = self._packer.pack({**(extra or {}), **known})
        if self._stream is None:
            self._stream = self._part().open("wb")
        self._stream.write(packed)
        self._sha.update(packed)
        self._pending.append(Record(id, b"", latitude, longitude, place, offset=self._offset, length=len(packed)))
        self._offset += len(packed)
        self.photos += 1
        if len(self._pending) == self._records_per_shard:
            self._finish_shard()

    @property
    def digest(self) -> str:
        return self._sha.hexdigest()

    def _part(self) -> Path:
        return self.folder / f"shard_{len(self.shards)}.msg.part"

    def _finish_shard(self) -> None:
        if self._stream is None:
            return
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        part, shard = self._part(), self._part().with_suffix("")
        with index_path(shard).open("wb") as stream:
            np.savez(stream, size=np.int64(self._offset), **vars(_index(self._pending)))
        part.replace(shard)
        self.shards.append(shard.name)
        self._stream, self._pending, self._offset = None, [], 0

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self._finish_shard()
        elif self._stream is not None:
            self._stream.close()
            self._part().unlink(missing_ok=True)
