"""The Optuna study of a search in the run folder's journal: opened, read and added to; nothing is decided here."""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from geotune.record.folder import RunFolder
from geotune.record.journal import Journal
from geotune.record.plan import Plan
from geotune.record.stopping_rule import stopping_rule

ENDED = "geotune:ended"
"""Study attribute: why the search ended for good although trials were left; empty where it goes on."""
CONSTRAINT = "constraints:"
"""How the system attribute begins under which Optuna keeps a constraint."""


class TrialStudy:
    """The study; open for one writer until `close()`.

    It is written through its storage, for what Optuna's own handle of a trial refuses (intermediate values with several
    objectives) or writes piece by piece (a new trial's parameters).
    """

    def __init__(self, run: RunFolder, plan: Plan) -> None:
        self._distributions = {parameter.key: parameter.distribution for parameter in plan.space.parameters}
        self._rule = stopping_rule(plan.stopping, plan.longest)
        self._journal = Journal(run.journal)
        try:
            self._open(run, plan)
        except BaseException:
            self.close()
            raise

    def _open(self, run: RunFolder, plan: Plan) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._storage = optuna.storages.JournalStorage(self._journal)
        names = optuna.get_all_study_names(self._storage)  # the folder may have been renamed since
        rule, sampler = self._rule, optuna.samplers.RandomSampler()  # that one is never asked
        if names:
            self.study = optuna.load_study(study_name=names[0], storage=self._storage, sampler=sampler, pruner=rule)
        else:
            sides = [StudyDirection.MAXIMIZE if goal.maximize else StudyDirection.MINIMIZE for goal in plan.goals]
            self.study = optuna.create_study(
                study_name=run.name, storage=self._storage, directions=sides, sampler=sampler, pruner=rule
            )
        self._remember()
        self._journal.go_on()

    @property
    def seen(self) -> int:
        """Events in the journal."""
        return self._journal.seen

    @property
    def ended(self) -> str:
        """Why the search ended for good although trials were left, or empty."""
        return str(self.study.user_attrs.get(ENDED, ""))

    @ended.setter
    def ended(self, why: str) -> None:
        self.study.set_user_attr(ENDED, why)

    @property
    def count(self) -> int:
        """Trials that there are: the number of the next one."""
        return len(self.before)

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """By number. They are replaced, never changed, so a list stays what it is."""
        return self.study.get_trials(deepcopy=False, states=states or None)

    def trial(self, number: int) -> FrozenTrial:
        return self._storage.get_trial(number)  # ids count through all studies of a storage: here there is one

    def why_stopped(self, number: int) -> str:
        """Why the stopping rule ends a trial after its last epoch; empty where it goes on."""
        return self._rule.why(self.study, self.trial(number))

    @property
    def told_last(self) -> int | None:
        """The trial whose value after an epoch was the last event when the run was opened, if it was such a one."""
        last = self._journal.last
        return int(last["trial_id"]) if "intermediate_value" in last else None

    def add(self, params: Mapping[str, Any], attrs: Mapping[str, Any]) -> int:
        """Begin a trial, in one event: after a kill it is there as a whole or not at all. Its number comes back."""
        distributions = {key: self._distributions[key] for key in params}
        self.study.add_trial(
            create_trial(
                state=TrialState.RUNNING, params=dict(params), distributions=distributions, user_attrs=dict(attrs)
            )
        )
        self._remember()
        return self.before[-1].number

    def report(self, number: int, epoch: int, value: float) -> None:
        """The value that a trial has reached after an epoch."""
        self._storage.set_trial_intermediate_value(number, epoch, value)

    def attribute(self, number: int, key: str, value: Any) -> None:
        self._storage.set_trial_user_attr(number, key, value)

    def close_trial(
        self, number: int, state: TrialState, values: Sequence[float] | None, constraints: Mapping[str, float]
    ) -> None:
        """End a trial for good."""
        for (
            name,
            excess,
        ) in constraints.items():  # Trial.set_constraint would keep one that a kill left
            self._storage.set_trial_system_attr(number, CONSTRAINT + name, excess)
        self.study.tell(number, values, state)

    def together(self) -> AbstractContextManager[None]:
        """Events inside are written at its end, all at once."""
        return self._journal.together()

    def close(self) -> None:
        """Let another writer open the run."""
        self._journal.close()

    def _remember(self) -> None:
        """Keep what the study was when its newest trial began: so it is found again after a kill, too."""
        self.before: list[FrozenTrial] = self.trials()
        self.seen_before = self.seen
