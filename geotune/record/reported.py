"""What a running trial has reported, epoch by epoch, and what follows from it: its value, its pace, its limits."""

import math
import statistics
from collections.abc import Mapping

from optuna.trial import FrozenTrial

from geotune.record.folder import TrialFolder
from geotune.record.plan import Plan
from geotune.train.selection import Standing, standing

Metrics = Mapping[str, float | None]
"""Of one epoch; JSON's word for a NaN is none."""


class Reported:
    """The epochs of one trial."""

    def __init__(self, plan: Plan, epochs: Mapping[int, Metrics] | None = None) -> None:
        self.plan = plan
        self.epochs: dict[int, Metrics] = dict(epochs or {})

    @classmethod
    def read(cls, plan: Plan, trial: FrozenTrial, folder: TrialFolder) -> "Reported":
        """The epochs that the study knows, their metrics as the trial's folder tells them."""
        told = {line["epoch"]: line["metrics"] for line in folder.epochs()}
        return cls(plan, {e: told.get(e, {plan.goal: value}) for e, value in trial.intermediate_values.items()})

    @property
    def values(self) -> dict[int, float]:
        """The first goal's metric by epoch."""
        return {epoch: _number(metrics, self.plan.goal) for epoch, metrics in self.epochs.items()}

    @property
    def standing(self) -> Standing:
        """The trial's value, by `train.selection`, and the epoch that is kept."""
        return standing(self.values, self.plan.selection, larger_is_better=self.plan.maximize)

    @property
    def seconds(self) -> float:
        """Seconds of training in all."""
        return math.fsum(self._seconds)

    @property
    def pace(self) -> dict[str, float]:
        """`seconds` and `photos` of an epoch, medians: the first may be slow. What was not reported is left out."""
        photos = [_number(m, "train/photos_per_second") * _number(m, "train/seconds") for m in self.epochs.values()]
        known = [float(round(value)) for value in photos if not math.isnan(value)]
        found = {"seconds": self._seconds, "photos": known}
        return {what: statistics.median(values) for what, values in found.items() if values}

    @property
    def objectives(self) -> list[float]:
        """What the trial has reached of each goal: of the first its value, of the others theirs at the epoch kept."""
        found = self.standing
        kept = self.epochs.get(found.epoch, {})
        return [found.value, *(_number(kept, goal.metric) for goal in self.plan.goals[1:])]

    @property
    def excess(self) -> dict[str, float]:
        """How far the trial is beyond each limit of `where`; above 0 it breaks it."""
        kept = self.standing.epoch
        return {str(limit): limit.excess(limit.value(self.epochs, kept)) for limit in self.plan.where}

    @property
    def _seconds(self) -> list[float]:
        seconds = [_number(metrics, "train/seconds") for metrics in self.epochs.values()]
        return [value for value in seconds if not math.isnan(value)]


def _number(metrics: Metrics, key: str) -> float:
    value = metrics.get(key)
    return math.nan if value is None else float(value)
