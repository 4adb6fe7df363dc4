"""An array that several processes of one node fill together, once, and then share memory-mapped.

The file is laid out at full size first; its rows are filled in chunks, each by whichever process holds that chunk's
lock, and a mark says that a chunk is whole. The operating system frees the locks of a killed process, so another one
takes its chunk over: no instant of a kill leaves more behind than one chunk to do again.
"""

import math
import os
import time
import uuid
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from geotune.data.cache.allocate import allocate
from geotune.data.cache.entries import describe, hold, locked
from geotune.data.cache.room import make_room
from geotune.errors import GeotuneError

OnProgress = Callable[[int, int], None]


def shared_array(
    folder: Path,
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    fill: Callable[[int, int], npt.NDArray[np.generic]],
    *,
    chunk: int = 256,
    on_progress: OnProgress | None = None,
    about: Mapping[str, object] | None = None,
) -> npt.NDArray[np.generic]:
    """The array of `shape` under `folder`, read-only, memory-mapped; missing rows come from `fill(start, stop)`.

    The folder, an entry of the cache, must be named by everything that the content depends on; `about` goes into its
    about.json. It is held as long as the array lives. `on_progress(rows done, rows)` is called after each chunk, of
    whichever process. Raises NoRoomError where there is no room or the folder cannot be written.
    """
    rows = int(shape[0])
    values = folder / "values.npy"
    held = hold(folder) if (folder / "complete").exists() else None
    if held is None or not (folder / "complete").exists():
        if held is not None:
            os.close(held)
        needed = math.prod(shape) * np.dtype(dtype).itemsize
        held = _take(folder, needed, dict(about or {}) | {"photos": rows, "chunk": chunk})
        try:
            _lay_out(folder, values, tuple(map(int, shape)), np.dtype(dtype))
        except OSError as error:
            os.close(held)
            raise _no_room(folder, needed, str(error.strerror)) from None
        try:
            _fill_all(folder, values, rows, chunk, fill, on_progress)
        except BaseException:
            os.close(held)
            raise
        (folder / "complete").touch()
    if on_progress:
        on_progress(rows, rows)
    array: npt.NDArray[np.generic] = np.load(values, mmap_mode="r", allow_pickle=False)
    weakref.finalize(array, os.close, held)  # a view of it keeps it alive
    return array


def _take(folder: Path, needed: int, about: dict[str, object]) -> int:
    """Make the folder, or find it as another process made it, and hold it."""
    with locked():
        try:
            if not (folder / "about.json").exists():
                if make_room([needed]) is None:
                    raise _no_room(folder, needed, "the limit of the cache")
                folder.mkdir(parents=True, exist_ok=True)
                describe(folder, **about, bytes=needed)
            held = hold(folder)
        except OSError as error:
            raise _no_room(folder, needed, str(error.strerror)) from None
    assert held is not None, "it is removed under the same lock only"
    return held


class NoRoomError(GeotuneError):
    """The cache has no room for an array, or cannot be written."""


def _no_room(folder: Path, needed: int, reason: str) -> NoRoomError:
    return NoRoomError(
        f"{folder}: cannot keep {needed / 1e9:.1f} GB there ({reason})",
        "free some space (geotune data cache), or name another disk: export GEOTUNE_CACHE=/path/with/space; "
        "export GEOTUNE_CACHE_LIMIT=50GB says how much of it the cache may take",
    )


def _lay_out(folder: Path, values: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    if values.exists():
        return
    part = folder / f"values.{uuid.uuid4().hex}.part"
    try:
        with part.open("wb") as stream:
            header = np.lib.format.header_data_from_array_1_0(np.empty((0, *shape[1:]), dtype)) | {"shape": shape}
            np.lib.format.write_array_header_2_0(stream, header)
            end = stream.tell() + math.prod(shape) * dtype.itemsize
            stream.flush()
            allocate(stream, end)
        with FileLock(folder / "layout.lock"):
            if not values.exists():
                part.replace(values)
    finally:
        part.unlink(missing_ok=True)


def _fill_all(
    folder: Path,
    values: Path,
    rows: int,
    chunk: int,
    fill: Callable[[int, int], npt.NDArray[np.generic]],
    on_progress: OnProgress | None,
) -> None:
    starts = range(0, rows, chunk)
    open_chunks = [start for start in starts if not _mark(folder, start).exists()]
    while open_chunks:
        worked = False
        for start in list(open_chunks):
            if _mark(folder, start).exists():
                open_chunks.remove(start)
                continue
            try:
                with FileLock(folder / f"{start}.lock", timeout=0):
                    if not _mark(folder, start).exists():
                        stop = min(start + chunk, rows)
                        _store(values, start, fill(start, stop))
                        _mark(folder, start).touch()
                        worked = True
            except Timeout:  # another process is at it
                continue
            open_chunks.remove(start)
            if on_progress:
                on_progress(min(rows, (len(starts) - len(open_chunks)) * chunk), rows)
        if open_chunks and not worked:
            time.sleep(0.05)
            if on_progress:
                on_progress(min(rows, (len(starts) - len(open_chunks)) * chunk), rows)


def _mark(folder: Path, start: int) -> Path:
    return folder / f"{start}.done"


def _store(values: Path, start: int, block: npt.NDArray[np.generic]) -> None:
    array = np.load(values, mmap_mode="r+", allow_pickle=False)
    array[start : start + len(block)] = block
    array.flush()
