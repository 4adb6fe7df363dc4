"""What passes by the model in an epoch: photos, or the ready features of a frozen backbone."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from geotune.data.cache.squares import decoded
from geotune.data.cache.store import Photos
from geotune.data.dataset import Split
from geotune.data.loader import batches, order
from geotune.model.geolocator import Geolocator
from geotune.model.heads.base import Outputs
from geotune.train import ranks
from geotune.train.features import FeatureStore
from geotune.train.memory import MicroBatch, in_parts, plain_portion, training_portion
from geotune.train.position import Stretches, stretches
from geotune.train.progress import Progress
from geotune.train.settings import TrainConfig

Batch = tuple[torch.Tensor, torch.Tensor]
"""Inputs (b, …) and the indices (b,) of their photos in the split."""

EVALUATION_PHOTOS = 64
"""Photos at once where no gradients are kept."""
FIT_PHOTOS = 2048
"""Photos from which the features' mean and spread are taken: where photos must pass the backbone for it, a quarter."""
BLOCK = 16_384
"""Photos whose features are gathered at once: an epoch of most datasets, and a bound on the memory of large ones."""

VALID_ROWS = 1024
"""Rows of features that pass the head at once in validation: with 50,000 cells their logits take 200 MB."""


class Source(Protocol):
    """A training and a validation split, as inputs that `outputs` turns into the head's outputs."""

    stretches: Stretches
    """Which training photos an epoch takes, and in how many batches."""
    module: torch.nn.Module
    """What of the model is at work, to be put into training or eval mode."""
    micro: MicroBatch
    """How many photos are in memory at once in training."""
    valid_micro: MicroBatch
    """The same where no gradients are kept."""

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The training batches of an epoch, those of its stretch in order; the last may be smaller.

        `start` begins with that batch, as if the ones before had been taken.
        """
        ...

    def valid(self) -> Iterator[Batch]:
        """All validation photos, in order: this process's part of them."""
        ...

    def outputs(self, inputs: torch.Tensor) -> Outputs:
        """The head's outputs for inputs of either iterator, or a part of them."""
        ...

    def sample(self) -> Iterator[torch.Tensor]:
        """Features of some training photos as they are, to fit the standardisation."""
        ...

    def features(self, rows: NDArray[np.int64]) -> Iterator[torch.Tensor]:
        """Features of these training photos as they are, in that order, for a head that keeps them."""
        ...


