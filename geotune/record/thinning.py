"""Which trials a sampler reads when there are more than it needs: its cost grows with them, what it learns does not.

The best stay, in the order in which Optuna's TPE prefers trials, and all that run; of the others every n-th, the newest
first, so that they stand for all. TPE models its best 10 %, but at most 25, against the rest: the first part of that
comparison is the same with and without thinning.
"""

import heapq
import math
from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial, TrialState

from geotune.record.goals import Objective
from geotune.record.pareto import layers

BEST = 100
"""So many of the best stay."""
CONSTRAINT = "constraints:"
"""How the names of the attributes begin in which Optuna keeps constraints."""
Rank = tuple[int, float, float]
"""Smaller is preferred: 0 trained to the end, 1 stopped, 2 beyond a limit; then by what such trials are compared."""


class Thinning:
    """Thins the trials of one study again and again; of a trial that has ended it remembers its rank."""

    def __init__(self, goals: Sequence[Objective], limit: int) -> None:
        self.goals, self.limit = goals, limit
        self._known: dict[int, tuple[FrozenTrial, Rank]] = {}

    def __call__(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """At most `limit` of the trials that have ended, and all that run, in their order."""
        ended = [trial for trial in trials if trial.state is not TrialState.RUNNING]
        if len(ended) <= self.limit:
            return list(trials)
        best = self._best(ended)
        rest = [trial.number for trial in reversed(ended) if trial.number not in best]
        count = self.limit - len(best)
        kept = best | {rest[index * len(rest) // count] for index in range(count)}
        return [trial for trial in trials if trial.state is TrialState.RUNNING or trial.number in kept]

    def _best(self, ended: Sequence[FrozenTrial]) -> set[int]:
        """The numbers of the trials that TPE prefers."""
        ranked = [(self._rank(trial), place) for place, trial in enumerate(ended)]
        if len(self.goals) > 1:  # trials with values for all goals go by their fronts
            complete = [ended[place] for rank, place in ranked if rank[0] == 0]
            points = [
                [_signed(value, goal) for value, goal in zip(t.values, self.goals, strict=True)] for t in complete
            ]
            best = [complete[row].number for row in layers(points, BEST)[:BEST]]
            ranked = [(rank, place) for rank, place in ranked if rank[0] > 0]
            return {*best, *(ended[place].number for _, place in heapq.nsmallest(BEST - len(best), ranked))}
        return {ended[place].number for _, place in heapq.nsmallest(BEST, ranked)}

    def _rank(self, trial: FrozenTrial) -> Rank:
        known = self._known.get(trial.number)
        if known is None or known[0] is not trial:
            known = self._known[trial.number] = (trial, rank(trial, self.goals[0]))
        return known[1]


def rank(trial: FrozenTrial, goal: Objective) -> Rank:
    """The place of a trial that has ended in the order in which TPE prefers them."""
    broken = violation(trial)
    if broken > 0:
        return (2, broken, 0.0)
    if trial.state is TrialState.COMPLETE:
        return (0, _signed(trial.values[0], goal), 0.0)
    step = trial.last_step
    if step is None:
        return (1, 1.0, 0.0)
    value = _signed(trial.intermediate_values[step], goal)
    return (1, -step, math.inf if math.isnan(value) else value)


def violation(trial: FrozenTrial) -> float:
    """How far a trial breaks its constraints."""
    attrs: Mapping[str, float] = trial.system_attrs
    return sum(value for key, value in attrs.items() if key.startswith(CONSTRAINT) and value > 0)


def _signed(value: float, goal: Objective) -> float:
    return -value if goal.maximize else value
