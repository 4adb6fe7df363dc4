"""What a training run holds from epoch to epoch: into a checkpoint, back from it, and out as a model."""

import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from geotune.data.dataset import Dataset, Split, open_dataset
from geotune.errors import GeotuneError
from geotune.geo.metrics import larger_is_better
from geotune.model.geography import Geography
from geotune.model.geolocator import Geolocator
from geotune.train import checkpoint, ranks
from geotune.train.about import tell
from geotune.train.bundle import save_bundle
from geotune.train.device import Precision, choose_device
from geotune.train.ema import Ema
from geotune.train.identity import identity
from geotune.train.norms import Averages
from geotune.train.optim import check_optimiser, optimiser
from geotune.train.progress import Progress
from geotune.train.selection import selected_metric, standing
from geotune.train.settings import TrainConfig
from geotune.train.source import Source
from geotune.train.sources import open_source
from geotune.train.start import begun
from geotune.train.tally import Tally


class Run:
    """One training run in memory; `geotune.train.loop` takes it from epoch to epoch."""

    def __init__(self, config: TrainConfig, workdir: Path) -> None:
        check_optimiser(config.optim)
        self.config = config
        self.dataset = open_dataset(config.data)
        self.select = selected_metric(config.train.select, self.dataset.extent)
        self.device = device = choose_device(config.device)
        self.workdir = workdir
        workdir.mkdir(parents=True, exist_ok=True)
        told = workdir / "progress.json" if ranks.rank() == 0 else None
        self.progress = Progress(told, config.train.epochs)
        train, self.valid_split = training_split(config, self.dataset), validation_split(config, self.dataset)
        self.model = build_model(config, self.dataset).to(device)
        tell(self.model, workdir)
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
        self.ema = Ema(self.model, config.train.ema)
        self.identity = identity(config, self.dataset, self.model)
        self.epoch = 0
        """The epoch that is in progress, else the last one done; counted from 1."""
        self.tally = Tally(device)
        self.history: list[dict[str, float]] = []
        """The metrics of all epochs that are done."""
        self.saved_seconds = time.monotonic()
        """When the epoch began or was last written down, on the clock of `time.monotonic`."""
        self.rate = 0.0
        """The head's learning rate in the step taken last."""
        self.averages = Averages(self.source.module)
        self.skipped = torch.zeros((), dtype=torch.int64, device=device)
        """Batches whose loss or gradient was no finite number, since the start of the run."""
        self.best_state: dict[str, torch.Tensor] = {}
        """The trained weights of the epoch that is kept."""

    @property
    def in_epoch(self) -> bool:
        """Whether an epoch is in progress."""
        return self.epoch > len(self.history)

    def ended(self) -> bool:
        """All epochs are done, or `train.patience` of them brought nothing better."""
        done, settings = len(self.history), self.config.train
        stale = bool(settings.patience and done) and done - self.best_epoch() >= settings.patience
        return not self.in_epoch and (done >= settings.epochs or stale)

    def begin_epoch(self) -> None:
        self.epoch += 1
        self.saved_seconds = time.monotonic()
        self.tally = Tally(self.device)

    def finish_epoch(self, metrics: dict[str, float]) -> None:
        """Take an epoch's metrics; its weights are kept if `train.selection` says so."""
        self.history.append(metrics)
        if self.best_epoch() == self.epoch or not self.best_state:
            with self.ema.in_place():
                self.best_state = _copy(self.model.trainable_state())

    def best_epoch(self, done: int | None = None) -> int:
        """The epoch that is kept after the first `done` of the history, or after all of it; 0 before the first."""
        values = {number: metrics[self.select] for number, metrics in enumerate(self.history[:done], start=1)}
        kept = standing(values, self.config.train.selection, larger_is_better=larger_is_better(self.select))
        return kept.epoch or min(1, len(values))

    def rates(self) -> dict[str, float]:
        """Learning rates in the step taken last: optim/lr of the head, optim/backbone_lr where it is another."""
        share, frozen = self.config.optim.backbone_lr_scale, self.model.backbone.is_frozen
        return {"optim/lr": self.rate} | ({} if share == 1 or frozen else {"optim/backbone_lr": share * self.rate})

    def save(self, folder: Path) -> None:
        """Write a checkpoint: all that `restore` needs to go on exactly, also in mid-epoch."""
        checkpoint.save(
            folder,
            {
                "of": self.identity,
                "epoch": self.epoch,
                "tally": self.tally.state_dict(),
                "history": self.history,
                "rate": self.rate,
                "random": _random_state(self.device),
                "model": self.model.trainable_state(),
                "optimizer": self.optimizer.state_dict(),
                "ema": self.ema.state_dict(),
                "scaler": self.precision.state_dict(),
                "micro_batch": self.source.micro.size,
                "skipped": int(self.skipped),
                "best_model": self.best_state,
            },
        )

    def restore(self, state: dict[str, Any], folder: Path) -> None:
        """Go on from what `save` wrote into `folder`, which is of the same `identity`; GeotuneError where it cannot."""
        try:
            self.model.load_trainable_state(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.ema.load_state_dict(state["ema"])
            self.precision.load_state_dict(state["scaler"])
            self.skipped.fill_(state["skipped"])
            self.epoch, self.history = state["epoch"], state["history"]
            self.source.micro.size = min(state["micro_batch"], self.source.micro.size)  # what fits here may be less
            self.rate = state["rate"]
            self.tally.load_state_dict(state["tally"])
            self.best_state = state["best_model"]
            _restore_random_state(state["random"], self.device)
        except (RuntimeError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise GeotuneError(
                f"{folder}: the checkpoint does not fit its own settings ({type(error).__name__}: {reason})",
                f"Delete it and start anew: rm -r {shlex.quote(str(folder))}",
            ) from None

    def export(self, folder: Path) -> None:
        """The best epoch as a bundle; training can go on afterwards."""
        current = _copy(self.model.trainable_state())
        self.model.load_trainable_state(self.best_state)
        best = self.best_epoch()
        metrics = {name: value for name, value in self.history[best - 1].items() if name.startswith("valid/")}
        save_bundle(folder, self.model, self.config, metrics | {"epoch": float(best)}, self.dataset)
        self.model.load_trainable_state(current)


def build_model(config: TrainConfig, dataset: Dataset) -> Geolocator:
    """The model that a config describes, as it is before training: with the geography of the places to be trained on.

    Or with the weights and the geography of the model in the folder `model.start`.
    """
    train = training_split(config, dataset)
    if config.model.start:
        return begun(config, train, dataset.extent)
    geography = replace(Geography.of(train.lat, train.lon), extent=dataset.extent)
    return Geolocator.build(config.model, config.input, train.lat, train.lon, seed=config.seed, geography=geography)


def training_split(config: TrainConfig, dataset: Dataset) -> Split:
    """The photos to train on: `input.fraction` of the training split; what is held out is never cut down."""
    return dataset.split("train").subset(config.input.fraction)


def validation_split(config: TrainConfig, dataset: Dataset) -> Split:
    """The photos that epochs are measured on: all, or `train.valid_photos` of them, chosen by a hash of their ids."""
    split, most = dataset.split("valid"), config.train.valid_photos
    return split if most == "all" else split.subset(min(1.0, most / len(split)))


def _on(device: torch.device, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def _copy(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}


def _random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """The states of torch's generators: nothing else in a run is random but by a seed of its own."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _restore_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
