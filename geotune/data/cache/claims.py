"""Which rows of a store are filled, and which process is at work on the others.

One 16-bit number a row, shared memory-mapped: FREE, FILLED, or the number of a claimer. A claimer is a locked file: the
operating system unlocks it when the process ends, however that comes, and its rows are anybody's again. Claims only
save work: two that fill a row at once write the same.
"""

import fcntl
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geotune.data.cache.allocate import allocate
from geotune.data.cache.locks import is_locked

Ints = npt.NDArray[np.int64]

FREE, FILLED = 0, 0xFFFF

_all: "weakref.WeakSet[Claims]" = weakref.WeakSet()


def count_filled(folder: Path) -> int:
    """How many rows of a store are filled."""
    return int(np.count_nonzero(np.fromfile(folder / "state", np.uint16) == FILLED))


class Claims:
    """The rows of one store, as this process sees them; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds what `lay_out` made."""
        self._folder = folder
        self._state = np.asarray(np.memmap(folder / "state", np.uint16, "r+"))
        self._probe = np.unique(np.linspace(0, len(self._state) - 1, 256).astype(np.int64))
        self._thread = threading.Lock()
        self._me = 0  # until it claims for the first time
        self._slow: set[int] = set()
        self._closing: list[weakref.finalize[..., Claims]] = []
        _all.add(self)

    @staticmethod
    def lay_out(folder: Path, rows: int) -> None:
        """Make the files of a store in which nothing is filled."""
        (folder / "claimers").mkdir()
        with (folder / "state").open("wb") as stream:
            allocate(stream, 2 * rows)

    def filled(self, rows: Ints) -> npt.NDArray[np.bool_]:
        """Whether each of `rows` can be read."""
        return self._state[rows] == FILLED  # type: ignore[no-any-return]

    def all_filled(self) -> bool:
        return bool((self._state[self._probe] == FILLED).all() and (self._state == FILLED).all())

    def claim(self, rows: Ints, most: int) -> Ints:
        """Up to `most` of `rows` that nobody alive has claimed, and are now this process's to fill."""
        with self.locked():
            state = self._state[rows]
            open_ = state == FREE
            for claimer in np.unique(state[~open_ & (state != FILLED)]):
                if claimer != self._me and (int(claimer) in self._slow or not is_locked(self._claimer(int(claimer)))):
                    open_ |= state == claimer
            mine: Ints = rows[open_][:most]
            self._state[mine] = self._me
            return mine

    def give_up_on(self, rows: Ints) -> None:
        """Whoever is at `rows` was waited for in vain, and is to this process as good as dead from now on."""
        self._slow |= set(map(int, np.unique(self._state[rows]))) - {FREE, FILLED, self._me}

    def publish(self, row: int) -> None:
        """Say that a row's content is written: from now on everybody reads it."""
        self._state[row] = FILLED

    def give_back(self, rows: Ints) -> None:
        """Free those of `rows` that this process claimed and did not fill."""
        if not (self._state[rows] == self._me).any():
            return
        with self.locked():
            unfilled = rows[self._state[rows] == self._me]
            self._state[unfilled] = FREE

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among the processes, for some microseconds; a killed one holds no lock."""
        with self._thread:
            if not self._me:
                self._open()
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    # -------------------------------------------------------------------------------------- who is alive

    def _open(self) -> None:
        self._lock = os.open(self._folder / "claims.lock", os.O_RDWR | os.O_CREAT, 0o666)
        self._closing.append(weakref.finalize(self, os.close, self._lock))
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self._me = self._register()
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _register(self) -> int:
        """Take the first number that no living claimer has; what its dead owner left undone is free."""
        for number in range(1, FILLED):
            descriptor = os.open(self._claimer(number), os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            self._closing.append(weakref.finalize(self, os.close, descriptor))
            self._state[np.flatnonzero(self._state == number)] = FREE
            return number
        raise OSError(f"{self._folder}: {FILLED:,} processes fill it")

    def _claimer(self, number: int) -> Path:
        return self._folder / "claimers" / str(number)


def _forked() -> None:
    """In a child: what its parent has locked and claimed is not the child's, which must not keep it locked either."""
    for claims in _all:
        claims._thread = threading.Lock()
        claims._me = 0
        for close in claims._closing:
            close()
        claims._closing.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
