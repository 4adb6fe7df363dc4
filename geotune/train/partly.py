"""A backbone of which only the last stage is trained: what is in front of it sees each photo's fixed views once."""

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geotune.data.cache.room import fits
from geotune.data.cache.shared_array import NoRoomError
from geotune.data.dataset import Split
from geotune.data.loader import batches, order
from geotune.model.cut import Cut
from geotune.model.geolocator import Geolocator, resized
from geotune.model.heads.base import Outputs
from geotune.train import ranks
from geotune.train.features import VIEW_SEED, Features, FeatureStore, as_decoded, in_float16
from geotune.train.memory import MicroBatch, in_parts, plain_portion, training_portion
from geotune.train.position import stretches
from geotune.train.progress import Progress
from geotune.train.settings import TrainConfig
from geotune.train.source import EVALUATION_PHOTOS, FIT_PHOTOS, Batch, PhotoSource, Source, tensors

Ints = NDArray[np.int64]
Pixels = tuple[NDArray[np.uint8], Ints]
log = logging.getLogger(__name__)


class Parts:
    """A model cut in two: `features(rows(photos))` are its features."""

    def __init__(self, model: Geolocator, cut: Cut) -> None:
        self.model = model
        self.cut = cut
        self.sizes = model.input_settings.sizes
        self.width = sum(cut.forms[size].width for size in self.sizes)
        """V, the values of a photo, for all sizes together."""

    def rows(self, photos_BHWC: torch.Tensor) -> torch.Tensor:
        """Photos of side `model.size` -> what the frozen part makes of them, (B, V)."""
        return torch.cat([self.cut.front(resized(photos_BHWC, size)) for size in self.sizes], dim=1)

    def features(self, rows_BV: torch.Tensor) -> torch.Tensor:
        """What the rest of the backbone makes of that, (B, D)."""
        each = torch.split(rows_BV.float(), [self.cut.forms[size].width for size in self.sizes], dim=1)
        return torch.cat([self.cut.rest(one, size) for one, size in zip(each, self.sizes, strict=True)], dim=-1)


class PartStore(FeatureStore):
    """Arrays (N, V) of the frozen part's output, one for each split and view; named by the frozen weights alone."""

    def __init__(self, parts: Parts, config: TrainConfig, progress: Progress, precision: str) -> None:
        self.parts = parts
        super().__init__(parts.model, config, progress, precision)

    @property
    def sizes(self) -> list[int]:
        return [self.model.size]

    def width(self, size: int) -> int:
        return self.parts.width

    def values(self, photos_BHWC: torch.Tensor) -> torch.Tensor:
        return self.parts.rows(photos_BHWC)

    def frozen(self) -> Mapping[str, torch.Tensor]:
        trained, backbone = self.model.trainable_state(), self.model.backbone
        frozen = {name: value for name, value in backbone.state_dict().items() if f"backbone.{name}" not in trained}
        return frozen | {"mean": backbone.mean, "std": backbone.std}

    def recipe(self) -> dict[str, object]:
        return super().recipe() | {"cut": True, "sizes": self.parts.sizes}


def open_partly(store: PartStore, train: Split, valid: Split) -> Source:
    """Stored rows where the cache has room for them, else the same views through the whole model: the same numbers."""
    name, need = store.config.model.backbone, missing_bytes(store, train, valid)
    try:
        if fits(need):
            log.info(f"all but the last stage of {name} is computed once for each view of a photo (input.views)")
            return PartlySource(store, train, valid)
    except NoRoomError:
        pass
    log.warning(
        f"all but the last stage of {name} is computed anew in every epoch: the cache has no room for "
        f"{need / 1e6:,.1f} MB. Free some space (geotune data cache), or set fewer input.views"
    )
    return ViewSource(store, train, valid)


def missing_bytes(store: PartStore, train: Split, valid: Split) -> int:
    """What has no place in the cache yet."""
    new = [one for one in store.missing(train, valid) if not (store.folder(*one) / "about.json").exists()]
    return 2 * store.parts.width * sum(len(split) for split, _, _ in new)


