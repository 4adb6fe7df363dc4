"""Batches of decoded photos, prepared by threads while the model is busy with the one before."""

import sys
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from geotune.data.augment import PLAIN, Augmentation, augment
from geotune.data.cache.store import Photos
from geotune.data.threads import MOST, lease

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Batch = tuple[Bytes, Ints]

AHEAD = 2
"""Batches that wait to be taken, besides those at which the threads are."""


def order(n: int, seed: int, epoch: int, rank: int = 0, ranks: int = 1) -> Ints:
    """The order in which an epoch sees `n` photos: a permutation that (seed, epoch) alone decides.

    Of several ranks each sees its share of it: every photo once, whatever their number.
    """
    return np.random.default_rng([seed, epoch]).permutation(n)[rank::ranks]


def photo_seeds(indices: Ints, seed: int, epoch: int) -> Ints:
    """One seed a photo and epoch, the same in whichever batch the photo stands (SplitMix64, Steele et al. 2014)."""
    base = int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0])
    with np.errstate(over="ignore"):
        z = np.uint64(base) + (np.asarray(indices).astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)


def batches(
    images: Photos | Bytes,
    indices: Ints,
    batch_size: int,
    *,
    augmentation: Augmentation = PLAIN,
    seed: int = 0,
    epoch: int = 0,
    start: int = 0,
) -> Iterator[Batch]:
    """Batches (photos (b, H, W, 3) uint8, their indices (b,)) in the order of `indices`; the last one may be smaller.

    As many threads as the lease has CPUs prepare them. The photos are copies, free to be changed; memory is used
    again once nothing refers to it. `start` begins with that batch, as if the ones before had been taken. Closing the
    iterator early stops the threads.
    """
    indices = np.asarray(indices, np.int64)
    threads = min(MOST, lease())
    buffers, own = _Buffers((batch_size, *images.shape[1:])), threading.local()

    def prepare(chosen: Ints) -> Batch:
        out = buffers.idle()[: len(chosen)]
        if augmentation.is_plain:
            return _gather(images, chosen, out), chosen
        if not hasattr(own, "plain"):
            own.plain = np.empty((batch_size, *images.shape[1:]), np.uint8)
        plain = _gather(images, chosen, own.plain[: len(chosen)])
        return augment(plain, augmentation, photo_seeds(chosen, seed, epoch), out), chosen

    starts = iter(range(start * batch_size, len(indices), batch_size))
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="loader") as pool:
        try:
            while True:
                while len(waiting) < threads + AHEAD and (first := next(starts, None)) is not None:
                    waiting.append(pool.submit(prepare, indices[first : first + batch_size]))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _gather(images: Photos | Bytes, chosen: Ints, out: Bytes) -> Bytes:
    if isinstance(images, Photos):
        return images.take(chosen, out)
    return np.take(images, chosen, axis=0, out=out)


class _Buffers:
    """Arrays of one shape, each handed out again once nobody refers to it or to a part of it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._all: list[Bytes] = []
        self._references = 0
        self._lock = threading.Lock()

    def idle(self) -> Bytes:
        with self._lock:
            for i in range(len(self._all)):
                if self._count(i) == self._references:
                    return self._all[i]
            self._all.append(np.empty(self._shape, np.uint8))
            if not self._references:  # those of an array that only this list has
                self._references = self._count(0)
            return self._all[-1]

    def _count(self, i: int) -> int:
        return sys.getrefcount(self._all[i])
