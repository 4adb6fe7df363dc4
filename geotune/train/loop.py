"""`train(config, workdir)`: THE main path. A trial, the final training, a test and a debugger iterate over it."""

import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from geotune.data.dataset import Dataset, open_dataset
from geotune.errors import GeotuneError, SettingsError
from geotune.geo.metrics import larger_is_better, on_scale
from geotune.model.geography import Geography
from geotune.model.geolocator import Geolocator
from geotune.model.heads.base import Outputs, Targets
from geotune.train import checkpoint
from geotune.train.bundle import save_bundle
from geotune.train.device import Precision, choose_device
from geotune.train.evaluate import summary
from geotune.train.memory import within_memory
from geotune.train.optim import check_optimiser, optimiser, set_learning_rate
from geotune.train.outcomes import Diverged
from geotune.train.progress import Progress
from geotune.train.settings import TrainConfig
from geotune.train.source import Source, open_source


@dataclass(frozen=True)
class Epoch:
    """One pass over the training photos, measured on the validation photos. Valid until the next one is asked for."""

    number: int
    """Counted from 1."""
    epochs: int
    metrics: dict[str, float]
    """train/…, valid/… (of geotune.geo.metrics), optim/lr."""
    best: bool
    """Whether no epoch before was as good in `train.select`."""
    best_epoch: int
    """The best so far, which `export` writes; and its metrics."""
    best_metrics: dict[str, float]
    save: Callable[[Path], None] = field(repr=False)
    """Write a checkpoint folder, from which `train(…, resume=folder)` goes on exactly."""
    export: Callable[[Path], None] = field(repr=False)
    """Write the best epoch so far as a bundle (`geotune predict` takes it)."""


def train(config: TrainConfig, workdir: Path, *, resume: Path | None = None) -> Generator[Epoch, None, None]:
    """Train, giving an `Epoch` after each pass; `close()` stops it.

    `config` alone decides the result: everything random is seeded by (seed, epoch), so that going on from a
    checkpoint equals never having stopped (bit for bit on a CPU with the same number of threads). A checkpoint of a
    run that had ended gives its last epoch again. `workdir/progress.json` tells where the run stands.

    Raises Diverged and Infeasible (geotune.train.outcomes) for settings that cannot train, GeotuneError for mistakes.
    """
    run = _Run(config, workdir)
    if resume is None:
        run.fit()
    else:
        run.restore(checkpoint.load(resume), resume)
        if run.ended():
            yield run.describe()
    while not run.ended():
        run.epoch += 1
        _seed(config.seed, run.epoch)
        started = time.perf_counter()
        run.metrics = run.train() | {"train/seconds": (seconds := time.perf_counter() - started)}
        run.metrics["train/photos_per_second"] = run.source.photos / seconds
        run.metrics |= run.validate()
        run.keep_best()
        yield run.describe()


