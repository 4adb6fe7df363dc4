"""What is tried next: the searched settings of a new trial, from the trials before it.

A proposal is a pure function of the plan, the trial's number and the trials that it is shown, so the same record gives
the same proposal in every executor and after every kill. The study itself is never asked: it only takes the answer.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from geotune.record.plan import Plan
from geotune.record.snapshot import Snapshot

warnings.filterwarnings("ignore", r"Argument ``group``", optuna.exceptions.ExperimentalWarning)  # it is one since 2.8

KNOWN = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
"""States of the trials that say something: one that crashed says nothing of its settings."""


class Proposer:
    """Proposes for one search. Threads may share it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.space = plan.space
        self._startup = min(10, max(4, plan.trials // 4))

    def propose(self, number: int, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
        """The parameters of the trial `number` as Optuna sees them, as in `Space.encode`.

        Args:
            trials: what the study holds, of every state (`study.get_trials(deepcopy=False)`); the trial itself, where
                it is among them, is left aside. It may take seconds.
        """
        seed = (self.plan.settings.seed * 1_000_003 + number) % 2**32
        known = [t for t in trials if t.number != number and t.state in KNOWN]
        ended = sum(t.state is not TrialState.RUNNING for t in known)
        if self.plan.settings.sampler == "random" or ended < self._startup:
            sampler: optuna.samplers.BaseSampler = optuna.samplers.RandomSampler(seed=seed)
            known = []
        else:
            sampler = optuna.samplers.TPESampler(
                seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=self._startup
            )
        directions = [goal.direction for goal in self.plan.goals]
        study = optuna.create_study(storage=Snapshot(known), sampler=sampler, directions=directions)
        trial = study.ask()
        self.space.draw(trial)
        return dict(trial.params)