class PhotoSource:
    """Photos through the whole model: uint8 (b, H, W, 3) from the shared cache, augmented anew in every epoch.

    The first epoch decodes what no other trial has decoded yet.
    """

    def __init__(self, model: Geolocator, train: Split, valid: Split, config: TrainConfig, progress: Progress) -> None:
        self.model = model
        self.module: torch.nn.Module = model
        self.device = next(model.parameters()).device
        self.config = config
        self.progress = progress
        size = model.size
        self._train, self._valid = decoded(train, size), decoded(valid, size)
        self.stretches = stretches(len(train), config, never_one=True)
        self.batch = config.train.batch_size // ranks.size()
        self.micro = training_portion(model, config, self.batch)
        self.valid_micro = plain_portion(model, config, EVALUATION_PHOTOS)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        chosen, passes = self.stretches.of(number)
        how: dict[str, Any] = {"augmentation": self.config.input.augmentation, "seed": self.config.seed}
        return tensors(batches(self._train, chosen, self.batch, epoch=passes, start=start, **how))

    def valid(self) -> Iterator[Batch]:
        return self._plain(self._valid, np.arange(len(self._valid))[ranks.part(len(self._valid))])

    def outputs(self, inputs: torch.Tensor) -> Outputs:
        return self.model.head(self.features_of(inputs))  # type: ignore[no-any-return]

    def features_of(self, images: torch.Tensor) -> torch.Tensor:
        """Raw features (b, D) of photos."""
        return self.model.features(images.to(self.device, non_blocking=True))

    def sample(self) -> Iterator[torch.Tensor]:
        chosen = order(len(self._train), 0, 0)[: FIT_PHOTOS // 4]
        if len(chosen) % EVALUATION_PHOTOS == 1:
            chosen = chosen[: max(1, len(chosen) - 1)]  # as in training
        for batch, (images, _) in enumerate(self._plain(self._train, np.sort(chosen))):
            yield in_parts(self.micro if self.micro.fixed else self.valid_micro, self.features_of, images)
            self.progress.report("features", batch * EVALUATION_PHOTOS + len(images), len(chosen))

    def features(self, rows: NDArray[np.int64]) -> Iterator[torch.Tensor]:
        for images, _ in self._plain(self._train, rows):
            yield in_parts(self.valid_micro, self.features_of, images)

    def _plain(self, images: Photos, chosen: NDArray[np.int64]) -> Iterator[Batch]:
        return tensors(batches(images, chosen, EVALUATION_PHOTOS))


class FeatureSource:
    """Ready features through the head alone: an epoch is a gather and some small matrix products.

    Each pass draws for every photo one of its `input.views` fixed views, the plain photo being one of them.
    """

    def __init__(self, model: Geolocator, train: Split, valid: Split, config: TrainConfig, store: FeatureStore) -> None:
        self.model = model
        self.module: torch.nn.Module = model.head
        self.device = next(model.parameters()).device
        self.config = config
        self._views = store.views(train)
        self._valid = store.plain(valid)
        self.stretches = stretches(len(train), config)
        self.micro = MicroBatch(config.train.batch_size)  # rows of numbers: any batch fits
        self.valid_micro = MicroBatch(VALID_ROWS)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        chosen, passes = self.stretches.of(number)
        views = self.stretches.views(len(self._views), chosen, passes)
        size = self.config.train.batch_size // ranks.size()
        block = max(size, BLOCK - BLOCK % size)
        for first in range(start * size, len(chosen), block):
            index = chosen[first : first + block]
            features = self._to_device(self._gather(index, views[first : first + block]))
            index_on_device = torch.from_numpy(index).to(self.device)
            yield from zip(torch.split(features, size), torch.split(index_on_device, size), strict=True)

    def valid(self) -> Iterator[Batch]:
        mine = ranks.part(len(self._valid[0]))
        for start in range(mine.start, mine.stop, VALID_ROWS):
            index = np.arange(start, min(start + VALID_ROWS, mine.stop))
            yield self._to_device(_rows(self._valid, index)), torch.from_numpy(index).to(self.device)

    def outputs(self, inputs: torch.Tensor) -> Outputs:
        return self.model.head(inputs)  # type: ignore[no-any-return]

    def sample(self) -> Iterator[torch.Tensor]:
        chosen = np.sort(order(self.stretches.available, 0, 0)[:FIT_PHOTOS])
        yield self._to_device(_rows(self._views[0], chosen))

    def features(self, rows: NDArray[np.int64]) -> Iterator[torch.Tensor]:
        for start in range(0, len(rows), BLOCK):
            yield self._to_device(_rows(self._views[0], rows[start : start + BLOCK]))

    def _gather(self, index: NDArray[np.int64], views: NDArray[np.int64]) -> NDArray[np.float32]:
        gathered = np.empty((len(index), sum(part.shape[1] for part in self._views[0])), np.float32)
        for view, parts in enumerate(self._views):
            mine = np.flatnonzero(views == view)
            gathered[mine] = _rows(parts, index[mine])
        return gathered

    def _to_device(self, rows: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(rows).to(self.device)


def _rows(parts: list[NDArray[np.float16]], index: NDArray[np.int64]) -> NDArray[np.float32]:
    """Rows of several feature arrays (N, D_i), side by side, as float32 (b, ΣD_i)."""
    return np.concatenate([part[index] for part in parts], axis=1, dtype=np.float32)


def tensors(pairs: Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]) -> Iterator[Batch]:
    """The loader's batches for torch, in pinned memory where they go to a GPU."""
    pin = torch.cuda.is_available()
    for images, index in pairs:
        tensor = torch.from_numpy(images)
        yield (tensor.pin_memory() if pin else tensor), torch.from_numpy(index)
