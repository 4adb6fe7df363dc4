"""Trainings side by side over the same photos, as works that `measure` does in processes of their own."""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bare import Bare
from measure import together

from geotune.config import build
from geotune.data.cache.entries import cache_root
from geotune.data.threads import set_lease
from geotune.train.loop import train
from geotune.train.settings import TrainConfig

CORES = 2
"""Threads of every training, and trials that share them in `two_trials`."""
Pair = tuple[float, float]
"""The same quantity of both sides, taken one after the other."""


@dataclass(frozen=True)
class Setup:
    """What is trained in each comparison, as overrides of geotune's defaults."""

    data: Path
    frozen: dict[str, Any]
    step: dict[str, Any]
    small: dict[str, Any]


def frozen_reuse(setup: Setup, rounds: int) -> list[Pair]:
    """CPU seconds an epoch with a frozen backbone: photos through it every time / its features, reused.

    To the second is added what reading all its arrays from the disk anew takes, though a process reads them once.
    """
    reused = _training(setup, setup.frozen, rounds)
    next(reused)
    photos = _training(setup, setup.frozen | {"input.views": 0}, rounds)
    next(photos)
    return [(_cpu_of(photos), _cpu_of(reused) + _reading()) for _ in range(rounds)]


def step_overhead(setup: Setup, rounds: int) -> list[Pair]:
    """Seconds of an epoch's steps: geotune's loop, its photos from the cache and augmented / a bare loop."""
    ours = _training(setup, setup.step, rounds)
    next(ours)
    bare = Bare(_config(setup, setup.step, rounds))
    bare.epoch()
    return [(next(ours)["train/seconds"], bare.epoch()) for _ in range(rounds)]


def micro_batch(setup: Setup, rounds: int) -> list[Pair]:
    """Seconds of as many photos: batches of 1024 in micro-batches of 64 / batches of 64."""
    at_once = setup.small | {"train.micro_batch": 64, "train.norm_batch": 64}
    large, small = (_training(setup, at_once | {"train.batch_size": size}, rounds) for size in (1024, 64))
    next(large), next(small)
    return [(next(large)["train/seconds"], next(small)["train/seconds"]) for _ in range(rounds)]


def two_trials(setup: Setup, rounds: int) -> list[Pair]:
    """Photos a second: two trials with a core each, together / one trial with both. A process for each."""
    return [(sum(_trials(setup, CORES, 1)), sum(_trials(setup, 1, CORES))) for _ in range(rounds)]


def _trials(setup: Setup, count: int, threads: int) -> list[float]:
    barrier = multiprocessing.get_context("fork").Barrier(count)

    def trial() -> float:
        epochs = _training(setup, setup.small | {"input.fraction": 0.25}, 1, threads)
        next(epochs)
        barrier.wait()
        return next(epochs)["train/photos_per_second"]

    return together([trial] * count)


def waiting(data: Path, changes: dict[str, Any]) -> float:
    """Share of the time that steps wait for data: the mean over the epochs after the first."""
    setup = Setup(data, {}, {}, {})
    return float(np.mean([metrics["train/waiting"] for metrics in list(_training(setup, changes, 3))[1:]]))


def alone(work: Callable[[Setup, int], list[Pair]], setup: Setup, rounds: int) -> list[Pair]:
    """The work in a process of its own; `two_trials` starts its own ones."""
    if work is two_trials:
        return work(setup, rounds)
    (found,) = together([lambda: work(setup, rounds)])
    return found  # type: ignore[no-any-return]


def _config(setup: Setup, changes: dict[str, Any], epochs: int) -> TrainConfig:
    base = {"data": str(setup.data), "device": "cpu", "model.weights": "none", "train.epochs": epochs + 1}
    return build(TrainConfig, base | changes)


def _training(setup: Setup, changes: dict[str, Any], epochs: int, threads: int = CORES) -> Iterator[dict[str, float]]:
    """The metrics of one epoch more than asked for, with threads as an executor sets them from a lease."""
    torch.set_num_threads(threads)
    set_lease(threads)
    with tempfile.TemporaryDirectory() as folder:
        for epoch in train(_config(setup, changes, epochs), Path(folder)):
            yield epoch.metrics


def _cpu_of(epochs: Iterator[dict[str, float]]) -> float:
    before = time.process_time()
    next(epochs)
    return time.process_time() - before


def _reading() -> float:
    """CPU seconds of reading every array of features from the disk."""
    paths = list(cache_root().glob("features/*/values.npy"))
    for path in paths:
        with path.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    before = time.process_time()
    for path in paths:
        path.read_bytes()
    return time.process_time() - before
