"""Which trials a sampler reads when there are more than it needs: its cost grows with them, what it learns does not.

The best stay, in the order in which Optuna's TPE prefers trials, and all that run; of the others every n-th, the newest
first, so that they stand for all. TPE models its best 10 %, but at most 25, against the rest: the first part of that
comparison is the same with and without thinning.
"""

import math
from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial, TrialState

from geotune.record.goals import Objective
from geotune.record.pareto import layers

BEST = 100
"""So many of the best stay."""
CONSTRAINT = "constraints:"
"""How the names of the attributes begin in which Optuna keeps constraints."""


def thinned(trials: Sequence[FrozenTrial], goals: Sequence[Objective], limit: int) -> list[FrozenTrial]:
    """At most `limit` of the trials that have ended, and all that run, in their order."""
    ended = [trial for trial in trials if trial.state is not TrialState.RUNNING]
    if len(ended) <= limit:
        return list(trials)
    best = {trial.number for trial in ranked(ended, goals, BEST)[:BEST]}
    rest = [trial.number for trial in reversed(ended) if trial.number not in best]
    step = len(rest) / (limit - len(best))
    kept = best | {rest[int(index * step)] for index in range(limit - len(best))}
    return [trial for trial in trials if trial.state is TrialState.RUNNING or trial.number in kept]


def ranked(ended: Sequence[FrozenTrial], goals: Sequence[Objective], wanted: int) -> list[FrozenTrial]:
    """Trials as TPE prefers them: trained to the end by value, stopped ones by epochs, those that break a limit last.

    With several goals at least so many of the first ones stand in their order.
    """
    groups: list[list[FrozenTrial]] = [[], [], []]
    for trial in ended:
        broken = violation(trial) > 0
        groups[2 if broken else 0 if trial.state is TrialState.COMPLETE else 1].append(trial)
    complete, stopped, broken_ones = groups
    signs = [-1.0 if goal.maximize else 1.0 for goal in goals]
    points = [[sign * value for sign, value in zip(signs, trial.values, strict=True)] for trial in complete]
    if len(goals) > 1:
        order = layers(points, wanted) if points else []
    else:
        order = sorted(range(len(points)), key=points.__getitem__)
    stopped.sort(key=lambda trial: lasted(trial, goals[0]))
    return [complete[index] for index in order] + stopped + sorted(broken_ones, key=violation)


def violation(trial: FrozenTrial) -> float:
    """How far a trial breaks its constraints."""
    attrs: Mapping[str, float] = trial.system_attrs
    return sum(value for key, value in attrs.items() if key.startswith(CONSTRAINT) and value > 0)


def lasted(trial: FrozenTrial, goal: Objective) -> tuple[float, float]:
    """By what stopped trials are compared, the best first: epochs, then the last value."""
    step = trial.last_step
    if step is None:
        return (1.0, 0.0)
    value = trial.intermediate_values[step] * (-1.0 if goal.maximize else 1.0)
    return (-step, math.inf if math.isnan(value) else value)
