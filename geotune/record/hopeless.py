"""Trials that are stopped although hardly any other has come as far: no better than the trivial answer, or far behind.

With few trials a rung stays empty for long: by the book 16 of 21 epochs of a search went into two trials that stood at
the level of predicting the mean place.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from geotune.record.rungs import Rungs
from geotune.record.standings import BASELINE, breaks, pace, sign_of, standing

MARGIN = 0.02
"""A trial that is less than this better than the trivial answer is no better."""
SHARE = 0.1
"""Of a goal to maximise, such as a share of the photos, a best below this says nothing: it may be one or two photos."""


@dataclass(frozen=True)
class Best:
    """The best of some trials."""

    trial: FrozenTrial | None = None
    value: float = math.inf
    """As one to minimise."""

    def or_better(self, trial: FrozenTrial, sign: float) -> "Best":
        """The same, or a trial that is better, did not fail and keeps what it must."""
        known = [value for value in trial.intermediate_values.values() if not math.isnan(value)]
        if not known or sign * known[-1] >= self.value or trial.state is TrialState.FAIL or breaks(trial):
            return self
        return Best(trial, sign * known[-1]) if all(excess <= 0 for excess in trial.constraints.values()) else self


class Hopeless(optuna.pruners.BasePruner):
    """Stop a trial that after its grace is no better than the trivial answer, or far behind the best trial.

    Far is: an error more than `far` times that of the best trial, both when that had as many epochs and when it had as
    many seconds of training; where seconds are not known, epochs decide. The best is the one with the best value so
    far, with its own early epochs: where slow starters win, they are the measure. Of a goal to maximise the best must
    have more than `far` times the trial's value. With a parameter named in `by`, only trials with the same value of it
    are compared. `far` 0 leaves the trivial answer alone.
    """

    def __init__(self, rungs: Rungs, far: float, by: str = "") -> None:
        self.rungs, self.far, self.by = rungs, far, by
        self._best_ended: dict[Any, Best] = {}  # by the value of the parameter
        self._ended = 0  # so many trials, from the first on, are in it: they change no more

    def why(self, study: optuna.Study, trial: FrozenTrial) -> str:
        """Why the trial is stopped after its last epoch; empty where it goes on."""
        epoch = trial.last_step
        if epoch is None or not self.rungs.past_grace(trial, epoch):
            return ""
        sign = sign_of(study)
        value = standing(trial, epoch, sign)
        baseline = study.user_attrs.get(BASELINE)
        if baseline is not None and value > sign * baseline - MARGIN * abs(baseline):
            return f"no better than predicting one place after epoch {epoch}"
        if not self.far or math.isinf(value):
            return ""
        best = self._best(study.get_trials(deepcopy=False), trial.params.get(self.by), sign)
        if best is None or best.number == trial.number:
            return ""
        seconds = _epoch_at_seconds(best, trial, epoch)
        for at in (epoch, seconds):
            if at is not None and not self._far_behind(sign * value, sign * standing(best, at, sign), sign):
                return ""
        return f"far behind trial {best.number} after epoch {epoch}"

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return bool(self.why(study, trial))

    def _best(self, trials: Sequence[FrozenTrial], group: Any, sign: float) -> FrozenTrial | None:
        """The trial of a group with the best value so far that did not fail and keeps what it must."""
        while self._ended < len(trials) and (trial := trials[self._ended]).state.is_finished():
            own = trial.params.get(self.by)
            self._best_ended[own] = self._best_ended.get(own, Best()).or_better(trial, sign)
            self._ended += 1
        best = self._best_ended.get(group, Best())
        for trial in trials[self._ended :]:
            if trial.params.get(self.by) == group:
                best = best.or_better(trial, sign)
        return best.trial

    def _far_behind(self, value: float, best: float, sign: float) -> bool:
        """Of two values of the goal as they are."""
        if sign > 0:
            return best > 0 and value > self.far * best and math.isfinite(best)
        return best >= SHARE and math.isfinite(best) and self.far * max(value, 0.0) < best


def _epoch_at_seconds(best: FrozenTrial, trial: FrozenTrial, epoch: int) -> int | None:
    """The best trial's last epoch within the training seconds that a trial has had; None where not known."""
    ours, theirs = pace(trial, "seconds"), pace(best, "seconds")
    return math.floor(epoch * ours / theirs + 1e-6) if ours and theirs else None
