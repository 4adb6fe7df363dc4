"""`train(config, workdir)`: THE main path. A trial, the final training, a test and a debugger iterate over it."""

import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from geotune.geo.metrics import on_scale
from geotune.model.heads.base import Outputs
from geotune.train import checkpoint
from geotune.train.evaluate import summary
from geotune.train.memory import within_memory
from geotune.train.outcomes import Diverged
from geotune.train.run import Run
from geotune.train.settings import TrainConfig
from geotune.train.step import of_photos, take


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
    run = Run(config, workdir)
    if resume is None:
        _fit(run)
    else:
        run.restore(checkpoint.load(resume), resume)
        if run.ended():
            yield _describe(run)
    while not run.ended():
        run.epoch += 1
        _seed(config.seed, run.epoch)
        started = time.perf_counter()
        run.metrics = _train(run) | {"train/seconds": (seconds := time.perf_counter() - started)}
        run.metrics["train/photos_per_second"] = run.source.stretches.photos / seconds
        _remember(run)
        run.metrics |= _validate(run)
        run.keep_best()
        yield _describe(run)


def _fit(run: Run) -> None:
    """Once, before the first epoch: the features' mean and spread over some training photos.

    As the first step will see them, in training mode: an untrained BatchNorm's own statistics are far off.
    """
    _seed(run.config.seed, 0)
    run.source.module.train()
    with torch.no_grad(), run.precision.autocast():
        run.model.fit_standardisation(run.source.sample())


def _train(run: Run) -> dict[str, float]:
    """One epoch of steps -> train/loss and its parts (means over photos), optim/lr of the last step."""
    run.source.module.train()
    run.progress.epoch = run.epoch
    sums: dict[str, torch.Tensor] = {}
    steps, total = run.source.stretches.steps, run.source.stretches.steps * run.config.train.epochs
    for step, (inputs, index) in enumerate(run.source.epoch(run.epoch)):
        losses = take(run, inputs, index, (run.epoch - 1) * steps + step, total)
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0) + loss * len(index)
        if run.progress.due():
            _check(float(sums["loss"]), "the training loss")
            run.progress.report("training", step + 1, steps)
    means = {f"train/{name}": float(total_loss) / run.source.stretches.photos for name, total_loss in sums.items()}
    _check(means["train/loss"], "the training loss")
    return means | {"optim/lr": run.rate}


@torch.no_grad()
def _remember(run: Run) -> None:
    """The features of the photos that the head answers with, as the weights are now."""
    rows = run.model.head.remembers
    if rows.size:
        run.source.module.eval()
        with run.precision.autocast():
            run.model.head.remember(run.source.features(rows))


@torch.no_grad()
def _validate(run: Run) -> dict[str, float]:
    """The validation photos -> valid/loss and the metrics of their errors."""
    run.source.module.eval()
    photos = len(run.valid_split)
    lat, lon, loss = np.empty(photos), np.empty(photos), 0.0
    for inputs, index in run.source.valid():
        outputs, losses = within_memory(run.source.valid_micro, _outputs_and_loss, run, inputs, index)
        where = index.cpu().numpy()
        answers = run.model.decode(outputs)
        lat[where], lon[where] = answers.lat, answers.lon
        loss += losses * len(index)
        run.progress.report("validating", int(where[-1]) + 1, photos)
    metrics = summary(run.model, run.valid_split, lat, lon)
    _check(metrics[on_scale("valid/mean", run.dataset.extent)], "a prediction for a validation photo")
    return metrics | {"valid/loss": loss / photos}


def _outputs_and_loss(run: Run, inputs: torch.Tensor, index: torch.Tensor) -> tuple[Outputs, float]:
    with run.precision.autocast():
        parts = [run.source.outputs(inputs[part]) for part in run.source.valid_micro.parts(len(index))]
    outputs = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return outputs, float(run.model.loss(outputs, of_photos(run.valid_targets, index))["loss"])


def _describe(run: Run) -> Epoch:
    return Epoch(
        number=run.epoch,
        epochs=run.config.train.epochs,
        metrics=dict(run.metrics),
        best=run.best_epoch == run.epoch,
        best_epoch=run.best_epoch,
        best_metrics=dict(run.best_metrics),
        save=run.save,
        export=run.export,
    )


def _seed(seed: int, epoch: int) -> None:
    torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1)))


def _check(value: float, what: str) -> None:
    if not math.isfinite(value):
        raise Diverged(f"{what} is {value}")
