"""What is tried next: the searched settings of a new trial, from the trials before it.

A proposal is a pure function of the plan, the trial's number and the trials that it is shown, so the same record gives
the same proposal in every executor and after every kill. The study itself is never asked: it only takes the answer.

The first trials are a spread design (geotune.record.spread) and no random draws, until enough have ended to learn from.
"""

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from geotune.record.grid import Order
from geotune.record.plan import Plan
from geotune.record.samplers import LEARNERS
from geotune.record.snapshot import Snapshot
from geotune.record.spread import spread
from geotune.record.thinning import Thinning


def startup_trials(trials: int, parameters: int) -> int:
    """How many trials of a budget must have ended, `first` points among them, before the sampler learns from them.

    A quarter of the budget, at least 4; more than 10 or the number of parameters teach it little more.
    """
    return min(max(10, parameters), max(4, trials // 4))


class Proposer:
    """Proposes for one search. Threads may share it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._startup = startup_trials(plan.trials, len(plan.space.parameters))
        self._grid = Order(plan.space, plan.settings.seed) if plan.sampler == "grid" else None
        self._learner = LEARNERS.get(plan.sampler)
        self._thinned = Thinning(plan.goals, self._learner.limit if self._learner else 0)

    def propose(self, number: int, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
        """The parameters of the trial `number` as Optuna sees them, as in `Space.encode`.

        Args:
            trials: what the study holds, of every state (`study.get_trials(deepcopy=False)`); the trial itself, where
                it is among them, is left aside. It may take seconds.
        """
        space, seed = self.plan.space, self.plan.settings.seed
        own_seed = (seed * 1_000_003 + number) % 2**32
        if self._learner is None:
            if self._grid is not None:
                return self._grid.untried((trial.params for trial in trials if trial.number != number), number)
            if self.plan.sampler == "qmc":
                return spread(space, seed, number)
            return self._ask(optuna.samplers.RandomSampler(seed=own_seed), [])
        known, ended = self._thinned([*self.plan.earlier, *trials])
        if ended < self._startup:
            return spread(space, seed, number)
        others = [trial for trial in known if trial.number != number]
        return self._ask(self._learner.sampler(own_seed), self._learner.view(others, self.plan.goals))

    def _ask(self, sampler: optuna.samplers.BaseSampler, known: Sequence[FrozenTrial]) -> dict[str, Any]:
        directions = [goal.direction for goal in self.plan.goals]
        study = optuna.create_study(storage=Snapshot(known), sampler=sampler, directions=directions)
        trial = study.ask()
        self.plan.space.draw(trial)
        return dict(trial.params)
