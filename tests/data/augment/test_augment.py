"""Both paths: shape, the seed alone decides, nothing is mirrored unasked."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from geotune.data.augment import POLICIES, Augmentation, augment

CHANGING = [name for name in POLICIES if name != "none"]


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (8, 6, 6, 3), np.uint8)
    return np.stack([cv2.resize(c, (64, 48), interpolation=cv2.INTER_CUBIC) for c in coarse])


@pytest.fixture(params=[False, True], ids=["albumentations", "fused"])
def fused(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def seeds(count: int = 8, start: int = 0) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.int64) * 7_919_000_000


@pytest.mark.parametrize("policy", POLICIES)
def test_shape_and_kind_stay(photos: np.ndarray, policy: str, fused: bool) -> None:
    augmentation = Augmentation.of(policy, fused=fused)
    before = photos.copy()
    changed = augment(photos, augmentation, seeds())
    assert changed.shape == photos.shape
    assert changed.dtype == np.uint8
    assert augment(photos[:0], augmentation, seeds(0)).shape == (0, 48, 64, 3)
    np.testing.assert_array_equal(photos, before)


def test_the_result_goes_where_it_is_wanted(photos: np.ndarray, fused: bool) -> None:
    out = np.empty_like(photos)
    augmentation = Augmentation.of("strong", fused=fused)
    assert augment(photos, augmentation, seeds(), out) is out
    np.testing.assert_array_equal(out, augment(photos, augmentation, seeds()))


@pytest.mark.parametrize("policy", CHANGING)
def test_a_photo_depends_on_its_own_seed_only(photos: np.ndarray, policy: str, fused: bool) -> None:
    augmentation = Augmentation.of(policy, fused=fused)
    whole = augment(photos, augmentation, seeds())
    reversed_order = augment(photos[::-1], augmentation, seeds()[::-1])[::-1]
    np.testing.assert_array_equal(whole, reversed_order)
    with ThreadPoolExecutor(4) as pool:
        singly = list(pool.map(lambda i: augment(photos[i : i + 1], augmentation, seeds()[i : i + 1])[0], range(8)))
    np.testing.assert_array_equal(whole, np.stack(singly))
    other = augment(photos, augmentation, seeds(start=100))
    assert all((whole[i] != other[i]).any() for i in range(8))


@pytest.mark.parametrize("policy", CHANGING)
def test_photos_stay_recognisable_and_are_never_mirrored(policy: str, fused: bool) -> None:
    # red on the left, blue on the right: whatever happens, left stays redder than right
    photo = np.zeros((1, 64, 64, 3), np.uint8)
    photo[:, :, :32, 0], photo[:, :, 32:, 2] = 200, 200
    photo[..., 1] = 60
    own = {"grey": 0, "erase": 0}  # the one takes the colours away, the other covers them
    for seed in range(60):
        changed = augment(photo, Augmentation.of(policy, fused=fused, own=own), seeds(1, seed))[0].astype(int)
        left, right = changed[:, :8].mean((0, 1)), changed[:, -8:].mean((0, 1))
        assert left[0] - left[2] > right[0] - right[2]


def test_mirrored_half_of_the_time_where_wanted(fused: bool) -> None:
    photo = np.zeros((200, 16, 16, 3), np.uint8)
    photo[:, :, :8] = 200
    drawn = np.random.default_rng(0).integers(0, 2**62, 200)
    changed = augment(photo, Augmentation.of("none", mirror=True, fused=fused), drawn)
    mirrored = changed[:, 0, 0, 0] == 0
    assert 70 < mirrored.sum() < 130
    np.testing.assert_array_equal(changed[mirrored], photo[mirrored][:, :, ::-1])
    np.testing.assert_array_equal(changed[~mirrored], photo[~mirrored])


def test_seeds_beyond_32_bits_differ(photos: np.ndarray, fused: bool) -> None:
    augmentation = Augmentation.of("light", fused=fused)
    low, high = (augment(photos[:1], augmentation, np.array([seed])) for seed in (5, 5 + 2**40))
    assert (low != high).any()


def test_none_changes_nothing(photos: np.ndarray) -> None:
    assert augment(photos, Augmentation.of("none"), seeds()) is photos
