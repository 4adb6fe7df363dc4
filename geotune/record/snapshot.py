"""A study in memory that shows a sampler trials as they stand, without copying or storing them.

Optuna's `add_trial` copies each trial in depth, which costs more than the proposal that it serves.
"""

from collections.abc import Container, Sequence

from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState


class Snapshot(InMemoryStorage):
    """Holds one study with earlier trials, and the one trial that is asked of it.

    The earlier ones, slim copies, take the numbers -n to -1 in their order, which is all that samplers read of a
    number; the new one is number 0.
    """

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self._earlier = [slim(trial, index - len(trials)) for index, trial in enumerate(trials)]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The earlier trials, never copied, and the new one."""
        earlier = [trial for trial in self._earlier if states is None or trial.state in states]
        return earlier + super().get_all_trials(study_id, deepcopy=deepcopy, states=states)


def slim(trial: FrozenTrial, number: int) -> FrozenTrial:
    """What samplers read of a trial: parameters, state, values, the last intermediate value, the constraints."""
    step = trial.last_step
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=trial.state,
        value=None,
        values=trial.values,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={},
        system_attrs={key: value for key, value in trial.system_attrs.items() if key.startswith("constraints:")},
        intermediate_values={} if step is None else {step: trial.intermediate_values[step]},
    )
