"""Trials that are stopped although hardly any other has come as far: no better than the trivial answer, or far behind.

With few trials a rung stays empty for long: by the book 16 of 21 epochs of a search went into two trials that stood at
the level of predicting the mean place.
"""

import math
from collections.abc import Iterable

import optuna
from optuna.trial import FrozenTrial, TrialState

from geotune.record.rungs import Rungs
from geotune.record.standings import BASELINE, pace, sign_of, standing, started

MARGIN = 0.02
"""A trial that is less than this better than the trivial answer is no better."""
SHARE = 0.1
"""Of a goal to maximise, such as a share of the photos, a best below this says nothing: it may be one or two photos."""


class Hopeless(optuna.pruners.BasePruner):
    """Stop a trial that after its grace is no better than the trivial answer, or far behind the best trial.

    Far is: an error more than `far` times that of the best trial, both when that had as many epochs and when it had as
    many seconds of training; where seconds are not known, epochs decide. The best is the one with the best value so
    far, with its own early epochs: where slow starters win, they are the measure. Of a goal to maximise the best must
    have more than `far` times the trial's value. `far` 0 leaves the trivial answer alone.
    """

    def __init__(self, rungs: Rungs, far: float) -> None:
        self.rungs, self.far = rungs, far

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
        best = _best(started(study), sign)
        if best is None or best.number == trial.number:
            return ""
        seconds = _epoch_at_seconds(best, trial, epoch)
        for at in (epoch, seconds):
            if at is not None and not self._far_behind(sign * value, sign * standing(best, at, sign), sign):
                return ""
        return f"far behind trial {best.number} after epoch {epoch}"

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return bool(self.why(study, trial))

    def _far_behind(self, value: float, best: float, sign: float) -> bool:
        """Of two values of the goal as they are."""
        if sign > 0:
            return best > 0 and value > self.far * best and math.isfinite(best)
        return best >= SHARE and math.isfinite(best) and self.far * max(value, 0.0) < best


def _best(trials: Iterable[FrozenTrial], sign: float) -> FrozenTrial | None:
    """The trial with the best value so far that did not fail and keeps what it must."""
    best, least = None, math.inf
    for trial in trials:
        value = math.nan
        for value in reversed(trial.intermediate_values.values()):  # the last that is a number
            if not math.isnan(value):
                break
        if sign * value < least and trial.state is not TrialState.FAIL and _keeps(trial):
            best, least = trial, sign * value
    return best


def _keeps(trial: FrozenTrial) -> bool:
    return all(excess <= 0 for excess in trial.constraints.values())


def _epoch_at_seconds(best: FrozenTrial, trial: FrozenTrial, epoch: int) -> int | None:
    """The best trial's last epoch within the training seconds that a trial has had; None where not known."""
    ours, theirs = pace(trial, "seconds"), pace(best, "seconds")
    return math.floor(epoch * ours / theirs + 1e-6) if ours and theirs else None
