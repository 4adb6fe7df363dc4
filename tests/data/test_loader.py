import threading

import numpy as np
import pytest

from geotune.data.augment import Augmentation, augment
from geotune.data.loader import batches, order, photo_seeds

LIGHT = Augmentation.of("light")
IMAGES = np.random.default_rng(0).integers(0, 256, (23, 32, 32, 3), np.uint8)


def test_order_is_a_permutation_of_seed_and_epoch() -> None:
    first = order(50, 1, 1)
    assert sorted(first) == list(range(50))
    np.testing.assert_array_equal(first, order(50, 1, 1))
    assert (first != order(50, 1, 2)).any()
    assert (first != order(50, 2, 1)).any()


def test_every_photo_once_in_the_given_order_with_a_ragged_end() -> None:
    indices = order(23, 0, 1)
    found = list(batches(IMAGES, indices, 5))
    assert [len(b) for b, _ in found] == [5, 5, 5, 5, 3]
    np.testing.assert_array_equal(np.concatenate([i for _, i in found]), indices)
    np.testing.assert_array_equal(np.concatenate([b for b, _ in found]), IMAGES[indices])


def test_batches_are_copies() -> None:
    batch, indices = next(batches(IMAGES, np.arange(4), 4))
    before = IMAGES[indices].copy()
    batch[:] = 0
    np.testing.assert_array_equal(IMAGES[indices], before)


def test_augmentation_follows_seed_epoch_and_photo_not_the_batch() -> None:
    def all_of(batch_size: int, epoch: int, indices: np.ndarray) -> np.ndarray:
        photos = np.empty_like(IMAGES)
        for batch, chosen in batches(IMAGES, indices, batch_size, augmentation=LIGHT, seed=3, epoch=epoch):
            photos[chosen] = batch
        return photos

    whole = all_of(23, 1, np.arange(23))
    np.testing.assert_array_equal(whole, all_of(4, 1, order(23, 0, 0)))
    np.testing.assert_array_equal(whole, augment(IMAGES, LIGHT, photo_seeds(np.arange(23), 3, 1)))
    assert (whole != all_of(23, 2, np.arange(23))).any()


def test_seeds_do_not_repeat() -> None:
    drawn = np.concatenate([photo_seeds(np.arange(20_000), 0, epoch) for epoch in range(5)])
    assert len(np.unique(drawn)) == 100_000
    assert (drawn >= 0).all()
    low = np.unique(drawn & 0x7FFFFFFF)  # what albumentations takes; a few of 100,000 meet in 2**31
    assert len(low) > 99_900


def test_closing_early_stops_the_threads() -> None:
    iterator = batches(IMAGES, np.arange(23), 2)
    next(iterator)
    assert any(thread.name.startswith("loader") for thread in threading.enumerate())
    iterator.close()
    assert not any(thread.name.startswith("loader") for thread in threading.enumerate())


def test_a_fault_in_a_thread_reaches_the_caller() -> None:
    with pytest.raises(IndexError):
        list(batches(IMAGES, np.array([0, 99]), 2))


def test_no_photos_no_batches() -> None:
    assert list(batches(IMAGES, np.arange(0), 4)) == []
