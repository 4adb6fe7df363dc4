"""The index of a shard: where each record begins and what it says, for random access.

It lies beside the shard. Where it is missing it is made again and kept: beside the shard, or in the user's cache where
nothing may be written there.
"""

import contextlib
import hashlib
import json
import logging
import os
import uuid
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from geotune.data.cache.entries import cache_root
from geotune.data.shards.records import BadRecord, Record, read_records
from geotune.data.shards.unpack import MAX_RECORD_BYTES
from geotune.data.words import counted
from geotune.errors import GeotuneError

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

    def __len__(self) -> int:
        return len(self.offset)


def index_path(shard: Path) -> Path:
    """`shard_0.msg` -> `shard_0.index.npz`."""
    return shard.with_suffix(".index.npz")


def index_of(records: Sequence[Record]) -> ShardIndex:
    """The index of records whose `offset` and `length` are known."""
    return ShardIndex(
        offset=np.array([r.offset for r in records], np.int64),
        length=np.array([r.length for r in records], np.int64),
        id=np.array([r.id for r in records], np.str_),
        latitude=np.array([r.latitude for r in records], np.float64),
        longitude=np.array([r.longitude for r in records], np.float64),
        place=np.array([r.place for r in records], np.int64),
    )


def load_index(shard: Path) -> ShardIndex:
    """The index of a shard; where it is missing, cut or for another size, the shard is read and the index kept.

    Records without coordinates and bad records are left out, with one warning that counts them. Raises GeotuneError
    for a shard that is missing or changes while it is read.
    """
    try:
        status = shard.stat()
    except OSError as error:
        raise GeotuneError(f"{shard}: no such shard ({error.strerror})", "import the photos again") from None
    elsewhere = _in_cache(shard, status)
    for path in (index_path(shard), elsewhere):
        try:
            found = read_index(path, status.st_size)
        except FileNotFoundError:
            continue
        except ValueError as error:
            warn_once(f"{path} cannot be read ({error}); reading the whole shard instead")
            continue
        if found is not None:
            index, bad = found
            break
    else:
        index, bad = _read_shard(shard)
        for path in (index_path(shard), elsewhere):
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                save_index(path, index, status.st_size, bad)
                break
    if bad:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in bad.items())
        warn_once(f"{shard}: {counted(sum(bad.values()), 'bad record')} left out: {reasons}")
    return index


def read_index(path: Path, shard_bytes: int | None) -> tuple[ShardIndex, dict[str, int]] | None:
    """An index and the counts of what its shard had to leave out; None where it belongs to a shard of another size.

    Without `shard_bytes`, as long as the shard is not there, any size will do. Raises FileNotFoundError, and
    ValueError for anything that is no whole index.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in stored.zip.infolist()):
                raise ValueError("not an index of geotune's")  # packed, a few bytes could grow without bounds
            size = int(stored["size"])
            if shard_bytes not in (None, size):
                return None
            index = ShardIndex(**{field.name: stored[field.name] for field in fields(ShardIndex)})
            bad = json.loads(str(stored["bad"])) if "bad" in stored else {}
    except FileNotFoundError:
        raise
    except (OSError, EOFError, KeyError, TypeError, AttributeError, MemoryError, OverflowError,
            NotImplementedError, RuntimeError, zipfile.BadZipFile, SyntaxError) as error:  # fmt: skip
        raise ValueError(str(error)[:200] or type(error).__name__) from None
    _check(index, size)
    if not isinstance(bad, dict) or not all(isinstance(count, int) for count in bad.values()):
        raise ValueError("its counts are damaged")
    return index, bad


def _check(index: ShardIndex, shard_bytes: int) -> None:
    kinds = {"id": "U", "latitude": "f", "longitude": "f"}
    columns = vars(index)
    if len({column.shape for column in columns.values()}) != 1 or index.offset.ndim != 1:
        raise ValueError("its columns differ in length")
    if any(column.dtype.kind != kinds.get(name, "i") for name, column in columns.items()):
        raise ValueError("its columns have other types")
    inside = (index.offset >= 0) & (index.length > 0) & (index.length <= MAX_RECORD_BYTES)
    inside &= index.offset <= shard_bytes - index.length
    if not inside.all() or not ((np.abs(index.latitude) <= 90) & (np.abs(index.longitude) <= 180)).all():
        raise ValueError("it points outside the shard or the Earth")


def save_index(path: Path, index: ShardIndex, shard_bytes: int, bad: Mapping[str, int] | None = None) -> None:
    """Write an index whole or not at all; `bad` counts the records that are not in it. Raises OSError."""
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("wb") as stream:
            _write(stream, index, shard_bytes, bad or {})
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _write(stream: BinaryIO, index: ShardIndex, shard_bytes: int, bad: Mapping[str, int]) -> None:
    columns = {"size": np.array(shard_bytes, np.int64), **vars(index)}
    if bad:
        columns["bad"] = np.array(json.dumps(dict(bad)))
    np.savez(stream, **columns)
    stream.flush()
    os.fsync(stream.fileno())


def _read_shard(shard: Path) -> tuple[ShardIndex, dict[str, int]]:
    good: list[Record] = []
    bad: Counter[str] = Counter()
    for record in read_records(shard):
        if isinstance(record, BadRecord):
            bad[record.reason] += 1
        elif record.latitude is None:
            bad["no coordinates"] += 1
        else:
            good.append(record.without_image())
    return index_of(good), dict(bad.most_common())


def _in_cache(shard: Path, status: os.stat_result) -> Path:
    key = f"{shard.absolute()}\0{status.st_size}\0{status.st_mtime_ns}"
    return cache_root() / "indices" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"


def fault_of(shard: Path) -> str:
    """Why a shard gives too few records: "is cut off", "is damaged", "is empty", or "" where nothing shows."""
    bad = [record.reason for record in read_records(shard) if isinstance(record, BadRecord)]
    if bad:
        return "is cut off" if bad[-1].startswith("cut off") else "is damaged"
    return "" if shard.stat().st_size else "is empty"


@cache
def warn_once(text: str) -> None:
    """Once a process: every use of a split opens its shards again."""
    log.warning(text)
