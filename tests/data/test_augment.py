from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from geotune.data.augment import POLICIES, Augmentation, augment
from geotune.errors import GeotuneError

CHANGING = [name for name in POLICIES if name != "none"]


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (8, 6, 6, 3), np.uint8)
    return np.stack([cv2.resize(c, (64, 48), interpolation=cv2.INTER_CUBIC) for c in coarse])


def seeds(count: int = 8, start: int = 0) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.int64) * 7_919_000_000


@pytest.mark.parametrize("policy", POLICIES)
def test_shape_and_kind_stay(photos: np.ndarray, policy: str) -> None:
    changed = augment(photos, Augmentation.of(policy), seeds())
    assert changed.shape == photos.shape
    assert changed.dtype == np.uint8
    assert augment(photos[:0], Augmentation.of(policy), seeds(0)).shape == (0, 48, 64, 3)


@pytest.mark.parametrize("policy", CHANGING)
def test_a_photo_depends_on_its_own_seed_only(photos: np.ndarray, policy: str) -> None:
    whole = augment(photos, Augmentation.of(policy), seeds())
    reversed_order = augment(photos[::-1], Augmentation.of(policy), seeds()[::-1])[::-1]
    np.testing.assert_array_equal(whole, reversed_order)
    with ThreadPoolExecutor(4) as pool:
        singly = list(
            pool.map(lambda i: augment(photos[i : i + 1], Augmentation.of(policy), seeds()[i : i + 1])[0], range(8))
        )
    np.testing.assert_array_equal(whole, np.stack(singly))
    other = augment(photos, Augmentation.of(policy), seeds(start=100))
    assert all((whole[i] != other[i]).any() for i in range(8))


@pytest.mark.parametrize("policy", CHANGING)
def test_photos_stay_recognisable_and_are_never_mirrored(policy: str) -> None:
    # red on the left, blue on the right: whatever happens, left stays redder than right
    photo = np.zeros((1, 64, 64, 3), np.uint8)
    photo[:, :, :32, 0], photo[:, :, 32:, 2] = 200, 200
    photo[..., 1] = 60
    for seed in range(60):
        changed = augment(photo, Augmentation.of(policy), np.array([seed]))[0].astype(int)
        if np.ptp(changed, axis=-1).max() < 8:
            continue  # turned grey
        left, right = changed[:, :8].mean((0, 1)), changed[:, -8:].mean((0, 1))
        assert left[0] - left[2] > right[0] - right[2]


def test_none_changes_nothing(photos: np.ndarray) -> None:
    assert augment(photos, Augmentation.of("none"), seeds()) is photos


def test_an_unknown_policy_names_the_known() -> None:
    with pytest.raises(GeotuneError, match="'flip' is unknown") as caught:
        Augmentation.of("flip")
    assert "none, light, campus, world, strong" in caught.value.hint
