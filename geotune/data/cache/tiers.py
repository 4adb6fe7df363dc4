"""How the pixels of a store lie on the disk: raw, or as JPEG where that would not fit."""

import errno
import os
import struct
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from geotune.data.cache.allocate import allocate
from geotune.data.threads import in_pool

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Locked = Callable[[], AbstractContextManager[None]]

JPEG_SHARE = 0.2
"""Of the raw bytes: 28 KB of 197 KB at 256 px is usual, sharp and noisy photos take more."""
QUALITY = 92
_LENGTH = struct.Struct("<I")


class Tier(Protocol):
    """Rows of squares (size, size, 3). Whoever reads a row knows that it was written."""

    def write(self, row: int, pixels: Bytes) -> Bytes:
        """Keep a row -> its pixels as `read` will give them. OSError where the disk is full."""
        ...

    def read(self, rows: Ints, out: Bytes) -> None:
        """The pixels of `rows` into `out` (b, size, size, 3)."""
        ...

    def settle(self) -> None:
        """Return when all that was written is on the disk, whatever happens to the machine."""
        ...


class Raw:
    """One file of pixels, memory-mapped by all that read it.

    Written by calls, not through the map: a full disk is then an error of the call, and kills no process.
    """

    def __init__(self, folder: Path, rows: int, size: int) -> None:
        self._path = folder / "pixels"
        self._values = np.asarray(np.memmap(self._path, np.uint8, "r", shape=(rows, size, size, 3)))
        self._descriptor = -1

    @staticmethod
    def bytes(rows: int, size: int) -> int:
        return rows * size * size * 3

    @staticmethod
    def lay_out(folder: Path, rows: int, size: int) -> None:
        with (folder / "pixels").open("wb") as stream:
            stream.truncate(Raw.bytes(rows, size))  # holes until they are filled

    def write(self, row: int, pixels: Bytes) -> Bytes:
        _write(self._opened(), np.ascontiguousarray(pixels), row * pixels.nbytes)
        return pixels

    def read(self, rows: Ints, out: Bytes) -> None:
        np.take(self._values, rows, axis=0, out=out, mode="clip")  # "clip" writes straight into `out`

    def settle(self) -> None:
        os.fsync(self._opened())

    def _opened(self) -> int:
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_RDWR)
            weakref.finalize(self, os.close, self._descriptor)
        return self._descriptor


class Jpeg:
    """One file to which squares are appended as JPEG, and where each stands: offset + 1, 0 before it is there.

    What is read is always what the JPEG holds, also by the one that wrote it.
    """

    def __init__(self, folder: Path, rows: int, size: int, locked: Locked | None) -> None:
        """`locked()` keeps others from appending; None: it is complete, and only read."""
        self._most = Jpeg.bytes(rows, size) - 8 * rows
        self._where = np.asarray(np.memmap(folder / "where", np.int64, "r+" if locked else "r"))
        self._locked = locked
        self._descriptor = os.open(folder / "pixels", os.O_RDWR if locked else os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    @staticmethod
    def bytes(rows: int, size: int) -> int:
        return int(JPEG_SHARE * Raw.bytes(rows, size)) + 8 * rows

    @staticmethod
    def lay_out(folder: Path, rows: int) -> None:
        (folder / "pixels").touch()
        with (folder / "where").open("wb") as stream:
            allocate(stream, 8 * rows)

    def write(self, row: int, pixels: Bytes) -> Bytes:
        import cv2

        done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        assert done
        record = _LENGTH.pack(len(jpeg)) + jpeg.tobytes()
        assert self._locked
        with self._locked():  # a place of one's own; whoever is killed before it is full leaves a gap
            offset = os.fstat(self._descriptor).st_size
            if offset + len(record) > self._most:
                raise OSError(errno.ENOSPC, "the photos take more room as JPEG than was set aside for them")
            os.ftruncate(self._descriptor, offset + len(record))
        _write(self._descriptor, record, offset)
        self._where[row] = offset + 1
        return _decode(jpeg)

    def read(self, rows: Ints, out: Bytes) -> None:
        def work(i: int) -> None:
            offset = int(self._where[rows[i]]) - 1
            (length,) = _LENGTH.unpack(os.pread(self._descriptor, _LENGTH.size, offset))
            jpeg = os.pread(self._descriptor, length, offset + _LENGTH.size)
            out[i] = _decode(np.frombuffer(jpeg, np.uint8))

        in_pool(work, range(len(rows)))

    def settle(self) -> None:
        os.fsync(self._descriptor)
        self._where.base.flush()  # type: ignore[union-attr]


def _write(descriptor: int, content: "Bytes | bytes", offset: int) -> None:
    view = memoryview(content.data if isinstance(content, np.ndarray) else content).cast("B")
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _decode(jpeg: Bytes) -> Bytes:
    import cv2

    return np.asarray(cv2.cvtColor(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)
