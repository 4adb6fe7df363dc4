"""The textbook path, as people write it: msgpack's Unpacker, PIL, albumentations to float32 tensors, a DataLoader.

A good textbook: the transforms crop first, and OpenCV starts no threads of its own in the worker processes. Photos of
many megapixels are first resized by PIL, with what `resize` does when nothing is said: a crop of a few hundred pixels
straight from them would be made of single pixels far apart.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import albumentations as A  # noqa: N812
import cv2
import msgpack
import numpy as np
import torch
from albumentations.pytorch import ToTensorV2
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from geotune.data.augment import Augmentation
from geotune.data.augment.reference import transforms


def to_tensor(augmentation: Augmentation, size: int) -> Any:
    """A policy's own transforms, in one Compose with the normalisation."""
    return A.Compose([*transforms(augmentation, (size, size)), A.Normalize(), ToTensorV2()])


class Shards(IterableDataset[torch.Tensor]):
    """Every worker reads its own share of the shards."""

    def __init__(self, folder: Path, transform: Any, short_edge: int | None = None) -> None:
        self.shards = sorted(folder.glob("*.msg"))
        self.transform = transform
        self.short_edge = short_edge

    def __iter__(self) -> Iterator[tuple[torch.Tensor, float, float]]:
        cv2.setNumThreads(0)
        worker = get_worker_info()
        mine = self.shards if worker is None else self.shards[worker.id :: worker.num_workers]
        for shard in mine:
            with shard.open("rb") as stream:
                for found in msgpack.Unpacker(stream, raw=False, max_buffer_size=2**31 - 1):
                    picture = Image.open(io.BytesIO(found["image"])).convert("RGB")
                    if self.short_edge:
                        scale = self.short_edge / min(picture.size)
                        picture = picture.resize((round(scale * picture.width), round(scale * picture.height)))
                    pixels = self.transform(image=np.asarray(picture))["image"]
                    yield pixels, found["latitude"], found["longitude"]


def epoch(
    folder: Path, augmentation: Augmentation, size: int, batch: int, workers: int, short_edge: int | None = None
) -> int:
    """All photos once, as float32 tensors (b, 3, size, size) -> how many there were."""
    shards = Shards(folder, to_tensor(augmentation, size), short_edge)
    loader = DataLoader(shards, batch_size=batch, num_workers=workers)
    photos = 0
    for tensors, _, _ in loader:
        assert tensors.dtype == torch.float32
        photos += len(tensors)
    return photos