class _Run:
    """What one training run holds from epoch to epoch."""

    def __init__(self, config: TrainConfig, workdir: Path) -> None:
        check_optimiser(config.optim)
        self.config = config
        self.dataset = open_dataset(config.data)
        self.select = _selected(config.train.select, self.dataset)
        device = choose_device(config.device)
        workdir.mkdir(parents=True, exist_ok=True)
        self.progress = Progress(workdir / "progress.json", config.train.epochs)
        train, self.valid_split = self.dataset.split("train"), self.dataset.split("valid")
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
        self.optimizer = optimiser(self.model, config.optim)
        self.epoch = 0
        self.metrics: dict[str, float] = {}
        self.best_value = math.inf
        self.best_epoch = 0
        self.best_metrics: dict[str, float] = {}
        self.best_state: dict[str, torch.Tensor] = {}

    def fit(self) -> None:
        """Once, before the first epoch: the features' mean and spread over some training photos.

        As the first step will see them, in training mode: an untrained BatchNorm's own statistics are far off.
        """
        _seed(self.config.seed, 0)
        self.source.module.train()
        with torch.no_grad(), self.precision.autocast():
            self.model.fit_standardisation(self.source.sample())

    def ended(self) -> bool:
        """All epochs are done, or `train.patience` of them brought nothing better."""
        stale = self.epoch - self.best_epoch
        patience = self.config.train.patience
        return self.epoch >= self.config.train.epochs or bool(patience and self.epoch and stale >= patience)

    def train(self) -> dict[str, float]:
        """One epoch of steps -> train/loss and its parts (means over photos), optim/lr of the last step."""
        self.source.module.train()
        self.progress.epoch = self.epoch
        sums: dict[str, torch.Tensor] = {}
        steps, total = self.source.steps, self.source.steps * self.config.train.epochs
        rate = 0.0
        for step, (inputs, index) in enumerate(self.source.epoch(self.epoch)):
            rate = set_learning_rate(self.optimizer, self.config.optim, (self.epoch - 1) * steps + step, total)
            losses = within_memory(self.source.micro, self.gradients, inputs, index)
            self.precision.step(self.optimizer, self.config.train.clip)
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0) + loss * len(index)
            if self.progress.due():
                _check(float(sums["loss"]), "the training loss")
                self.progress.report("training", step + 1, steps)
        means = {f"train/{name}": float(total_loss) / self.source.photos for name, total_loss in sums.items()}
        _check(means["train/loss"], "the training loss")
        return means | {"optim/lr": rate}

    def gradients(self, inputs: torch.Tensor, index: torch.Tensor) -> dict[str, torch.Tensor]:
        """The gradients of the batch's mean loss, summed over micro-batches, each weighted by its share of photos."""
        self.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, torch.Tensor] = {}
        for part in self.source.micro.parts(len(index)):
            with self.precision.autocast():
                outputs = self.source.outputs(inputs[part])
            losses = self.model.loss(outputs, _of(self.targets, index[part]))
            share = (part.stop - part.start) / len(index)
            self.precision.backward(losses["loss"] * share)
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0) + loss.detach() * share
        return sums

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The validation photos -> valid/loss and the metrics of their errors."""
        self.source.module.eval()
        photos = len(self.valid_split)
        lat, lon, loss = np.empty(photos), np.empty(photos), 0.0
        for inputs, index in self.source.valid():
            outputs, losses = within_memory(self.source.valid_micro, self.outputs_and_loss, inputs, index)
            where = index.cpu().numpy()
            answers = self.model.decode(outputs)
            lat[where], lon[where] = answers.lat, answers.lon
            loss += losses * len(index)
            self.progress.report("validating", int(where[-1]) + 1, photos)
        metrics = summary(self.model, self.valid_split, lat, lon)
        _check(metrics[on_scale("valid/mean", self.dataset.extent)], "a prediction for a validation photo")
        return metrics | {"valid/loss": loss / photos}

    def outputs_and_loss(self, inputs: torch.Tensor, index: torch.Tensor) -> tuple[Outputs, float]:
        with self.precision.autocast():
            parts = [self.source.outputs(inputs[part]) for part in self.source.valid_micro.parts(len(index))]
        outputs = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        return outputs, float(self.model.loss(outputs, _of(self.valid_targets, index))["loss"])

    def keep_best(self) -> None:
        value = self.metrics[self.select]
        value = -value if larger_is_better(self.select) else value
        if value < self.best_value or not self.best_state:
            self.best_value, self.best_epoch, self.best_metrics = value, self.epoch, self.metrics
            self.best_state = _copy(self.model.trainable_state())

    def describe(self) -> Epoch:
        return Epoch(
            number=self.epoch,
            epochs=self.config.train.epochs,
            metrics=dict(self.metrics),
            best=self.best_epoch == self.epoch,
            best_epoch=self.best_epoch,
            best_metrics=dict(self.best_metrics),
            save=self.save,
            export=self.export,
        )

    def save(self, folder: Path) -> None:
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
    """The untrained model that a config describes, with the geography of the dataset's training places."""
    train = dataset.split("train")
    geography = replace(Geography.of(train.lat, train.lon), extent=dataset.extent)
    return Geolocator.build(config.model, config.input, train.lat, train.lon, seed=config.seed, geography=geography)


def _selected(select: str, dataset: Dataset) -> str:
    if not select.startswith("valid/"):
        problem = f"expected a metric of the validation photos, such as valid/median; got {select!r}"
        raise SettingsError([("train.select", problem)])
    return on_scale(select, dataset.extent)


def _on(device: torch.device, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def _of(targets: Targets, index: torch.Tensor) -> Targets:
    """The targets of some photos."""
    return {name: tensor[index.to(tensor.device)] for name, tensor in targets.items()}


def _copy(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}


def _seed(seed: int, epoch: int) -> None:
    torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1)))


def _check(value: float, what: str) -> None:
    if not math.isfinite(value):
        raise Diverged(f"{what} is {value}")
