"""Batches of decoded photos, prepared by threads while the model is busy with the one before."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from geotune.data.augment import PLAIN, Augmentation, augment

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Batch = tuple[Bytes, Ints]

AHEAD = 3
"""Batches prepared in advance."""


def order(n: int, seed: int, epoch: int) -> Ints:
    """The order in which an epoch sees `n` photos: a permutation that (seed, epoch) alone decides."""
    return np.random.default_rng([seed, epoch]).permutation(n)


def photo_seeds(indices: Ints, seed: int, epoch: int) -> Ints:
    """One seed a photo and epoch, the same in whichever batch the photo stands (SplitMix64, Steele et al. 2014)."""
    base = int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0])
    with np.errstate(over="ignore"):
        z = np.uint64(base) + (np.asarray(indices).astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)


def batches(
    images: Bytes,
    indices: Ints,
    batch_size: int,
    *,
    augmentation: Augmentation = PLAIN,
    seed: int = 0,
    epoch: int = 0,
) -> Iterator[Batch]:
    """Batches (photos (b, H, W, 3) uint8, their indices (b,)) in the order of `indices`; the last one may be smaller.

    The photos are copies, free to be changed. Closing the iterator early stops the threads.
    """

    def prepare(chosen: Ints) -> Batch:
        return augment(np.ascontiguousarray(images[chosen]), augmentation, photo_seeds(chosen, seed, epoch)), chosen

    indices = np.asarray(indices, np.int64)
    starts = iter(range(0, len(indices), batch_size))
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(min(AHEAD, os.cpu_count() or 1), thread_name_prefix="loader") as pool:
        try:
            while True:
                while len(waiting) < AHEAD and (start := next(starts, None)) is not None:
                    waiting.append(pool.submit(prepare, indices[start : start + batch_size]))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