class PartlySource:
    """The frozen part's output as rows (b, V) float16 through the rest of the model."""

    def __init__(self, store: PartStore, train: Split, valid: Split) -> None:
        parts, config = store.parts, store.config
        self.parts = parts
        self.module: torch.nn.Module = parts.model
        self.device = store.device
        self.batch = config.train.batch_size // ranks.size()
        self._views = [view for (view,) in store.views(train)]
        (self._valid,) = store.plain(valid)
        self.stretches = stretches(len(train), config, never_one=True)
        self.micro = training_portion(parts.model, config, self.batch)
        self.valid_micro = plain_portion(parts.model, config, EVALUATION_PHOTOS)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        chosen, passes = self.stretches.of(number)
        views = self.stretches.views(len(self._views), chosen, passes)
        cuts = [slice(first, first + self.batch) for first in range(start * self.batch, len(chosen), self.batch)]
        return _one_ahead(self._batch(self._views, chosen[part], views[part]) for part in cuts)

    def valid(self) -> Iterator[Batch]:
        return self._plain(self._valid, np.arange(len(self._valid))[ranks.part(len(self._valid))])

    def outputs(self, inputs: torch.Tensor) -> Outputs:
        return self.parts.model.head(self._features(inputs))  # type: ignore[no-any-return]

    def sample(self) -> Iterator[torch.Tensor]:
        chosen = np.sort(order(self.stretches.available, 0, 0)[: FIT_PHOTOS // 4])
        if len(chosen) % EVALUATION_PHOTOS == 1:
            chosen = chosen[: max(1, len(chosen) - 1)]  # as in training
        return self._in_parts(chosen, self.micro if self.micro.fixed else self.valid_micro)

    def features(self, rows: Ints) -> Iterator[torch.Tensor]:
        return self._in_parts(rows, self.valid_micro)

    def _in_parts(self, rows: Ints, micro: MicroBatch) -> Iterator[torch.Tensor]:
        for inputs, _ in self._plain(self._views[0], rows):
            yield in_parts(micro, self._features, inputs)

    def _features(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.parts.features(inputs.to(self.device, non_blocking=True))

    def _plain(self, array: Features, rows: Ints) -> Iterator[Batch]:
        cuts = [slice(first, first + EVALUATION_PHOTOS) for first in range(0, len(rows), EVALUATION_PHOTOS)]
        return _one_ahead(self._batch([array], rows[part], np.zeros_like(rows[part])) for part in cuts)

    def _batch(self, arrays: list[Features], index: Ints, views: Ints) -> Batch:
        rows = torch.empty((len(index), self.parts.width), dtype=torch.float16, pin_memory=self.device.type == "cuda")
        for view in np.unique(views).tolist():
            mine = views == view
            rows.numpy()[mine] = arrays[view][index[mine]]
        return rows, torch.from_numpy(index)


class ViewSource(PhotoSource):
    """The same without stored rows: photos in their fixed views, through both parts of the model."""

    def __init__(self, store: PartStore, train: Split, valid: Split) -> None:
        super().__init__(store.model, train, valid, store.config, store.progress)
        self.parts = store.parts
        self.view_count = store.view_count
        self._train, self._valid = as_decoded(train, store.model.size), as_decoded(valid, store.model.size)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        chosen, passes = self.stretches.of(number)
        views = self.stretches.views(self.view_count, chosen, passes)
        how: dict[str, Any] = {"augmentation": self.config.input.augmentation, "seed": VIEW_SEED, "epoch": views}
        return tensors(self._plain_ones(batches(self._train, chosen, self.batch, start=start, **how), views, start))

    def _plain_ones(self, photos: Iterator[Pixels], views: Ints, start: int) -> Iterator[Pixels]:
        """The batches, from that one on, with the photos of view 0 as they are."""
        for at, (pixels, index) in enumerate(photos, start):
            plain = np.flatnonzero(views[at * self.batch :][: len(index)] == 0)
            pixels[plain] = self._train[index[plain]]
            yield pixels, index

    def features_of(self, images: torch.Tensor) -> torch.Tensor:
        return self.parts.features(in_float16(self.parts.rows(images.to(self.device))))


def _one_ahead(items: Iterator[Batch]) -> Iterator[Batch]:
    """The items, each read from the disk while the caller is busy with the one before."""
    with ThreadPoolExecutor(1, thread_name_prefix="rows") as pool:
        waiting = pool.submit(next, items, None)
        while (found := waiting.result()) is not None:
            waiting = pool.submit(next, items, None)
            yield found
