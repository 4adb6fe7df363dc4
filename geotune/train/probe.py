"""What a training will cost, from a few real steps on a few real photos."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from geotune.data.cache.room import fits
from geotune.data.cache.squares import decode
from geotune.data.dataset import Dataset, Split
from geotune.data.loader import batches
from geotune.data.threads import MOST, lease, leased
from geotune.errors import GeotuneError
from geotune.model.geolocator import Geolocator
from geotune.model.heads.base import Outputs
from geotune.train.device import Precision, choose_device, hold, share
from geotune.train.features import FeatureStore, in_float16
from geotune.train.memory import MicroBatch, training_portion, within_memory
from geotune.train.norms import Averages
from geotune.train.optim import optimiser
from geotune.train.outcomes import Infeasible
from geotune.train.partly import PartStore, missing_bytes
from geotune.train.position import stretches
from geotune.train.progress import Progress
from geotune.train.run import build_model, training_split, validation_split
from geotune.train.settings import TrainConfig
from geotune.train.sources import open_store
from geotune.train.step import gradients
from geotune.train.tally import peak_mb

SAMPLE = 32
"""Photos that are decoded for it."""
LONGEST_SECONDS = 1.0
"""For each of at most five things that are timed."""
COPIES = 4
"""Of the trained weights in a checkpoint: themselves, AdamW's two averages, the best epoch's; train.ema adds one."""


@dataclass(frozen=True)
class Forecast:
    """What one training run of a config is going to take on this machine, alone, with so many threads."""

    seconds_features: float
    """Once a node: decoding photos, and passing them through what is frozen where its output is kept, as far as that is
    not done yet. By one process; several share it."""
    seconds_epoch: float
    epochs: int
    seconds: float
    """All epochs, without what is done once a node."""
    memory_mb: float
    """At most so far: of the GPU, else of this process."""
    checkpoint_mb: float
    cache_mb: float
    """Decoded photos, and what is kept of a frozen backbone's output, under the cache's folder."""


def probe(config: TrainConfig, dataset: Dataset, threads: int = 0, gpus: float = 1.0) -> Forecast:
    """Time a few steps, in about five seconds; nothing is written.

    `threads` of 0: as torch is set. `gpus` is a trial's share. Raises GeotuneError when not even one photo fits.
    """
    before, held = torch.get_num_threads(), share()
    hold(gpus)
    if threads:
        torch.set_num_threads(threads)
    try:
        with leased(threads or None):
            return _probe(config, dataset)
    except Infeasible as error:
        problem = f"model.backbone={config.model.backbone} does not fit: {error.problem}"
        raise GeotuneError(problem, error.mend) from None
    finally:
        torch.set_num_threads(before)
        hold(held)
        if torch.cuda.is_available():  # the trials are to have this memory
            gc.collect()
            torch.cuda.empty_cache()


def _probe(config: TrainConfig, dataset: Dataset) -> Forecast:
    device = choose_device(config.device)
    model = build_model(config, dataset).to(device)
    train, valid = training_split(config, dataset), validation_split(config, dataset)
    store = open_store(model, config, Progress(None, 0), Precision(config.train.precision, device).name)
    if isinstance(store, PartStore) and not fits(missing_bytes(store, train, valid)):
        store = None  # photos pass in its place: as expensive as without fixed views
    if store is not None and model.backbone.is_frozen:
        seconds_epoch = _head_epoch(model, config, train, len(valid))
    else:
        seconds_epoch = _backbone_epoch(model, config, train, len(valid), store)
    once, cache_mb = _once(store, train, valid) if store else _decoding(config, train, valid)
    weights = sum(tensor.nbytes for tensor in model.trainable_state().values())
    return Forecast(
        seconds_features=once,
        seconds_epoch=seconds_epoch,
        epochs=config.train.epochs,
        seconds=config.train.epochs * seconds_epoch,
        memory_mb=peak_mb(device),
        checkpoint_mb=(COPIES + bool(config.train.ema)) * weights / 1e6,
        cache_mb=cache_mb,
    )


def _decoding(config: TrainConfig, train: Split, valid: Split) -> tuple[float, float]:
    """Seconds of decoding all photos once, and the megabytes that they take."""
    size, photos = max(config.input.sizes), len(train) + len(valid)
    _, a_photo = _decoded(train, size)
    return photos * a_photo, photos * size * size * 3 / 1e6


def _once(store: FeatureStore, train: Split, valid: Split) -> tuple[float, float]:
    """Seconds of decoding and of what is frozen that nobody has spent yet, and the megabytes that both take."""
    seconds, megabytes = 0.0, 0.0
    augmentation, missing = store.config.input.augmentation, store.missing(train, valid)
    for size in store.sizes:
        for split, views in ((train, store.view_count), (valid, 1)):
            megabytes += len(split) * (size * size * 3 + views * store.width(size) * 2) / 1e6
        if not any(px == size for _, px, _ in missing):
            continue
        images, decoding = _decoded(train, size)
        index = np.arange(len(images))
        plain = _time(lambda: list(store.compute(images, index, 0))) / len(images)  # noqa: B023 - called at once
        augmenting = _time(lambda: list(batches(images, index, 32, augmentation=augmentation))) / len(images)  # noqa: B023
        for split in (train, valid):
            mine = [view for of, px, view in missing if of is split and px == size]
            seconds += len(split) * sum(max(plain, augmenting if view else 0.0) for view in mine)
            seconds += len(split) * decoding * bool(mine)
    return seconds, megabytes


def _head_epoch(model: Geolocator, config: TrainConfig, train: Split, valid: int) -> float:
    batch = min(config.train.batch_size, len(train))
    width = sum(model.feature_width(size) for size in config.input.sizes)
    features = torch.randn(batch, width, device=_device(model))
    step = _step(model, config, features, model.head, MicroBatch(batch), train)
    return stretches(len(train), config).photos / batch * _time(step) + valid / batch * _time(step) / 3


def _backbone_epoch(
    model: Geolocator, config: TrainConfig, train: Split, valid: int, store: FeatureStore | None
) -> float:
    """Photos through the whole model, or what a store of its frozen part has of them through the rest."""
    images, _ = _decoded(train, max(config.input.sizes))
    device = _device(model)
    # On a GPU a batch as large as the trial's: smaller ones do not fill it, and the memory that it takes is told.
    photos = config.train.batch_size if device.type == "cuda" else len(images)
    inputs, forward = torch.from_numpy(images[np.arange(photos) % len(images)]).to(device), model.__call__
    found = training_portion(model, config, photos)
    micro = MicroBatch(found.size, fixed=found.fixed)  # without a memory: nothing is written
    if isinstance(store, PartStore):
        parts = store.parts
        inputs = torch.cat([in_float16(parts.rows(inputs[part])) for part in micro.parts(photos)])
        forward = lambda rows: model.head(parts.features(rows))  # noqa: E731
    step = _step(model, config, inputs, forward, micro, train)
    a_step = _time(step)
    model.eval()
    a_forward = _time(torch.no_grad()(lambda: [forward(inputs[part]) for part in micro.parts(photos)]))
    model.train()
    return (stretches(len(train), config).photos * a_step + valid * a_forward) / photos


def _step(
    model: Geolocator,
    config: TrainConfig,
    inputs: torch.Tensor,
    forward: Callable[[torch.Tensor], Outputs],
    micro: MicroBatch,
    train: Split,
) -> Callable[[], None]:
    """A step of the optimiser at a learning rate of nought: all of its work, none of its effect."""
    precision = Precision(config.train.precision, inputs.device)
    optimizer = optimiser(model, config.optim, config.train.batch_size)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    where = np.arange(len(inputs)) % len(train)
    targets = model.targets(train.lat[where], train.lon[where])
    targets = {name: tensor.to(inputs.device) for name, tensor in targets.items()}
    model.train()
    averages = Averages(model)

    def step() -> None:
        averages.keep()
        how: dict[str, Any] = {"precision": precision, "optimizer": optimizer, "averages": averages, "seed": 0}
        losses = within_memory(micro, gradients, model, inputs, targets, forward=forward, micro=micro, **how)
        precision.step(optimizer, config.train.clip, losses["loss"])

    return step


def _decoded(split: Split, size: int) -> tuple[np.ndarray, float]:
    """Up to SAMPLE photos (n, size, size, 3), and the seconds that each takes with all threads of the lease."""
    started = time.perf_counter()
    images = np.stack([decode(split, i, size) for i in range(min(SAMPLE, len(split)))])
    return images, (time.perf_counter() - started) / len(images) / min(MOST, lease())


def _time(work: Callable[[], object]) -> float:
    """Seconds of one call: the fastest of some, after one that warms up; one alone where that takes long."""
    seconds: list[float] = []
    started = time.perf_counter()
    while len(seconds) < 2 or (len(seconds) < 20 and time.perf_counter() - started < LONGEST_SECONDS):
        begun = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
        if seconds[0] > LONGEST_SECONDS:
            return min(seconds)
    return min(seconds[1:])


def _device(model: torch.nn.Module) -> torch.device:
    return next(model.parameters()).device
