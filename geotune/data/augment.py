"""Random changes of training photos that leave the place recognisable; none mirrors, for a mirrored street is another.

A photo's changes depend on its own seed only: neither on the batch that it stands in nor on the thread.
"""

import os
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from geotune.errors import GeotuneError

Bytes = npt.NDArray[np.uint8]

POLICIES = {
    "none": "No change.",
    "light": "A slightly closer crop, a little light and colour: safe everywhere.",
    "campus": "Another stance, hour and season: tilt, perspective, crop, light, shadow and blur.",
    "world": "Closer crops, strong light and colour, sometimes grey or coarse: for many photos of many cameras.",
}

_built = threading.local()  # a pipeline holds its random state: one a thread


def augment(images: Bytes, policy: str, seeds: npt.NDArray[np.int64]) -> Bytes:
    """`images` (B, H, W, 3) changed by `policy`, each by its own seed; a new array (for "none", the given one).

    Raises GeotuneError for an unknown policy.
    """
    if policy not in POLICIES:
        raise GeotuneError(f"augmentation {policy!r} is unknown", f"take one of {', '.join(POLICIES)}")
    if policy == "none":
        return images
    pipeline = _pipeline(policy, images.shape[1], images.shape[2])
    changed = np.empty_like(images)
    for i, seed in enumerate(seeds):
        pipeline.set_random_seed(int(seed) & 0x7FFFFFFF)
        changed[i] = pipeline(image=np.ascontiguousarray(images[i]))["image"]
    return changed


def _pipeline(policy: str, height: int, width: int) -> Any:
    cache: dict[tuple[str, int, int], Any] = _built.__dict__.setdefault("pipelines", {})
    key = (policy, height, width)
    if key not in cache:
        cache[key] = _build(policy, height, width)
    return cache[key]


def _build(policy: str, height: int, width: int) -> Any:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the package index at import
    import albumentations as A  # noqa: N812
    import cv2

    def crop(least: float) -> Any:
        return A.RandomResizedCrop(
            (height, width), scale=(least, 1.0), ratio=(0.9, 1.1), interpolation=cv2.INTER_LINEAR
        )

    def light(strength: float, p: float) -> Any:
        return A.ColorJitter(
            brightness=(1 - strength, 1 + strength),
            contrast=(1 - strength, 1 + strength),
            saturation=(1 - strength, 1 + strength),
            hue=(-strength / 8, strength / 8),
            p=p,
        )

    edge = cv2.BORDER_REFLECT_101
    steps = {
        "light": [crop(0.7), light(0.2, 0.8)],
        "campus": [
            A.Affine(rotate=(-8, 8), shear=(-4, 4), border_mode=edge, p=0.7),
            A.Perspective(scale=(0.02, 0.07), border_mode=edge, p=0.4),
            crop(0.5),
            light(0.35, 0.9),
            A.RandomGamma((70, 140), p=0.3),
            A.GaussianBlur(blur_limit=(3, 5), p=0.1),
        ],
        "world": [
            crop(0.35),
            light(0.4, 0.9),
            A.ToGray(p=0.05),
            A.RandomGamma((60, 160), p=0.3),
            A.ImageCompression(quality_range=(40, 90), p=0.2),
            A.GaussianBlur(blur_limit=(3, 5), p=0.1),
        ],
    }
    return A.Compose(steps[policy])
