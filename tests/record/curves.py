"""Studies with given learning curves, for the tests of stopping rules."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution

from geotune.record.standings import PACE


def study_with(
    values: Sequence[Sequence[float]],
    direction: str = "minimize",
    params: Sequence[Mapping[str, Any]] = (),
    pace: Sequence[Mapping[str, float]] = (),
) -> optuna.Study:
    """A study of running trials: the value of each after its epochs 1, 2, …; their parameters; their paces."""
    study = optuna.create_study(direction=direction)
    for number, series in enumerate(values):
        given = dict(params[number]) if params else {}
        study.enqueue_trial(given)
        choices = {key: sorted({point[key] for point in params if key in point}) for key in given}
        trial = study.ask({key: CategoricalDistribution(values) for key, values in choices.items()})
        if pace:
            trial.set_user_attr(PACE, dict(pace[number]))
        for epoch, value in enumerate(series, start=1):
            trial.report(value, epoch)
    return study
