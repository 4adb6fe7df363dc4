"""Which trials a sampler reads when there are more than it needs: its cost grows with them, what it learns does not.

The best stay, in the order in which Optuna's TPE prefers trials, and all that run; of the others every n-th, the newest
first, so that they stand for all. TPE models its best 10 %, but at most 25, against the rest: the first part of that
comparison is the same with and without thinning.
"""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from optuna.trial import FrozenTrial, TrialState

from geotune.record.goals import Objective
from geotune.record.pareto import layers

BEST = 100
"""So many of the best stay."""
CONSTRAINT = "constraints:"
"""How the names of the attributes begin in which Optuna keeps constraints."""
PART = 256
"""Trials that are sifted together."""
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
"""States of trials that say something at their end: one that crashed says nothing of its settings."""
Rank = tuple[int, float, float]
"""Smaller is preferred: 0 trained to the end, 1 stopped, 2 beyond a limit; then by what such trials are compared."""


@dataclass(frozen=True)
class _Part:
    """So many trials in a row, sifted; trials have their place among all."""

    trials: Sequence[FrozenTrial]
    ended: list[tuple[int, FrozenTrial]]
    running: list[tuple[int, FrozenTrial]]
    best: list[tuple[Rank, int, FrozenTrial]]
    """Those that TPE prefers, the best first; with several goals those without a value for each."""
    compromises: list[tuple[int, FrozenTrial]]
    """With several goals the first fronts of those with values."""


class Thinning:
    """Thins the trials of one search again and again.

    Trials that have ended do not change, so what was found of a part of them is remembered: with 10,000 trials hardly
    more is looked at than with 1,000.
    """

    def __init__(self, goals: Sequence[Objective], limit: int) -> None:
        self.goals, self.limit = goals, limit
        self._parts: dict[int, _Part] = {}

    def __call__(self, trials: Sequence[FrozenTrial]) -> tuple[list[FrozenTrial], int]:
        """At most `limit` of the trials that have ended, and all that run, in their order; how many have ended."""
        parts = [self._part(begin, trials[begin : begin + PART]) for begin in range(0, len(trials), PART)]
        ended = [one for part in parts for one in part.ended]
        kept = dict(one for part in parts for one in part.running)
        if len(ended) <= self.limit:
            kept |= dict(ended)
        else:
            best = self._best(parts)
            count = self.limit - len(best)
            kept |= best | dict(ended[-1 - index * len(ended) // count] for index in range(count))
        return [kept[place] for place in sorted(kept)], len(ended)

    def _part(self, begin: int, trials: Sequence[FrozenTrial]) -> _Part:
        known = self._parts.get(begin)
        if known is None or known.trials != trials:  # the same objects are equal without a look at them
            known = self._parts[begin] = self._sifted(begin, trials)
        return known

    def _sifted(self, begin: int, trials: Sequence[FrozenTrial]) -> _Part:
        placed = list(enumerate(trials, start=begin))
        ended = [(place, trial) for place, trial in placed if trial.state in ENDED]
        running = [(place, trial) for place, trial in placed if trial.state is TrialState.RUNNING]
        ranked = [(rank(trial, self.goals[0]), place, trial) for place, trial in ended]
        several = len(self.goals) > 1
        valued = [(place, trial) for found, place, trial in ranked if several and found[0] == 0]
        ranked = [one for one in ranked if not several or one[0][0] > 0]
        return _Part(trials, ended, running, sorted(ranked)[:BEST], self._fronts(valued))

    def _fronts(self, valued: list[tuple[int, FrozenTrial]]) -> list[tuple[int, FrozenTrial]]:
        points = [list(map(_signed, trial.values, self.goals)) for _, trial in valued]
        return [valued[row] for row in layers(points, BEST)]

    def _best(self, parts: Sequence[_Part]) -> dict[int, FrozenTrial]:
        """The trials that TPE prefers, by their place."""
        found = dict(self._fronts([one for part in parts for one in part.compromises])[:BEST])
        rest = heapq.merge(*(part.best for part in parts))
        return found | {place: trial for _, place, trial in islice(rest, BEST - len(found))}


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
