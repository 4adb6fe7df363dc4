"""Where the rungs stand: how many epochs, or photos seen, a trial has had at each."""

import math
from dataclasses import dataclass
from typing import Literal

from optuna.trial import FrozenTrial

from geotune.record.standings import pace
from geotune.record.stopping import StoppingSettings


@dataclass(frozen=True)
class Rungs:
    """Rung k = 0, 1, … of a trial is the epoch after which it has had grace·factor^k of the resource."""

    grace: int
    factor: int
    resource: Literal["epochs", "photos"] = "epochs"

    def epoch(self, trial: FrozenTrial, rung: int) -> int | None:
        """The epoch with which a trial is at a rung; None where the photos of its epochs are not known."""
        wanted = int(self.grace * self.factor**rung)
        if self.resource == "epochs":
            return wanted
        photos = pace(trial, "photos")
        return max(1, math.ceil(wanted / photos - 1e-6)) if photos else None

    def at(self, trial: FrozenTrial, epoch: int) -> int | None:
        """The highest rung that this epoch is, or None between rungs."""
        rung, found = 0, None
        while (stands := self.epoch(trial, rung)) is not None and stands <= epoch:
            found = rung if stands == epoch else None
            rung += 1
        return found

    def past_grace(self, trial: FrozenTrial, epoch: int) -> bool:
        """Whether a trial has had its grace with this epoch."""
        first = self.epoch(trial, 0)
        return first is not None and epoch >= first

    def amount(self, rung: int) -> str:
        """A rung in words: `6 epochs`."""
        count = self.grace * self.factor**rung
        return f"{count:,} {self.resource.removesuffix('s') if count == 1 else self.resource}"


def rungs_of(settings: StoppingSettings, epochs: int) -> Rungs:
    """The rungs of a search whose longest trials have so many epochs."""
    return Rungs(settings.first_rung(epochs), settings.factor, settings.resource)
