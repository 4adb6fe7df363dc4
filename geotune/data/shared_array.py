"""An array that several processes of one node fill together, once, and then share memory-mapped.

The file is laid out at full size first; its rows are filled in chunks, each by whichever process holds that chunk's
lock, and a mark says that a chunk is whole. The operating system frees the locks of a killed process, so another one
takes its chunk over: no instant of a kill leaves more behind than one chunk to do again.
"""

import math
import os
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

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
) -> npt.NDArray[np.generic]:
    """The array of `shape` under `folder`, read-only, memory-mapped; missing rows come from `fill(start, stop)`.

    The folder's name must tell everything that the content depends on. `on_progress(rows done, rows)` is called after
    each chunk, of whichever process. Raises GeotuneError where the disk is too small or the folder cannot be written.
    """
    rows = int(shape[0])
    values = folder / "values.npy"
    if not (folder / "complete").exists():
        try:
            _lay_out(folder, values, tuple(map(int, shape)), np.dtype(dtype))
        except OSError as error:
            gigabytes = math.prod(shape) * np.dtype(dtype).itemsize / 1e9
            raise GeotuneError(
                f"{folder}: cannot keep {gigabytes:.1f} GB there ({error.strerror})",
                "free some space, or name another disk: export GEOTUNE_CACHE=/path/with/space",
            ) from None
        _fill_all(folder, values, rows, chunk, fill, on_progress)
        (folder / "complete").touch()
    if on_progress:
        on_progress(rows, rows)
    return np.load(values, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]


def _lay_out(folder: Path, values: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if values.exists():
        return
    part = folder / f"values.{uuid.uuid4().hex}.part"
    try:
        with part.open("wb") as stream:
            header = np.lib.format.header_data_from_array_1_0(np.empty((0, *shape[1:]), dtype)) | {"shape": shape}
            np.lib.format.write_array_header_2_0(stream, header)
            end = stream.tell() + math.prod(shape) * dtype.itemsize
            stream.truncate(end)
            stream.flush()
            if hasattr(os, "posix_fallocate"):  # a full disk shall say so here, not kill the process at a page fault
                os.posix_fallocate(stream.fileno(), 0, end)
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
