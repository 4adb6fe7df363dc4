"""A shard: a plain concatenation of records, with an index beside it for random access.

It is the format of the field's public sets: `shard_{n}.msg`, 4,096 records each.
"""

import hashlib
import logging
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import msgpack
import numpy as np
import numpy.typing as npt

from geotune.data.records import BadRecord, Record, read_records
from geotune.data.words import counted
from geotune.errors import GeotuneError

RECORDS_PER_SHARD = 4096

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShardIndex:
    """Where each record of a shard begins and what it says; arrays of one length."""

    offset: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    id: npt.NDArray[np.str_]
    latitude: npt.NDArray[np.float64]
    longitude: npt.NDArray[np.float64]
    place: npt.NDArray[np.int64]


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
        _warn(f"{index_path(shard)} cannot be read; reading the whole shard instead")
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
        _warn(f"{shard}: {counted(len(bad), 'bad record')} left out, the first: {bad[0]}")
    return _index(good)


def fault_of(shard: Path) -> str:
    """Why a shard gives too few records: "is cut off", "is damaged", "is empty", or "" where nothing shows."""
    bad = [record.reason for record in read_records(shard) if isinstance(record, BadRecord)]
    if bad:
        return "is cut off" if bad[-1].startswith("cut off") else "is damaged"
    return "" if shard.stat().st_size else "is empty"


@cache
def _warn(text: str) -> None:
    """Once a process: every use of a split opens its shards again."""
    log.warning(text)


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
