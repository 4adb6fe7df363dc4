"""Photos made ready, on disk until all are known: only then can be said which split each belongs to."""

import struct
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import msgpack

_EXTRA = struct.Struct("<I")


class Spool:
    """A file of photos, each JPEG followed by what else the source says of it; use as a context manager.

    The file is gone at the end. Raises OSError where the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = path.open("w+b", buffering=1 << 20)
        self._end = 0

    def add(self, jpeg: bytes, extra: Mapping[str, Any]) -> int:
        """Append a photo; the byte at which its JPEG begins."""
        offset = self._end
        packed: bytes = msgpack.packb(dict(extra)) if extra else b""
        self._stream.write(b"".join((jpeg, _EXTRA.pack(len(packed)), packed)))
        self._end += len(jpeg) + _EXTRA.size + len(packed)
        return offset

    def jpeg(self, offset: int, length: int) -> bytes:
        self._stream.seek(offset)
        return self._stream.read(length)

    def photo(self, offset: int, length: int) -> tuple[bytes, dict[str, Any]]:
        """The JPEG of a photo, and what else the source says of it."""
        stored = self.jpeg(offset, length + _EXTRA.size)
        (size,) = _EXTRA.unpack(stored[length:])
        return stored[:length], msgpack.unpackb(self._stream.read(size)) if size else {}

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            self._stream.close()
        except OSError:  # what was buffered found no place on a full disk; it is not wanted any more
            if kind is None:
                raise
        finally:
            self._path.unlink(missing_ok=True)
