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
_Waiting = tuple[Bytes, Ints, list[Future[None]]]

AHEAD = 2
"""Portions that wait for a thread, besides those at which the threads are."""
SMALL_PX = 160
"""Photos smaller than this are varied faster than threads take turns."""
PORTION = 64
"""Photos that a thread prepares at a time: all threads are at one large batch, instead of one batch each in memory."""


def order(n: int, seed: int, epoch: int) -> Ints:
    """The order in which an epoch sees `n` photos: a permutation that (seed, epoch) alone decides."""
    return np.random.default_rng([seed, epoch]).permutation(n)


def photo_seeds(indices: Ints, seed: int, epoch: int | Ints) -> Ints:
    """One seed a photo and epoch, the same in whichever batch the photo stands (SplitMix64, Steele et al. 2014).

    `epoch` is one for all photos (n,) or one for each.
    """
    epochs, which = np.unique(epoch, return_inverse=True)
    base = np.array([np.random.SeedSequence([seed, e]).generate_state(1, np.uint64)[0] for e in epochs.tolist()])
    with np.errstate(over="ignore"):
        z = base[which] + (np.asarray(indices).astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    seeds: Ints = ((z ^ (z >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)
    return seeds


def batches(
    images: Photos | Bytes,
    indices: Ints,
    batch_size: int,
    *,
    augmentation: Augmentation = PLAIN,
    seed: int = 0,
    epoch: int | Ints = 0,
    start: int = 0,
) -> Iterator[Batch]:
    """Batches (photos (b, H, W, 3) uint8, their indices (b,)) in the order of `indices`; the last one may be smaller.

    `epoch`, with `seed`, decides how photos vary: one for all, or one for each of `indices`.

    Threads prepare them while the caller is busy. The photos are copies, free to be changed; memory is used again once
    nothing refers to it. `start` begins with that batch, as if the ones before had been taken. Closing the
    iterator early stops the threads.
    """
    indices = np.asarray(indices, np.int64)
    epochs = np.broadcast_to(np.asarray(epoch, np.int64), indices.shape)
    threads, own = _threads(augmentation, images.shape[1]), threading.local()
    buffers = _Buffers((batch_size, *images.shape[1:]))
    numbers = images.rows if isinstance(images, Photos) else None  # a photo varies alike in every subset

    def prepare(chosen: Ints, epochs: Ints, out: Bytes) -> None:
        if augmentation.is_plain:
            _gather(images, chosen, out)
            return
        if not hasattr(own, "plain"):
            own.plain = np.empty((min(PORTION, batch_size), *images.shape[1:]), np.uint8)
        plain = _gather(images, chosen, own.plain[: len(chosen)])
        seeds = photo_seeds(chosen if numbers is None else numbers[chosen], seed, epochs)
        augment(plain, augmentation, seeds, out)

    def submit(chosen: Ints, epochs: Ints) -> _Waiting:
        out = buffers.idle()[: len(chosen)]
        parts = [slice(k, k + PORTION) for k in range(0, len(chosen), PORTION)]
        return out, chosen, [pool.submit(prepare, chosen[part], epochs[part], out[part]) for part in parts]

    most = 1 + -(-(threads + AHEAD) // -(-batch_size // PORTION))
    starts = iter(range(start * batch_size, len(indices), batch_size))
    waiting: deque[_Waiting] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="loader") as pool:
        try:
            while True:
                while len(waiting) < most and (first := next(starts, None)) is not None:
                    batch = slice(first, first + batch_size)
                    waiting.append(submit(indices[batch], epochs[batch]))
                if not waiting:
                    return
                yield _ready(waiting.popleft())
        finally:
            for _, _, portions in waiting:
                for portion in portions:
                    portion.cancel()


def _threads(augmentation: Augmentation, side: int) -> int:
    """As many as the lease has CPUs where that pays: not for albumentations, whose Python holds the interpreter's lock.

    Measured on two cores: a second thread took 30 (224 px) to 95 % (96 px) more CPU time, and the photos came later;
    the fused path gains from 160 px on.
    """
    pays = augmentation.is_plain or (augmentation.fused and side >= SMALL_PX)
    return min(MOST, lease()) if pays else 1


def _ready(batch: _Waiting) -> Batch:
    photos, chosen, portions = batch
    for portion in portions:
        portion.result()
    return photos, chosen


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
