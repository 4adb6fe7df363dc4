"""geotune's own path, as training takes it, and the steps that lead to it."""

from functools import cache
from pathlib import Path
from typing import Any

import albumentations as A  # noqa: N812
import numpy as np
import torch

from geotune.data.augment import PLAIN, Augmentation
from geotune.data.augment.reference import transforms
from geotune.data.cache.squares import decoded
from geotune.data.dataset import open_dataset
from geotune.data.loader import batches, order
from geotune.model.backbone import normalised

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1) * 255
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1) * 255


@cache
def photos_of(dataset: Path, size: int) -> Any:
    """The photos in the cache, opened once a process as a run of training does."""
    return decoded(open_dataset(dataset).split("train"), size)


def epoch(dataset: Path, augmentation: Augmentation, size: int, batch: int, number: int = 0) -> int:
    """All photos once, as float32 tensors (b, 3, size, size) -> how many there were."""
    return len(seen(dataset, augmentation, size, batch, number))


def seen(dataset: Path, augmentation: Augmentation, size: int, batch: int, number: int = 0) -> Any:
    """The same -> the photos in the cache."""
    photos = photos_of(dataset, size)
    for pixels, _ in batches(photos, order(len(photos), 0, number), batch, augmentation=augmentation, epoch=number):
        assert normalised(torch.from_numpy(pixels), MEAN, STD).dtype == torch.float32
    return photos


def copied(dataset: Path, size: int, batch: int) -> int:
    """The limit: photos are copied from the cache and normalised, nothing else."""
    return epoch(dataset, PLAIN, size, batch)


def float_photos(dataset: Path, augmentation: Augmentation, size: int, batch: int) -> int:
    """A step on the way: squares from the cache, the rest by the book, in this process."""
    photos = photos_of(dataset, size)
    transform = _compose(augmentation, size, normalise=True)
    chosen = order(len(photos), 0, 0)
    for start in range(0, len(chosen), batch):
        pixels = photos[chosen[start : start + batch]]
        torch.stack([transform(image=one)["image"] for one in pixels])
    return len(chosen)


def composed(dataset: Path, augmentation: Augmentation, size: int, batch: int) -> int:
    """A step on the way: photos stay bytes, and a whole batch is normalised."""
    photos = photos_of(dataset, size)
    transform = _compose(augmentation, size, normalise=False)
    chosen = order(len(photos), 0, 0)
    for start in range(0, len(chosen), batch):
        pixels = photos[chosen[start : start + batch]]
        changed = np.empty_like(pixels)
        for i, one in enumerate(pixels):
            changed[i] = transform(image=one)["image"]
        normalised(torch.from_numpy(changed), MEAN, STD)
    return len(chosen)


def _compose(augmentation: Augmentation, size: int, *, normalise: bool) -> Any:
    from albumentations.pytorch import ToTensorV2

    last = [A.Normalize(), ToTensorV2()] if normalise else []
    return A.Compose([*transforms(augmentation, (size, size)), *last])
