"""What the frozen part of a backbone makes of photos: computed once a node, shared by all trials with the same part."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from geotune.data.augment import PLAIN
from geotune.data.cache.entries import cache_root
from geotune.data.cache.shared_array import shared_array
from geotune.data.cache.squares import RECIPE as SQUARES_RECIPE
from geotune.data.cache.squares import decoded
from geotune.data.cache.store import Photos
from geotune.data.dataset import Split
from geotune.data.loader import batches
from geotune.model.geolocator import Geolocator
from geotune.train.device import Precision
from geotune.train.memory import MicroBatch, within_memory
from geotune.train.progress import Progress
from geotune.train.settings import TrainConfig

Features = NDArray[np.float16]

RECIPE = 3
"""Part of every key: raise it when the same settings give other features than before."""
VIEW_SEED = 20_261_121
"""Seed of the fixed views, the same for every trial and every seed of a search: that is what makes them shared."""
CHUNK = 128
"""Photos that one process claims at a time."""
LIMIT = float(np.finfo(np.float16).max)


class FeatureStore:
    """Arrays (N, D) float16 under cache_root()/features, one for each photo size, split and view.

    Here D are the pooled features of a wholly frozen backbone. Several processes of a node share the work
    (geotune.data.cache.shared_array). Each photo size has arrays of its own: trials that search `input.sizes` share
    them too. Values beyond float16's ±65,504 are cut there.
    """

    def __init__(self, model: Geolocator, config: TrainConfig, progress: Progress, precision: str) -> None:
        self.model = model
        self.config = config
        self.progress = progress
        self.device = next(model.parameters()).device
        self.precision = Precision(precision, self.device)  # type: ignore[arg-type]
        self.micro = MicroBatch(256 if self.device.type == "cuda" else 32)
        self._weights = digest(self.frozen())

    # ------------------------------------------------------------------------------------ what is stored

    @property
    def sizes(self) -> list[int]:
        """The sizes that photos are decoded at, each with an array of its own."""
        return self.config.input.sizes

    def width(self, size: int) -> int:
        """D, the values of a photo."""
        return self.model.feature_width(size)

    def values(self, photos_BHWC: torch.Tensor) -> torch.Tensor:
        """Photos of one of `sizes` -> values (B, D), with the model in eval mode."""
        return self.model.pooled(photos_BHWC)

    def frozen(self) -> Mapping[str, torch.Tensor]:
        """The tensors that decide the values."""
        return self.model.backbone.state_dict()

    def recipe(self) -> dict[str, object]:
        """What else does, but for photos and their views; all that JSON can write."""
        return {"features": self.config.model.features}

    # ------------------------------------------------------------------------------------ storing it

    def plain(self, split: Split) -> list[Features]:
        """Values of the photos as they are: an array for each of `sizes`."""
        return [self._array(split, size, 0) for size in self.sizes]

    def views(self, split: Split) -> list[list[Features]]:
        """`input.views` lists like that of `plain`, which is the first; the others are augmented views."""
        return [[self._array(split, size, view) for size in self.sizes] for view in range(self.view_count)]

    @property
    def view_count(self) -> int:
        """`input.views`; 1 without augmentation, where all views are the same."""
        return 1 if self.config.input.augmentation.is_plain else self.config.input.views

    def folder(self, split: Split, size: int, view: int) -> Path:
        """Where an array stands: named by everything that its content depends on."""
        recipe = {
            "recipe": [RECIPE, SQUARES_RECIPE],
            "weights": self._weights,
            "backbone": self.config.model.backbone,
            "photos": content_of(split),
            "size": size,
            "view": view,
            "augment": (self.config.input.augmentation if view else PLAIN).recipe,
            "precision": self.precision.name,
        } | self.recipe()
        name = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
        return cache_root() / "features" / name

    def missing(self, train: Split, valid: Split) -> list[tuple[Split, int, int]]:
        """(split, size, view) of every array that is not complete yet."""
        wanted = [(train, size, view) for size in self.sizes for view in range(self.view_count)]
        wanted += [(valid, size, 0) for size in self.sizes]
        return [one for one in wanted if not (self.folder(*one) / "complete").exists()]

    def _array(self, split: Split, size: int, view: int) -> Features:
        folder = self.folder(split, size, view)

        @cache
        def photos() -> Photos:  # a finished array needs none: they may not even be decoded on this node
            return as_decoded(split, size)

        def fill(start: int, stop: int) -> Features:
            return np.concatenate(list(self.compute(photos(), np.arange(start, stop), view)))

        shape = (len(split), self.width(size))
        about = {"what": "features", "dataset": self.config.data, "split": split.name, "px": size, "view": view}
        about |= {"backbone": self.config.model.backbone}
        return shared_array(folder, shape, np.float16, fill, chunk=CHUNK, on_progress=self._computing, about=about)  # type: ignore[return-value]

    def compute(self, images: Photos | NDArray[np.uint8], index: NDArray[np.int64], view: int) -> Iterator[Features]:
        """Values (b, D) of some photos in a view, batch by batch."""
        augmentation = self.config.input.augmentation if view else PLAIN
        for photos, _ in batches(images, index, 32, augmentation=augmentation, seed=VIEW_SEED, epoch=view):
            yield within_memory(self.micro, self._forward, torch.from_numpy(photos))

    @torch.inference_mode()
    def _forward(self, photos: torch.Tensor) -> Features:
        self.model.eval()
        with self.precision.autocast():
            parts = [self.values(photos[part].to(self.device)) for part in self.micro.parts(len(photos))]
        return in_float16(torch.cat(parts)).cpu().numpy()

    def _computing(self, done: int, photos: int) -> None:
        self.progress.report("features", done, photos)


def as_decoded(split: Split, size: int) -> Photos:
    """A split's photos exactly as decoded: how much room there was for them shall not show in what is stored."""
    kept = decoded(split, size)
    return kept.anew() if kept.tier == "jpeg" else kept


def in_float16(values: torch.Tensor) -> torch.Tensor:
    """As they are stored: rounded, and cut at ±65,504."""
    return values.float().clamp(-LIMIT, LIMIT).to(torch.float16)


def content_of(split: Split) -> str:
    """A name for a split's photos: its fingerprint, and of a subset which rows of it."""
    if len(split) == split.full:
        return split.fingerprint
    return f"{split.fingerprint} {hashlib.sha256(split.rows.tobytes()).hexdigest()}"


def digest(state: Mapping[str, torch.Tensor]) -> str:
    """A name for weights: SHA-256 over the names, kinds and bytes of all tensors."""
    total = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        total.update(f"{name} {flat.dtype} {tuple(tensor.shape)}".encode())
        total.update(flat.view(torch.uint8).numpy().data)
    return total.hexdigest()
