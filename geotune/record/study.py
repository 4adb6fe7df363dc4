"""The Optuna study of a search in the run folder's journal: opened, read and added to; nothing is decided here."""

import warnings

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from geotune.record.folder import RunFolder
from geotune.record.journal import Journal
from geotune.record.plan import Plan
from geotune.record.stopping_rule import stopping_rule
from geotune.record.trial import STATES

ENDED = "geotune:ended"
"""Study attribute: why the search ended for good although trials were left."""


class TrialStudy:
    """The study and the handles of its running trials; open for one writer until `close()`."""

    def __init__(self, run: RunFolder, plan: Plan) -> None:
        self.plan = plan
        self._journal = Journal(run.journal)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            storage = optuna.storages.JournalStorage(self._journal)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        names = optuna.get_all_study_names(storage)  # the folder may have been renamed since
        rule = stopping_rule(plan.stopping, plan.longest)
        if names:
            self.study = optuna.load_study(study_name=names[0], storage=storage, pruner=rule)
        else:
            direction = StudyDirection.MAXIMIZE if plan.maximize else StudyDirection.MINIMIZE
            self.study = optuna.create_study(study_name=run.name, storage=storage, direction=direction, pruner=rule)
        self._journal.go_on()
        for point in plan.space.first[: plan.trials]:
            self.study.enqueue_trial(plan.space.encode(point), skip_if_exists=True)
        self._handles: dict[int, optuna.Trial] = {}  # making one proposes anew, so each is made once

    def ask(self) -> optuna.Trial:
        """A new trial, its sampler seeded by its number."""
        number = len(self.study.get_trials(deepcopy=False))
        waiting = [t.number for t in self.trials(TrialState.WAITING)]
        self.study.sampler = self.plan.make_sampler(min(waiting, default=number))
        trial = self.study.ask()
        self._handles[trial.number] = trial
        return trial

    def trial(self, number: int) -> optuna.Trial:
        """The handle of a running trial."""
        if number not in self._handles:
            self.study.sampler = self.plan.make_sampler(number)
            self._handles[number] = optuna.Trial(self.study, self.frozen(number)._trial_id)
        return self._handles[number]

    def tell(self, number: int, state: TrialState, value: float | None = None) -> None:
        """End a trial for good."""
        self.study.tell(number, value, state)
        self._handles.pop(number, None)

    def frozen(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states)

    def started(self) -> int:
        return len(self.trials(*STATES))

    def close(self) -> None:
        """Let another writer open the run."""
        self._journal.close()
