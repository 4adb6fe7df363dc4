"""Which photos an epoch takes: a stretch of the endless sequence of passes over the training photos."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geotune.data.loader import order
from geotune.errors import SettingsError
from geotune.train import ranks
from geotune.train.settings import TrainConfig

MOST = 200_000
"""Photos of an epoch with `train.epoch_photos=auto`: a report, a checkpoint and a rung after so many at the latest."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Stretches:
    """Epoch k = 1, 2, … takes the positions [(k-1)·photos, k·photos) of the sequence: no gap, nothing twice.

    The sequence is pass after pass, each in `order(available, seed, pass)`.
    """

    available: int
    """Photos of the training split."""
    a_pass: int
    """Those that a pass takes: all, or all but one."""
    photos: int
    """Photos an epoch."""
    steps: int
    """Batches an epoch; the last may be smaller."""
    batch: int
    """Photos of a batch, which all processes that train together share evenly."""
    seed: int

    def of(self, epoch: int) -> tuple[Ints, Ints]:
        """The photos (n,) of an epoch in their order, and the pass (n,), counted from 1, to which each belongs.

        Those of this process: its part of every batch.
        """
        at, end = (epoch - 1) * self.photos, epoch * self.photos
        chosen, passes = [], []
        while at < end:
            number, first = divmod(at, self.a_pass)
            last = min(self.a_pass, first + end - at)
            chosen.append(order(self.available, self.seed, number + 1)[first:last])
            passes.append(np.full(last - first, number + 1))
            at += last - first
        mine = self._mine()
        return np.concatenate(chosen)[mine], np.concatenate(passes)[mine]

    def batch_photos(self, step: int) -> int:
        """Photos of batch 0, 1, … of an epoch, of all processes together."""
        return min(self.batch, self.photos - step * self.batch)

    def _mine(self) -> Ints | slice:
        if ranks.size() == 1:
            return slice(None)
        each = [step * self.batch + np.arange(self.batch_photos(step)) for step in range(self.steps)]
        return np.concatenate([positions[ranks.part(len(positions))] for positions in each])

    def views(self, count: int, chosen: Ints, passes: Ints) -> Ints:
        """Which of `count` fixed views (n,) each photo has in its pass, drawn anew for every pass."""
        views = np.empty_like(chosen)
        for number in np.unique(passes).tolist():
            mine = passes == number
            drawn = np.random.default_rng([self.seed, number, 1]).integers(count, size=self.available)
            views[mine] = drawn[chosen[mine]]
        return views


def stretches(available: int, config: TrainConfig, *, never_one: bool = False) -> Stretches:
    """How `train.epoch_photos` and `train.batch_size` cut `available` training photos into epochs.

    `never_one`: an epoch is one photo shorter where its last batch would be a single photo, on which BatchNorm cannot
    train. Where an epoch is a pass, that pass leaves out a photo, another one each time; else the next epoch takes it.
    In the same way, every process that trains together gets something of the last batch. Raises as `check_shared`.
    """
    wanted, batch = config.train.epoch_photos, config.train.batch_size
    check_shared(batch, ranks.size())
    photos = min(available, MOST) if wanted == "auto" else wanted
    a_pass, left = available, photos % batch
    if left < ranks.size() * (2 if never_one else 1) and photos > left:
        a_pass -= left * (photos == available)
        photos -= left
    return Stretches(available, a_pass, photos, -(-photos // batch), batch, config.seed)


def check_shared(batch: int, processes: int) -> None:
    """Raises SettingsError where so many processes cannot share batches of `batch` photos evenly."""
    if batch % processes:
        problem = f"{processes} processes that train together cannot share batches of {batch} photos evenly"
        raise SettingsError([("train.batch_size", problem)])
