"""What is shown of a search, as plain values: of a search that runs made from its record, of any other from its files.

The live table, the plain lines and `geotune show` are drawn from the same.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from geotune.config import Flat
from geotune.record.folder import TrialFolder, read_json


@dataclass(frozen=True)
class Row:
    """One trial."""

    number: int
    state: str
    """running | unfinished | complete | stopped | diverged | infeasible | crashed."""
    drawn: Flat
    values: tuple[float, ...]
    """What it has reached of each goal; NaN where nothing."""
    epochs: int = 0
    seconds: float = 0.0
    """Seconds of training."""
    reason: str = ""
    breaks: tuple[str, ...] = ()
    """Limits of `where` that it does not keep."""


@dataclass(frozen=True)
class Running:
    """A trial at work."""

    row: Row
    where: str
    """What it is doing: `training, epoch 4 of 30`."""
    share: float
    """The share of its epochs that is done."""
    rung: str
    """`rung 1 of 3`; empty where the stopping rule has none."""


@dataclass(frozen=True)
class Cost:
    """What a search has cost, what it may cost, and what is left; None and NaN where there is no limit or forecast."""

    seconds: float = 0.0
    gpu_hours: float = 0.0
    left_seconds: float = math.nan
    most_seconds: float | None = None
    most_gpu_hours: float | None = None


@dataclass(frozen=True)
class Glance:
    """A search at an instant."""

    name: str
    metrics: tuple[str, ...]
    """The goals' full names, as in `valid/median_km`."""
    counts: Mapping[str, int]
    """Trials by state, in the order of the states' first trials."""
    most_trials: int | None
    cost: Cost
    best: Row | None
    running: Sequence[Running] = ()
    final: str = ""
    """What the full training is doing, if there is one."""
    note: str = ""
    """Why trials wait, if they do."""

    @property
    def ended(self) -> int:
        """Trials that have ended."""
        return sum(count for state, count in self.counts.items() if state not in ("running", "unfinished"))


@dataclass(frozen=True)
class Rungs:
    """Where a trial stands between the rungs of ASHA."""

    stopping: Mapping[str, Any] = field(default_factory=dict)
    """search.yaml's, which has the grace worked out."""

    def text(self, epochs: int, of: int, photos: Callable[[], float | None]) -> str:
        """`rung 1 of 3`: the rungs that a trial of `of` epochs has passed after `epochs`; empty without rungs."""
        amount, factor = self.stopping.get("grace"), self.stopping.get("factor")
        if self.stopping.get("rule") != "asha" or not isinstance(amount, int) or not isinstance(factor, int):
            return ""
        step = photos() if self.stopping.get("resource") == "photos" else 1.0
        if not step:
            return ""
        passed = rungs = 0
        while (epoch := math.ceil(amount / step - 1e-6)) < of:
            rungs, passed, amount = rungs + 1, passed + (epoch <= epochs), amount * factor
        return f"rung {passed} of {rungs}" if rungs else ""


def progress_of(folder: TrialFolder) -> tuple[str, float]:
    """What a training is doing, and the share of its epochs that is done."""
    return _where(read_json(folder.progress))


def running(row: Row, folder: TrialFolder, rungs: Rungs, photos: Callable[[], float | None]) -> Running:
    """A trial at work, from where its training says that it stands; `photos` of an epoch are asked for if need be."""
    progress = read_json(folder.progress)
    return Running(row, *_where(progress), rungs.text(row.epochs, int(progress.get("epochs") or 0), photos))


def _where(progress: Mapping[str, Any]) -> tuple[str, float]:
    if not progress:
        return "starting", 0.0
    within = progress.get("step", 0) / max(1, progress.get("steps", 1))
    stage, epoch, epochs = progress.get("stage", ""), progress.get("epoch", 0), max(1, progress.get("epochs", 1))
    if epoch < 1:
        return f"{stage} {within:.0%}", 0.0
    return f"{stage}, epoch {epoch} of {epochs}", (epoch - 1 + within) / epochs
