import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from geotune.data.augment import Augmentation, augment
from geotune.data.cache.layout import open_stored
from geotune.data.cache.store import Photos
from geotune.data.loader import batches, order, photo_seeds
from geotune.data.threads import lease, leased

LIGHT = Augmentation.of("light")
IMAGES = np.random.default_rng(0).integers(0, 256, (23, 32, 32, 3), np.uint8)


def test_order_is_a_permutation_of_seed_and_epoch() -> None:
    first = order(50, 1, 1)
    assert sorted(first) == list(range(50))
    np.testing.assert_array_equal(first, order(50, 1, 1))
    assert (first != order(50, 1, 2)).any()
    assert (first != order(50, 2, 1)).any()


def test_an_epoch_goes_on_at_a_step() -> None:
    indices = order(23, 0, 1)
    options = {"augmentation": LIGHT, "seed": 3, "epoch": 1}
    whole = list(batches(IMAGES, indices, 5, **options))  # type: ignore[arg-type]
    for start in range(6):
        rest = list(batches(IMAGES, indices, 5, start=start, **options))  # type: ignore[arg-type]
        assert len(rest) == 5 - start
        for (pixels, numbers), (expected, same) in zip(rest, whole[start:], strict=True):
            np.testing.assert_array_equal(numbers, same)
            np.testing.assert_array_equal(pixels, expected)


def test_memory_is_used_again_only_when_nobody_looks() -> None:
    """Whoever keeps a batch, a part of it or a tensor of it keeps its photos."""
    indices = np.tile(np.arange(23), 40)
    kept, seen = [], set()
    for number, (pixels, chosen) in enumerate(batches(IMAGES, indices, 23)):
        seen.add(pixels.__array_interface__["data"][0])
        if number % 8 == 0:
            kept.append((pixels[3:5], chosen[3:5]))
        elif number % 8 == 1:
            kept.append((torch.from_numpy(pixels)[:2], chosen[:2]))
        del pixels
    for part, chosen in kept:
        np.testing.assert_array_equal(np.asarray(part), IMAGES[chosen])
    assert len(seen) <= len(kept) + lease() + 4


def test_photos_of_a_store_come_as_those_of_an_array(tmp_path: Path) -> None:
    photos = Photos(23, 32, lambda i: IMAGES[i], open_stored("a", 23, 32))
    for _ in range(2):
        for pixels, chosen in batches(photos, order(23, 0, 0), 4):
            np.testing.assert_array_equal(pixels, IMAGES[chosen])


@pytest.mark.parametrize("cpus", [1, 3])
def test_as_many_threads_as_the_lease_has_cpus(cpus: int) -> None:
    with leased(cpus):
        iterator = batches(IMAGES, np.tile(np.arange(23), 20), 2)
        for _ in range(20):
            next(iterator)
        assert 1 <= sum(thread.name.startswith("loader") for thread in threading.enumerate()) <= cpus
        iterator.close()


def test_two_threads_are_at_work_at_once() -> None:
    """Each photo waits for another one that is being prepared: one thread alone would wait for ever."""
    both = threading.Barrier(2, timeout=30)

    def decode(i: int) -> np.ndarray:
        both.wait()
        return IMAGES[i]

    with leased(2):
        found = [pixels.copy() for pixels, _ in batches(Photos(20, 32, decode, None), np.arange(20), 1)]
    np.testing.assert_array_equal(np.concatenate(found), IMAGES[:20])


def test_what_holds_the_interpreter_gets_one_thread() -> None:
    with leased(8):
        large, fused = np.zeros((23, 160, 160, 3), np.uint8), Augmentation.of("light", fused=True)
        for images, augmentation, most in (
            (IMAGES, LIGHT, 1),
            (IMAGES, fused, 1),
            (large, LIGHT, 1),
            (large, fused, 8),
        ):
            iterator = batches(images, np.tile(np.arange(23), 20), 2, augmentation=augmentation)
            for _ in range(20):
                next(iterator)
            assert 1 <= sum(thread.name.startswith("loader") for thread in threading.enumerate()) <= most
            iterator.close()


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


def test_a_photo_varies_alike_in_every_subset() -> None:
    rows = np.array([2, 3, 11, 19])
    subset = Photos(4, 32, lambda i: IMAGES[rows[i]], None, rows)
    ((pixels, _),) = batches(subset, np.array([3, 1]), 2, augmentation=LIGHT, seed=5, epoch=2)
    ((expected, _),) = batches(IMAGES, np.array([19, 3]), 2, augmentation=LIGHT, seed=5, epoch=2)
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("cpus", [1, 5])
def test_a_large_batch_is_the_work_of_all_threads(cpus: int) -> None:
    """And its photos are those of small batches."""
    indices, options = np.tile(np.arange(23), 30), {"augmentation": LIGHT, "seed": 3, "epoch": 1}
    small = np.concatenate([pixels.copy() for pixels, _ in batches(IMAGES, indices, 7, **options)])  # type: ignore[arg-type]
    with leased(cpus):
        found = [(pixels.copy(), chosen) for pixels, chosen in batches(IMAGES, indices, 300, **options)]  # type: ignore[arg-type]
    assert [len(chosen) for _, chosen in found] == [300, 300, 90]
    np.testing.assert_array_equal(np.concatenate([pixels for pixels, _ in found]), small)


def test_memory_is_bounded_by_batches_not_by_threads() -> None:
    places = set()
    with leased(16):
        for pixels, _ in batches(IMAGES, np.tile(np.arange(23), 600), 640):
            places.add(pixels.__array_interface__["data"][0])
            del pixels
    assert len(places) <= 4  # 640 photos are ten portions: two batches keep sixteen threads busy


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
