"""Decoded photos that all processes of a node share: each is decoded when first read, by one of them, and kept."""

import errno
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from geotune.data.cache.claims import Claims
from geotune.data.cache.layout import Stored
from geotune.data.threads import MOST, in_pool, lease

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

PORTION = 4
"""Photos a thread that are claimed at a time: a kill loses no more, and processes that read alike share the work."""
PATIENCE_SECONDS = 20.0
"""For photos that a living process has claimed: it may be stopped, and nobody is to hang with it."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

log = logging.getLogger(__name__)


class Photos:
    """Squares (n, size, size, 3) uint8 RGB, read by `photos[indices]`, always as copies; safe for several threads.

    What is not in the store yet is decoded by `decode(index)` in the threads of the lease. `rows` says in which row of
    the store each photo stands (None: in its own number). Without a store everything is decoded anew.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        count: int,
        size: int,
        decode: Callable[[int], Bytes],
        stored: Stored | None,
        rows: Ints | None = None,
    ) -> None:
        self.shape = (count, size, size, 3)
        self._decode = decode
        self._stored = stored
        self._claims: Claims | None = stored.claims if stored else None
        self._rows = rows
        self._keeping = stored is not None
        self._settling = threading.Lock()
        if stored and stored.claims:  # whoever filled the last row may have ended before it was on the disk
            self._settle(stored, stored.claims)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: Any) -> Bytes:
        """Photos by number, slice or array of numbers."""
        if isinstance(indices, int | np.integer):
            one: Bytes = self.take(np.array([indices]))[0]
            return one
        if isinstance(indices, slice):
            indices = np.arange(*indices.indices(len(self)))
        return self.take(indices)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Bytes:
        return self[:].astype(dtype or np.uint8, copy=False)

    @property
    def tier(self) -> str:
        """How they are kept: "raw", "jpeg", or "none" where there was no room."""
        return self._stored.tier if self._stored else "none"

    @property
    def rows(self) -> Ints | None:
        """The photos' numbers in the whole split, of a subset; None: they are their own."""
        return self._rows

    def anew(self) -> "Photos":
        """The same photos, decoded at every reading: exactly as decoded, also where the store keeps them as JPEG."""
        return Photos(len(self), self.shape[1], self._decode, None, self._rows)

    def take(self, indices: Ints, out: Bytes | None = None) -> Bytes:
        """The photos of `indices` (b,) into `out` (b, size, size, 3), which is made where it is missing."""
        index = np.asarray(indices, np.int64)
        if len(index) and not 0 <= index.min() <= index.max() < len(self):
            raise IndexError(f"photo {index.min()} or {index.max()} of {len(self)}")
        if out is None:
            out = np.empty((len(index), *self.shape[1:]), np.uint8)
        if self._stored is None:
            self._decode_all(index, out, np.arange(len(index)))
            return out
        rows = index if self._rows is None else self._rows[index]
        if self._claims is None or self._claims.filled(rows).all():
            self._stored.pixels.read(rows, out)
        else:
            self._fill(self._stored, self._claims, index, rows, out)
        return out

    # -------------------------------------------------------------------------------------- what is missing

    def _fill(self, stored: Stored, claims: Claims, index: Ints, rows: Ints, out: Bytes) -> None:
        """As `take`, with some of `rows` not there yet: fill what nobody is at, then wait for what others are at."""
        unread = np.ones(len(rows), bool)
        missing, first = np.unique(rows, return_index=True)  # in the order of the shards
        left = ~claims.filled(missing)
        wait = _Wait()
        while left.any():
            missing, first = missing[left], first[left]
            if wait.too_long(len(missing)):
                claims.give_up_on(missing)
            mine = claims.claim(missing, PORTION * min(lease(), MOST)) if self._keeping else missing
            if len(mine):
                at = first[np.searchsorted(missing, mine)]
                self._decode_and_keep(stored, claims, index, rows, at, out)
                unread[at] = False
            else:
                wait.a_little()
            left = ~claims.filled(missing) & ~np.isin(missing, mine)
        if unread.any():
            self._read(stored, claims, index, rows, np.flatnonzero(unread), out)
        self._settle(stored, claims)

    def _decode_and_keep(self, stored: Stored, claims: Claims, index: Ints, rows: Ints, at: Ints, out: Bytes) -> None:
        def work(i: int) -> None:
            pixels = self._decode(int(index[i]))
            if self._keeping:
                try:
                    pixels = stored.pixels.write(int(rows[i]), pixels)
                    claims.publish(int(rows[i]))
                except OSError as error:
                    self._stop_keeping(stored, error)
            out[i] = pixels

        try:
            in_pool(work, at)
        finally:
            claims.give_back(rows[at])  # what failed: the others shall not wait for it

    def _read(self, stored: Stored, claims: Claims, index: Ints, rows: Ints, at: Ints, out: Bytes) -> None:
        """`out[at]`, of what is in the store by now; twice the same photo may not be, where nothing is kept."""
        there = claims.filled(rows[at])
        kept = np.empty((int(there.sum()), *self.shape[1:]), np.uint8)
        stored.pixels.read(rows[at[there]], kept)
        out[at[there]] = kept
        self._decode_all(index, out, at[~there])

    def _decode_all(self, index: Ints, out: Bytes, at: Ints) -> None:
        def work(i: int) -> None:
            out[i] = self._decode(int(index[i]))

        in_pool(work, at)

    def _settle(self, stored: Stored, claims: Claims) -> None:
        if claims.all_filled() and self._settling.acquire(blocking=False):  # for good: it is never released
            # The disk may take minutes for it: not in the way of anybody, and no matter if the process ends before.
            threading.Thread(target=stored.settle, name="settle", daemon=True).start()

    def _stop_keeping(self, stored: Stored, error: OSError) -> None:
        if error.errno not in FULL:
            raise error
        if self._keeping:
            self._keeping = False
            log.warning(
                f"{stored.folder}: {error.strerror}: photos that are not there yet are decoded anew in every epoch. "
                "Free some space (geotune data cache), or name another disk: export GEOTUNE_CACHE=/path/with/space"
            )


class _Wait:
    """Waiting for others, more patiently with time; too long where nothing comes."""

    def __init__(self) -> None:
        self._seconds, self._left, self._since = 0.001, -1, time.monotonic()

    def a_little(self) -> None:
        time.sleep(self._seconds)
        self._seconds = min(0.02, 1.5 * self._seconds)

    def too_long(self, left: int) -> bool:
        if left != self._left:
            self._left, self._since, self._seconds = left, time.monotonic(), 0.001
        return time.monotonic() - self._since > PATIENCE_SECONDS
