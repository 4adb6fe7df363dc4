"""Writing shards: plain concatenations of records, with an index beside each for random access.

It is the format of the field's public sets: `shard_{n}.msg`, 4,096 records each.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import msgpack

from geotune.data.shards.index import index_of, index_path, save_index
from geotune.data.shards.records import MAX_ID_CHARS, Record

RECORDS_PER_SHARD = 4096


class ShardWriter:
    """Writes `shard_0.msg, shard_1.msg …` and their indices into a folder; use as a context manager.

    A shard appears under its name only when it is whole. `digest` names the bytes written so far; `first` is the number
    of the first shard, where a folder holds some already.
    """

    def __init__(self, folder: Path, records_per_shard: int = RECORDS_PER_SHARD, *, first: int = 0) -> None:
        self.folder = folder
        self.shards: list[str] = []
        self.photos = 0
        self._first = first
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
        """Append one photo: JPEG bytes, degrees, the number of its place; `extra` holds plain values only.

        An id that is no text (a file name of strange bytes) or too long is stored as near to it as can be.
        """
        id = id.encode("utf-8", "replace").decode()[-MAX_ID_CHARS:].rstrip("\0") or f"byte{self._offset}"
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
        return self.folder / f"shard_{self._first + len(self.shards)}.msg.part"

    def _finish_shard(self) -> None:
        if self._stream is None:
            return
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        part, shard = self._part(), self._part().with_suffix("")
        save_index(index_path(shard), index_of(self._pending), self._offset)
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
