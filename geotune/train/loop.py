"""`train(config, workdir)`: THE main path. A trial, the final training, a test and a debugger iterate over it."""

import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from geotune.geo.metrics import on_scale
from geotune.model.heads.base import Outputs
from geotune.train import ranks
from geotune.train.evaluate import summary
from geotune.train.interrupt import between_steps, stop_if_asked
from geotune.train.memory import within_memory
from geotune.train.outcomes import Diverged
from geotune.train.resume import PARTIAL_SECONDS, drop_partial, restore, save_partial
from geotune.train.run import Run
from geotune.train.settings import TrainConfig
from geotune.train.step import check_skipped, of_photos, take
from geotune.train.trace import traced


@dataclass(frozen=True)
class Epoch:
    """`train.epoch_photos` photos, measured on the validation photos. Valid until the next one is asked for."""

    number: int
    """Counted from 1."""
    epochs: int
    metrics: dict[str, float]
    """train/… (of geotune.train.tally), valid/… (of geotune.geo.metrics), optim/lr and optim/backbone_lr."""
    best: bool
    """Whether no epoch before was as good in `train.select`."""
    best_epoch: int
    """The best so far, which `export` writes; and its metrics."""
    best_metrics: dict[str, float]
    replayed: bool
    """Whether it was trained before: told again by a run that goes on, for a record that may lack it."""
    save: Callable[[Path], None] = field(repr=False)
    """Write a checkpoint folder, from which `train(…, resume=folder)` goes on exactly; of a replayed epoch nothing."""
    export: Callable[[Path], None] = field(repr=False)
    """Write the best epoch so far as a bundle (`geotune predict` takes it); of a replayed one, the best of them all."""


def train(config: TrainConfig, workdir: Path, *, resume: Path | None = None) -> Generator[Epoch, None, None]:
    """Train, giving an `Epoch` after each; `close()` stops it.

    `config` alone decides the result: everything random is seeded by (seed, epoch, step), so that going on from a
    checkpoint equals never having stopped (bit for bit on a CPU with the same number of threads).

    `resume` is a checkpoint that an epoch's `save` wrote; where it is damaged, the one before that lies beside it is
    taken. Ahead of it may be `workdir/partial`, written every ten minutes within an epoch and when a signal ends it
    (geotune.train.interrupt). A run that goes on first gives all epochs of its history again, `replayed`.
    `workdir/progress.json` tells where the run stands.

    Raises Diverged and Infeasible (geotune.train.outcomes) for settings that cannot train, GeotuneError for mistakes.
    """
    run = Run(config, workdir)
    if restore(run, resume):
        for number in range(1, len(run.history) + 1):
            yield _describe(run, number, replayed=True)
    else:
        _fit(run)
    ranks.same(run.model)
    while not run.ended():
        if not run.in_epoch:
            run.begin_epoch()
            _seed(config.seed, run.epoch)
        with between_steps(partial(save_partial, run)):
            metrics = _train(run)
            ranks.average([*run.source.module.buffers(), *run.ema.state_dict().values()])
            with run.ema.in_place():
                _remember(run)
                metrics |= _validate(run)
        run.finish_epoch(metrics)
        yield _describe(run, run.epoch)
        drop_partial(run)


def _fit(run: Run) -> None:
    """Once, before the first epoch: the features' mean and spread over some training photos.

    As the first step will see them, in training mode: an untrained BatchNorm's own statistics are far off. Those of a
    model to begin with (model.start) stay: its head has learnt with them.
    """
    if run.config.model.start:
        return
    _seed(run.config.seed, 0)
    run.source.module.train()
    with torch.no_grad(), run.precision.autocast():
        run.model.fit_standardisation(run.source.sample())


def _train(run: Run) -> dict[str, float]:
    """The steps of an epoch, or the rest of them -> train/… (of Tally) and optim/… (of the last step)."""
    run.source.module.train()
    run.progress.epoch = run.epoch
    tally, steps = run.tally, run.source.stretches.steps
    begin, total = (run.epoch - 1) * steps, run.config.train.epochs * steps
    trace = run.workdir if run.config.train.profile and run.epoch == 1 else None
    with traced(trace, steps) as stepped:
        for inputs, index in tally.waited(run.source.epoch(run.epoch, start=tally.step)):
            photos = run.source.stretches.batch_photos(tally.step)
            tally.add(take(run, inputs, index, begin + tally.step, total), photos)
            stepped()
            if run.progress.due():
                check_skipped(run)
                run.progress.report("training", tally.step, steps)
            if time.monotonic() - run.saved_seconds > PARTIAL_SECONDS:
                save_partial(run)
            stop_if_asked()
    check_skipped(run)
    metrics = tally.metrics() | run.rates() | {"train/skipped": float(run.skipped)}
    _check(metrics["train/loss"], "the training loss")
    return metrics


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
        stop_if_asked()
    mine = ranks.part(photos)
    lat, lon = ranks.gathered(np.stack([lat[mine], lon[mine]], axis=1)).T
    metrics = summary(run.model, run.valid_split, lat, lon)
    _check(metrics[on_scale("valid/mean", run.dataset.extent)], "a prediction for a validation photo")
    return metrics | {"valid/loss": float(ranks.gathered(np.array([loss])).sum()) / photos}


def _outputs_and_loss(run: Run, inputs: torch.Tensor, index: torch.Tensor) -> tuple[Outputs, float]:
    with run.precision.autocast():
        parts = [run.source.outputs(inputs[part]) for part in run.source.valid_micro.parts(len(index))]
    outputs = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return outputs, float(run.model.loss(outputs, of_photos(run.valid_targets, index))["loss"])


def _describe(run: Run, number: int, *, replayed: bool = False) -> Epoch:
    best = run.best_epoch(number)
    return Epoch(
        number=number,
        epochs=run.config.train.epochs,
        metrics=dict(run.history[number - 1]),
        best=best == number,
        best_epoch=best,
        best_metrics=dict(run.history[best - 1]),
        replayed=replayed,
        save=_already_saved if replayed else run.save,
        export=run.export,
    )


def _already_saved(folder: Path) -> None:
    """The checkpoint from which the run goes on holds a replayed epoch."""


def _seed(seed: int, epoch: int) -> None:
    torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1)))


def _check(value: float, what: str) -> None:
    if not math.isfinite(value):
        raise Diverged(f"{what} is {value}")
