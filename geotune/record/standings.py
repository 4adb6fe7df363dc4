"""What a study holds of a trial's course: its value after an epoch, and how long or how large its epochs are.

What the record reports of an epoch is the run's value after it (geotune.train.selection), so one bad epoch decides
nothing; a NaN stands for an epoch that gave none.
"""

import math

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

BASELINE = "geotune:baseline"
"""Study attribute: the goal's value of the trivial answer (predicting one point)."""
PACE = "pace"
"""Trial attribute: `{"seconds": of an epoch's training, "photos": of an epoch}`."""

BREAKS = "breaks"
"""Trial attribute: whether its epochs so far break a limit of `where`; not there as long as none did."""


def sign_of(study: optuna.Study) -> float:
    """1 where the first objective is minimised, -1 where it is maximised."""
    return 1.0 if study.directions[0] == StudyDirection.MINIMIZE else -1.0


def standing(trial: FrozenTrial, epoch: int, sign: float) -> float:
    """The run's value after an epoch, as one to minimise; infinite where there is none."""
    values = trial.intermediate_values
    value = values.get(epoch, math.nan)
    if math.isnan(value):
        known = [e for e, found in values.items() if e <= epoch and not math.isnan(found)]
        if not known:
            return math.inf
        value = values[max(known)]
    return sign * value


def reached(trial: FrozenTrial, epoch: int, sign: float) -> float | None:
    """Its standing with an epoch, None where it was not trained for so long."""
    value = trial.intermediate_values.get(epoch)
    if value is not None and not math.isnan(value):  # the way of thousands of trials
        return sign * value
    return standing(trial, epoch, sign) if max(trial.intermediate_values, default=0) >= epoch else None


def breaks(trial: FrozenTrial) -> bool:
    """Whether it breaks a limit of `where` as it stands: no measure then of one that keeps them all."""
    return bool(trial.user_attrs.get(BREAKS))


def pace(trial: FrozenTrial, what: str) -> float | None:
    """`seconds` or `photos` of one of its epochs; None where it is not known."""
    found = (trial.user_attrs.get(PACE) or {}).get(what)
    return float(found) if found else None
