"""The changes by albumentations: what happens to a photo depends on its own seed, not on its batch or the thread."""

import os
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from geotune.data.augment.policy import KINDS, Augmentation

Bytes = npt.NDArray[np.uint8]

_built = threading.local()  # a pipeline holds its random state: one a thread


def augment(images: Bytes, augmentation: Augmentation, seeds: npt.NDArray[np.int64]) -> Bytes:
    """`images` (B, H, W, 3) changed, each by its own seed; a new array, or the given one where nothing changes."""
    if augmentation.is_plain:
        return images
    pipeline = _pipeline(augmentation, images.shape[1], images.shape[2])
    changed = np.empty_like(images)
    for i, seed in enumerate(seeds):
        pipeline.set_random_seed(int(seed) & 0x7FFFFFFF)
        changed[i] = pipeline(image=np.ascontiguousarray(images[i]))["image"]
    return changed


def _pipeline(augmentation: Augmentation, height: int, width: int) -> Any:
    cache: dict[tuple[Augmentation, int, int], Any] = _built.__dict__.setdefault("pipelines", {})
    key = (augmentation, height, width)
    if key not in cache:
        cache[key] = _build(augmentation, height, width)
    return cache[key]


def _build(a: Augmentation, height: int, width: int) -> Any:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the package index at import
    import albumentations as A  # noqa: N812
    import cv2

    edge = cv2.BORDER_REFLECT_101
    light, colour, gamma = a.light, a.colour, a.gamma
    steps = {
        "crop": lambda: A.RandomResizedCrop(
            (height, width), scale=(1 - a.crop, 1.0), ratio=(0.9, 1.1), interpolation=cv2.INTER_LINEAR
        ),
        "mirror": lambda: A.HorizontalFlip(p=0.5),
        "rotate": lambda: A.Affine(
            rotate=(-a.rotate, a.rotate), shear=(-a.shear, a.shear), border_mode=edge, p=KINDS["rotate"].share
        ),
        "perspective": lambda: A.Perspective(
            scale=(a.perspective / 3, a.perspective), border_mode=edge, p=KINDS["perspective"].share
        ),
        "light": lambda: A.ColorJitter(
            brightness=(1 - light, 1 + light),
            contrast=(1 - light, 1 + light),
            saturation=(1 - colour, 1 + colour),
            hue=(-colour / 8, colour / 8),
            p=KINDS["light"].share,
        ),
        "gamma": lambda: A.RandomGamma((100 * (1 - gamma), 100 * (1 + gamma)), p=KINDS["gamma"].share),
        "grey": lambda: A.ToGray(p=a.grey),
        "erase": lambda: A.CoarseDropout(
            num_holes_range=(1, 1), hole_height_range=(0.1, 0.4), hole_width_range=(0.1, 0.4), p=a.erase
        ),
        "coarse": lambda: A.ImageCompression(quality_range=(40, 90), p=a.coarse),
        "blur": lambda: A.GaussianBlur(blur_limit=(3, 5), p=a.blur),
    }
    wanted = {"rotate": a.rotate or a.shear, "light": a.light or a.colour}
    return A.Compose([make() for kind, make in steps.items() if wanted.get(kind, getattr(a, kind))])
