"""What a training run holds from epoch to epoch: into a checkpoint, back from it, and out as a model."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from geotune.data.dataset import Dataset, Split, open_dataset
from geotune.errors import GeotuneError, SettingsError
from geotune.geo.metrics import larger_is_better, on_scale
from geotune.model.geography import Geography
from geotune.model.geolocator import Geolocator
from geotune.train import checkpoint
from geotune.train.bundle import save_bundle
from geotune.train.device import Precision, choose_device
from geotune.train.optim import check_optimiser, optimiser
from geotune.train.progress import Progress
from geotune.train.settings import TrainConfig
from geotune.train.source import Source
from geotune.train.sources import open_source


class Run:
    """One training run in memory; `geotune.train.loop` takes it from epoch to epoch."""

    def __init__(self, config: TrainConfig, workdir: Path) -> None:
        check_optimiser(config.optim)
        self.config = config
        self.dataset = open_dataset(config.data)
        self.select = _selected(config.train.select, self.dataset)
        device = choose_device(config.device)
        workdir.mkdir(parents=True, exist_ok=True)
        self.progress = Progress(workdir / "progress.json", config.train.epochs)
        train, self.valid_split = training_split(config, self.dataset), validation_split(config, self.dataset)
        self.model = build_model(config, self.dataset).to(device)
        self.precision = Precision(config.train.precision, device)
        self.source: Source = open_source(
            self.model,
            train,
            self.valid_split,
            config=config,
            progress=self.progress,
            precision=self.precision.name,
        )
        self.targets = _on(device, self.model.targets(train.lat, train.lon))
        self.valid_targets = _on(device, self.model.targets(self.valid_split.lat, self.valid_split.lon))
        self.optimizer = optimiser(self.model, config.optim, config.train.batch_size)
        self.epoch = 0
        self.rate = 0.0
        """The head's learning rate in the step taken last."""
        self.metrics: dict[str, float] = {}
        self.best_value = math.inf
        self.best_epoch = 0
        self.best_metrics: dict[str, float] = {}
        self.best_state: dict[str, torch.Tensor] = {}

    def ended(self) -> bool:
        """All epochs are done, or `train.patience` of them brought nothing better."""
        stale = self.epoch - self.best_epoch
        patience = self.config.train.patience
        return self.epoch >= self.config.train.epochs or bool(patience and self.epoch and stale >= patience)

    def keep_best(self) -> None:
        """After an epoch: its weights, if it is the best so far in `train.select`."""
        value = self.metrics[self.select]
        value = -value if larger_is_better(self.select) else value
        if value < self.best_value or not self.best_state:
            self.best_value, self.best_epoch, self.best_metrics = value, self.epoch, self.metrics
            self.best_state = _copy(self.model.trainable_state())

    def save(self, folder: Path) -> None:
        """Write a checkpoint: all that `restore` needs to go on exactly."""
        checkpoint.save(
            folder,
            {
                "epoch": self.epoch,
                "metrics": self.metrics,
                "model": self.model.trainable_state(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.precision.state_dict(),
                "micro_batch": self.source.micro.size,
                "best": {"value": self.best_value, "epoch": self.best_epoch, "metrics": self.best_metrics},
                "best_model": self.best_state,
            },
        )

    def restore(self, state: dict[str, Any], folder: Path) -> None:
        """Go on from what `save` wrote into `folder`; GeotuneError where it belongs to other settings."""
        try:
            self.model.load_trainable_state(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise GeotuneError(
                f"{folder}: the checkpoint belongs to other settings ({str(error).splitlines()[0]})",
                "Go on with the settings that it was written with, or start without it.",
            ) from None
        self.precision.load_state_dict(state["scaler"])
        self.epoch, self.metrics, self.source.micro.size = state["epoch"], state["metrics"], state["micro_batch"]
        best = state["best"]
        self.best_value, self.best_epoch, self.best_metrics = best["value"], best["epoch"], best["metrics"]
        self.best_state = state["best_model"]

    def export(self, folder: Path) -> None:
        """The best epoch as a bundle; training can go on afterwards."""
        current = _copy(self.model.trainable_state())
        self.model.load_trainable_state(self.best_state)
        metrics = {name: value for name, value in self.best_metrics.items() if name.startswith("valid/")}
        save_bundle(folder, self.model, self.config, metrics | {"epoch": float(self.best_epoch)}, self.dataset)
        self.model.load_trainable_state(current)


def build_model(config: TrainConfig, dataset: Dataset) -> Geolocator:
    """The untrained model that a config describes, with the geography of the places that it is to be trained on."""
    train = training_split(config, dataset)
    geography = replace(Geography.of(train.lat, train.lon), extent=dataset.extent)
    return Geolocator.build(config.model, config.input, train.lat, train.lon, seed=config.seed, geography=geography)


def training_split(config: TrainConfig, dataset: Dataset) -> Split:
    """The photos to train on: `input.fraction` of the training split; what is held out is never cut down."""
    return dataset.split("train").subset(config.input.fraction)


def validation_split(config: TrainConfig, dataset: Dataset) -> Split:
    """The photos that epochs are measured on: all, or `train.valid_photos` of them, chosen by a hash of their ids."""
    split, most = dataset.split("valid"), config.train.valid_photos
    return split if most == "all" else split.subset(min(1.0, most / len(split)))


def _selected(select: str, dataset: Dataset) -> str:
    if not select.startswith("valid/"):
        problem = f"expected a metric of the validation photos, such as valid/median; got {select!r}"
        raise SettingsError([("train.select", problem)])
    return on_scale(select, dataset.extent)


def _on(device: torch.device, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def _copy(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}
