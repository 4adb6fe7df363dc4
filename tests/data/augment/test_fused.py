"""The fused path beside albumentations: the same pixels for the same draws, and draws of the same kind."""

import cv2
import numpy as np
import pytest

from geotune.data.augment import POLICIES, Augmentation
from geotune.data.augment.drawn import Drawn, draw, uniform
from geotune.data.augment.fused import apply
from geotune.data.augment.reference import Pipeline

SIZE = 96
STRENGTHS = {"crop": 0.5, "rotate": 10, "shear": 5, "perspective": 0.1, "light": 0.3, "colour": 0.4, "balance": 0.15}
ALWAYS = {"gamma": 0.4, "grey": 1.0, "coarse": 1.0, "blur": 1.0, "erase": 1.0}


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    """Coarse shapes and fine texture, far from black and white, where cutting off comes early or late."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(70, 170, (48, 9, 9, 3)).astype(np.float32)
    smooth = np.stack([cv2.resize(one, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) for one in coarse])
    return np.clip(smooth + rng.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)


def by_albumentations(photos: np.ndarray, augmentation: Augmentation, seeds: np.ndarray) -> tuple[np.ndarray, Drawn]:
    """What albumentations makes of the photos, and what it drew, as the fused path takes it."""
    n = len(photos)
    eye = np.tile(np.eye(3), (n, 1, 1))
    drawn = Drawn(
        crop=np.tile([0, 0, SIZE, SIZE], (n, 1)), mirror=np.zeros(n, bool), affine=eye.copy(), perspective=eye.copy(),
        light=np.ones((n, 3)), gains=np.ones((n, 3)), grey=np.zeros(n, bool), gamma=np.ones(n),
        erase=np.zeros((n, 7), int), blur=np.zeros((n, 2)), quality=np.zeros(n, int),
    )  # fmt: skip
    pipeline = Pipeline(augmentation, (SIZE, SIZE))
    out = np.empty_like(photos)
    for i, seed in enumerate(seeds.tolist()):
        out[i] = pipeline(photos[i], seed)
        found = {type(t).__name__: t.params for t in pipeline.transforms if t.params}
        drawn.mirror[i], drawn.grey[i] = "HorizontalFlip" in found, "ToGray" in found
        if "RandomResizedCrop" in found:
            drawn.crop[i] = found["RandomResizedCrop"]["crop_coords"]
        if "Affine" in found:
            drawn.affine[i] = found["Affine"]["matrix"]
        if p := found.get("Perspective"):
            drawn.perspective[i] = np.diag([SIZE / p["max_width"], SIZE / p["max_height"], 1]) @ p["matrix"]
        if p := found.get("ColorJitter"):
            drawn.light[i] = p["brightness"], p["contrast"], p["saturation"]
        if p := found.get("MultiplicativeNoise"):
            drawn.gains[i] = p["multiplier"]
        if p := found.get("RandomGamma"):
            drawn.gamma[i] = p["gamma"]
        if p := found.get("CoarseDropout"):
            left, top, right, bottom = p["holes"][0]
            drawn.erase[i] = left, top, right, bottom, *out[i, top, left]
        if p := found.get("GaussianBlur"):
            middle = len(p["kernel"]) // 2
            sigma = (-0.5 / np.log(p["kernel"][middle + 1] / p["kernel"][middle])) ** 0.5
            drawn.blur[i] = len(p["kernel"]), sigma
        if p := found.get("ImageCompression"):
            drawn.quality[i] = p["quality"]
    return out, drawn


def difference(photos: np.ndarray, augmentation: Augmentation) -> np.ndarray:
    expected, drawn = by_albumentations(photos, augmentation, uniform_seeds(len(photos)))
    found = np.empty_like(photos)
    apply(photos, drawn, found)
    return np.abs(found.astype(int) - expected)


def uniform_seeds(count: int) -> np.ndarray:
    return (uniform(np.array([5]), count)[:, 0] * 2**62).astype(np.int64)


@pytest.mark.parametrize("kind", [*STRENGTHS, *ALWAYS, "mirror"])
def test_one_kind_of_change_gives_the_pixels_of_albumentations(photos: np.ndarray, kind: str) -> None:
    strength = (STRENGTHS | ALWAYS | {"mirror": True})[kind]
    found = difference(photos, Augmentation(**{kind: strength}))
    assert found.mean() < 1
    assert found.max() <= 3


@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "none"])
def test_a_policy_gives_the_pixels_of_albumentations(photos: np.ndarray, policy: str) -> None:
    found = difference(photos, Augmentation.of(policy, mirror=True))
    assert found.mean() < 2
    assert np.percentile(found, 99) <= 6


def test_the_draws_are_those_of_albumentations(photos: np.ndarray) -> None:
    """Mean and spread of every number, over many photos; the rare kinds are made common."""
    augmentation = Augmentation(**STRENGTHS, mirror=True, **dict.fromkeys(ALWAYS, 0.5))
    n = 1500
    many = np.broadcast_to(photos[:1], (n, *photos.shape[1:]))
    _, theirs = by_albumentations(many, augmentation, uniform_seeds(n))
    ours = draw(augmentation, uniform_seeds(n), SIZE, SIZE)
    for name in ("crop", "mirror", "affine", "perspective", "light", "gains", "grey", "gamma", "blur", "quality"):
        a, b = (np.asarray(getattr(drawn, name), float).reshape(n, -1) for drawn in (ours, theirs))
        spread = a.std(0) + 1e-9
        # five standard errors; the mean and the spread themselves are compared, on the scale of the spread
        assert (np.abs(a.mean(0) - b.mean(0)) / spread).max() < 5 * (2 / n) ** 0.5, name
        assert np.abs(b.std(0) / spread - 1)[spread > 1e-6].max() < 0.2, name
    boxes = [np.asarray(drawn.erase)[:, :4] for drawn in (ours, theirs)]
    assert np.abs(boxes[0].mean(0) - boxes[1].mean(0)).max() < 3


def test_a_kind_draws_the_same_whatever_the_others_do() -> None:
    alone = draw(Augmentation(rotate=10), np.arange(50), SIZE, SIZE)
    beside = draw(Augmentation(rotate=10, crop=0.5, light=0.3, blur=0.2), np.arange(50), SIZE, SIZE)
    assert alone.crop is None
    np.testing.assert_array_equal(alone.affine, beside.affine)


def test_uniform_numbers_are_uniform_and_unrelated() -> None:
    u = uniform(np.arange(4000), 8)
    assert np.abs(u.mean(1) - 0.5).max() < 0.03
    assert np.abs(np.corrcoef(u) - np.eye(8)).max() < 0.08
