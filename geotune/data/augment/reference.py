"""The changes by albumentations' own transforms: built once a thread, called without the checks of its Compose."""

import os
import random
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from geotune.data.augment.policy import COARSE_QUALITY, ERASED, KINDS, RATIO, Augmentation

Bytes = npt.NDArray[np.uint8]

_built = threading.local()  # transforms hold their random state: a set of them for each thread


class Pipeline:
    """albumentations transforms in their order, all drawing from one pair of generators."""

    def __init__(self, augmentation: Augmentation, size: tuple[int, int]) -> None:
        self.transforms = transforms(augmentation, size)
        self._bits = np.random.PCG64(0)
        self._state: Any = self._bits.state
        self._python = random.Random(0)
        generator = np.random.Generator(self._bits)
        for transform in self.transforms:
            transform.set_random_state(generator, self._python)

    def __call__(self, image: Bytes, seed: int) -> Bytes:
        """`image` (H, W, 3) as `seed` changes it."""
        self._python.seed(seed)
        # a generator made anew takes eight times as long; the seeds are scrambled already
        self._state["state"]["state"] = seed << 64 | seed
        self._state["has_uint32"] = 0
        self._bits.state = self._state
        for transform in self.transforms:
            image = transform(image=image)["image"]
        return image


def paint(images: Bytes, augmentation: Augmentation, seeds: npt.NDArray[np.int64], out: Bytes) -> None:
    """`images` (B, H, W, 3) changed, each by its own seed, into `out` of the same shape."""
    pipelines: dict[Any, Pipeline] = _built.__dict__.setdefault("pipelines", {})
    key = (augmentation, images.shape[1:3])
    if key not in pipelines:
        pipelines[key] = Pipeline(*key)
    pipeline = pipelines[key]
    for i, seed in enumerate(seeds.tolist()):
        out[i] = pipeline(images[i], seed)


def transforms(a: Augmentation, size: tuple[int, int]) -> list[Any]:
    """What of the augmentation is not zero, the crop first; then all that moves pixels, then what colours them."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the package index at import
    import albumentations as A  # noqa: N812
    import cv2

    edge = cv2.BORDER_REFLECT_101
    share = {name: kind.share for name, kind in KINDS.items()}

    def around_one(strength: float) -> tuple[float, float]:
        return 1 - strength, 1 + strength

    found: list[Any] = []
    if a.crop:
        found.append(A.RandomResizedCrop(size, scale=(1 - a.crop, 1.0), ratio=RATIO))
    if a.mirror:
        found.append(A.HorizontalFlip(p=0.5))
    if a.rotate or a.shear:
        tilt: dict[str, Any] = {"rotate": (-a.rotate, a.rotate), "shear": (-a.shear, a.shear)}
        found.append(A.Affine(**tilt, border_mode=edge, p=share["rotate"]))
    if a.perspective:
        corners = (a.perspective / 3, a.perspective)
        found.append(A.Perspective(scale=corners, border_mode=edge, p=share["perspective"]))
    if a.light or a.colour:
        light = around_one(a.light)
        found.append(A.ColorJitter(light, light, around_one(a.colour), (0, 0), p=share["light"]))
    if a.balance:
        found.append(A.MultiplicativeNoise(around_one(a.balance), per_channel=True, p=share["balance"]))
    if a.grey:
        found.append(A.ToGray(p=a.grey))
    if a.gamma:
        low, high = around_one(a.gamma)
        found.append(A.RandomGamma((100 * low, 100 * high), p=share["gamma"]))
    if a.erase:
        found.append(A.CoarseDropout((1, 1), ERASED, ERASED, fill="random_uniform", p=a.erase))
    if a.blur:
        found.append(A.GaussianBlur(blur_limit=(3, 5), p=a.blur))
    if a.coarse:
        found.append(A.ImageCompression(quality_range=COARSE_QUALITY, p=a.coarse))
    return found
