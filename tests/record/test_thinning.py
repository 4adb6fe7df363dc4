"""Which trials stay when a sampler reads a part of them."""

import random

from optuna.trial import FrozenTrial, TrialState

from geotune.record.goals import Objective
from geotune.record.pareto import front
from geotune.record.samplers import LEARNERS
from geotune.record.spread import spread
from geotune.record.thinning import BEST, Thinning, rank
from tests.record.toy import PLAIN, ended, plan_of

GOAL = Objective("valid/median_km", False)
PLAN = plan_of(PLAIN)
PARAMS = spread(PLAN.space, 0, 0)


def trial(number: int, values: list[float] | float, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    return ended(PLAN, number, PARAMS, values, state=state)


def test_the_best_stay_and_all_that_run_and_a_part_of_the_rest() -> None:
    values = [float(value) for value in random.Random(0).sample(range(1000), 1000)]
    states = [TrialState.COMPLETE if number % 50 else TrialState.RUNNING for number in range(1000)]
    trials = [trial(number, *pair) for number, pair in enumerate(zip(values, states, strict=True))]
    kept, count = Thinning([GOAL], 300)(trials)
    assert count == 980
    numbers = [t.number for t in kept]
    assert numbers == sorted(numbers)
    assert {t.number for t in trials if t.state is TrialState.RUNNING} <= set(numbers)
    assert 250 <= sum(t.state is TrialState.COMPLETE for t in kept) <= 300
    over = sorted((t for t in trials if t.state is TrialState.COMPLETE), key=lambda t: t.values[0])
    assert {t.number for t in over[:BEST]} <= set(numbers)
    rest = [t.number for t in over[BEST:] if t.number in numbers]
    assert 60 <= sum(number < 500 for number in rest) <= 120, "old and new alike"
    assert Thinning([GOAL], 1000)(trials)[0] == trials


def test_the_order_is_that_of_tpe() -> None:
    order = [
        trial(0, 5.0),
        trial(1, 7.0),
        ended(PLAN, 2, PARAMS, 9.0, state=TrialState.PRUNED, epochs=6),
        ended(PLAN, 3, PARAMS, 2.0, state=TrialState.PRUNED, epochs=3),
        ended(PLAN, 4, PARAMS, 3.0, state=TrialState.PRUNED, epochs=3),
        ended(PLAN, 5, PARAMS, float("nan"), state=TrialState.PRUNED, epochs=3),
        ended(PLAN, 6, PARAMS, 1.0, state=TrialState.PRUNED, epochs=0),
        ended(PLAN, 7, PARAMS, 1.0, constraints={"a": 0.5, "b": -3.0}),
        ended(PLAN, 8, PARAMS, 1.0, state=TrialState.PRUNED, constraints={"a": 2.0}),
    ]
    assert sorted(random.Random(0).sample(order, 9), key=lambda t: rank(t, GOAL)) == order
    more = Objective("valid/within_25km", True)
    assert rank(trial(0, 0.9), more) < rank(trial(1, 0.2), more)


def test_with_several_goals_the_fronts_stay() -> None:
    rng = random.Random(1)
    trials = [trial(number, [rng.random(), rng.random()]) for number in range(600)]
    goals = [GOAL, Objective("train/photos_per_second", True)]
    numbers = {t.number for t in Thinning(goals, 200)(trials)[0]}
    assert 150 <= len(numbers) <= 200
    assert set(front([(t.values[0], -t.values[1]) for t in trials])) <= numbers


def test_a_trial_that_ends_in_between_is_ranked_anew() -> None:
    thinned = Thinning([GOAL], 200)
    trials = [trial(number, 100.0 + number) for number in range(400)]
    thinned(trials)
    changed = [*trials[:-1], trial(399, 1.0)]
    assert 399 in {t.number for t in thinned(changed)[0]}
    assert thinned(changed) == Thinning([GOAL], 200)(changed)


def test_every_learner_keeps_more_than_the_best() -> None:
    assert all(learner.limit > BEST for learner in LEARNERS.values())
