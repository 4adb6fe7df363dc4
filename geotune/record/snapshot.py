"""Trials as Optuna's samplers can read them, in a study in memory that copies and stores none of them.

Optuna's `add_trial` copies each trial in depth, which costs more than the proposal that it serves.
"""

import math
from collections.abc import Container, Sequence

from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from geotune.record.goals import Objective
from geotune.record.thinning import CONSTRAINT, rank, violation

ALWAYS = ("fits", "finite")
"""Constraints that every search knows, and that no trial with a value breaks."""


class Snapshot(InMemoryStorage):
    """Holds one study with earlier trials, numbered anew from 0, and the one trial that is asked of it after them."""

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self._earlier = list(trials)
        for number, trial in enumerate(self._earlier):
            trial.number = number

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        trial_id = super().create_new_trial(study_id, template_trial)
        self.get_trial(trial_id).number += len(self._earlier)
        return trial_id

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The earlier trials, never copied, and the new one."""
        earlier = [trial for trial in self._earlier if states is None or trial.state in states]
        return earlier + super().get_all_trials(study_id, deepcopy=deepcopy, states=states)


def slim(trial: FrozenTrial) -> FrozenTrial:
    """What samplers read of a trial: parameters, state, values, the last intermediate value, the constraints."""
    step = trial.last_step
    return FrozenTrial(
        number=trial.number,
        trial_id=trial.number,
        state=trial.state,
        value=None,
        values=trial.values,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={},
        system_attrs={key: value for key, value in trial.system_attrs.items() if key.startswith(CONSTRAINT)},
        intermediate_values={} if step is None else {step: trial.intermediate_values[step]},
    )


def for_tpe(trials: Sequence[FrozenTrial], goals: Sequence[Objective]) -> list[FrozenTrial]:
    """Slim copies for TPE.

    With several goals it cannot compare the values of stopped trials (Optuna 5.0 raises), only how long they lasted:
    there each has its place in the whole order instead of its last epoch.
    """
    found = [slim(trial) for trial in trials]
    if len(goals) > 1:
        stopped = [trial for trial in found if trial.state is TrialState.PRUNED and trial.intermediate_values]
        for place, trial in enumerate(sorted(stopped, key=lambda trial: rank(trial, goals[0]))):
            trial.intermediate_values = {-place: math.nan}
    return found


def for_gp(trials: Sequence[FrozenTrial], goals: Sequence[Objective]) -> list[FrozenTrial]:
    """Slim copies for the Gaussian process, which reads trials with a value and those that run.

    A trial that diverged or did not fit has the worst value of all, or it would be proposed again. Limits are
    constraints; those that no trial with a value breaks would each cost a model of their own, for nothing.
    """
    found = [slim(trial) for trial in trials]
    values = [float(trial.values[0]) for trial in found if trial.state is TrialState.COMPLETE]
    worst = (min if goals[0].maximize else max)(values, default=None)
    names = {key for trial in found for key in trial.system_attrs} - {CONSTRAINT + name for name in ALWAYS}
    for trial in found:
        if trial.state is TrialState.PRUNED and worst is not None and violation(trial) > 0:
            trial.state, trial.values = TrialState.COMPLETE, [worst]
        trial.system_attrs = {name: trial.system_attrs.get(name, -1.0) for name in sorted(names)}
    return found
