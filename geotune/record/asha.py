"""Asynchronous successive halving (ASHA, Li et al. 2018, arXiv:1810.05934) as an Optuna pruner.

It keeps no state: the rungs are read from the study's intermediate values, so nothing is lost when a search is
killed and resumed.
"""

import math
from typing import Literal

import optuna
from optuna.trial import FrozenTrial
from pydantic import Field

from geotune.config import Settings

BASELINE = "geotune:baseline"
"""Study attribute: the goal's value of the trivial answer (predicting one point)."""


class StoppingSettings(Settings):
    """When a trial that lags behind is stopped."""

    rule: Literal["asha", "median", "none"] = "asha"
    """asha: successive halving; median: Optuna's median rule; none: every trial runs to its end."""
    grace: int = Field(2, ge=1)
    """Epochs that every trial gets: the first rung."""
    factor: int = Field(3, ge=2)
    """One in so many goes on from a rung; the next rung is so many times higher."""
    enough: int = Field(4, ge=2)
    """Trials that a rung must hold before it stops one."""


def pruner(settings: StoppingSettings) -> optuna.pruners.BasePruner:
    """The Optuna pruner that the settings name."""
    if settings.rule == "asha":
        return ASHA(settings.grace, settings.factor, settings.enough)
    if settings.rule == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=settings.enough, n_warmup_steps=settings.grace - 1)
    return optuna.pruners.NopPruner()


class ASHA(optuna.pruners.BasePruner):
    """Stop a trial at a rung (epoch grace·factor^k) unless it is among the best 1/factor that reached that rung.

    What the study holds of an epoch is the run's value after it (geotune.train.selection), so that one bad epoch
    decides nothing. A NaN stops at once. After its grace a trial that is no better than the trivial answer is stopped
    although its rung is nearly empty.
    """

    def __init__(self, grace: int, factor: int, enough: int) -> None:
        self.grace, self.factor, self.enough = grace, factor, enough

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        epoch = trial.last_step
        if epoch is None:
            return False
        if math.isnan(trial.intermediate_values[epoch]):
            return True
        rung = self._rung(epoch)
        if rung is None:
            return False
        sign = 1.0 if study.direction == optuna.study.StudyDirection.MINIMIZE else -1.0
        value = _standing(trial, rung, sign)
        baseline = study.user_attrs.get(BASELINE)
        if baseline is not None and value > sign * baseline - 0.02 * abs(baseline):
            return True
        states = tuple(state for state in optuna.trial.TrialState if state.name != "WAITING")
        others = [t for t in study.get_trials(deepcopy=False, states=states) if t.number != trial.number]
        peers = sorted(_standing(t, rung, sign) for t in others if (t.last_step or 0) >= rung)
        if len(peers) + 1 < self.enough:
            return False
        promoted = max(1, (len(peers) + 1) // self.factor)
        return sum(peer < value for peer in peers) >= promoted

    def _rung(self, epoch: int) -> int | None:
        """The rung that this epoch is, or None between rungs."""
        rung = self.grace
        while rung < epoch:
            rung *= self.factor
        return rung if rung == epoch else None


def _standing(trial: FrozenTrial, epoch: int, sign: float) -> float:
    """The run's value after an epoch, as one to minimise; infinite where there is none."""
    known = [e for e, value in trial.intermediate_values.items() if e <= epoch and not math.isnan(value)]
    return sign * trial.intermediate_values[max(known)] if known else math.inf
