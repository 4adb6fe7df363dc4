"""What is proposed: valid, the same each time, and better where there is something to learn."""

import math
import warnings
from typing import Any, get_args

import pytest
from optuna.trial import FrozenTrial, TrialState

from geotune.record.plan import Plan
from geotune.record.proposals import Proposer, startup_trials
from geotune.record.samplers import LEARNERS, SamplerName
from geotune.record.space import Space
from geotune.record.spread import spread
from tests.record.toy import CHOICES, DATA, PLAIN, ended, plan_of, searched

SAMPLERS = get_args(SamplerName)
EVERY = CHOICES | PLAIN


def fit_for(name: str, **asked: Any) -> Plan:
    """A plan that the sampler can search."""
    search = {"grid": CHOICES, "qmc": PLAIN, "gp": PLAIN}.get(name, EVERY)
    return plan_of(search, sampler=name, stopping="none", **asked)


def error(params: dict[str, Any]) -> float:
    """Best near a learning rate of 1e-3 and without dropout."""
    rate = math.log10(params["optim.lr"]) + 3 if "optim.lr" in params else 0.0
    return 100 + 20 * rate**2 + 30 * params.get("model.head.dropout", 0.0)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_proposes_valid_configs_again_and_again(name: str) -> None:
    plan = fit_for(name, trials=16)
    count = 7 if name == "gp" else 14  # which is slow
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Argument ``group``")
        trials = searched(plan, count, error)
    for number, trial in enumerate(trials):
        drawn = {p.key: p.decode(trial.params[p.key]) for p in plan.space.parameters if p.key in trial.params}
        plan.config(drawn)
        for parameter in plan.space.parameters:
            assert (parameter.key in drawn) == plan.space.applies(parameter, drawn)
        assert Proposer(plan).propose(number, trials[:number]) == trial.params, "a new process proposes the same"
    assert len({tuple(sorted(trial.params.items())) for trial in trials}) == count


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_seed_decides(name: str) -> None:
    one, other = (Proposer(fit_for(name, seed=seed)).propose(3, []) for seed in (1, 2))
    assert one != other


@pytest.mark.parametrize("name", LEARNERS)
def test_what_was_tried_is_learnt_from(name: str) -> None:
    plan = fit_for(name, trials=40)
    trials = [ended(plan, n, p, error(p)) for n, p in enumerate(spread(plan.space, 0, k) for k in range(24))]
    found = [Proposer(plan).propose(number, trials) for number in range(100, 104)]
    assert sum(map(error, found)) / 4 < sum(trial.values[0] for trial in trials) / 24 - 15


def test_the_first_trials_are_a_spread_design_until_enough_have_ended() -> None:
    plan = plan_of(EVERY, trials=40)
    design = [spread(plan.space, 0, k) for k in range(30)]
    found = searched(plan, 10, error)
    assert [trial.params for trial in found] == design[:10]
    assert Proposer(plan).propose(10, found) != design[10]
    running = [ended(plan, n, p, 1.0, state=TrialState.RUNNING, epochs=0) for n, p in enumerate(design)]
    assert Proposer(plan).propose(29, running[:29]) == design[29], "many slots at once: nothing has ended yet"
    crashed = [ended(plan, n, p, 1.0, state=TrialState.FAIL, epochs=0) for n, p in enumerate(design)]
    assert Proposer(plan).propose(20, crashed[:20]) == design[20], "crashes teach nothing"


@pytest.mark.parametrize(("trials", "parameters", "startup"), [(1, 3, 4), (24, 9, 6), (64, 8, 10), (400, 20, 20)])
def test_start_up_trials_by_the_budget(trials: int, parameters: int, startup: int) -> None:
    assert startup_trials(trials, parameters) == startup


def near(plan: Plan, trials: list[FrozenTrial], rate: float) -> int:
    """Of twenty proposals of trials that begin now, how many have about this learning rate."""
    proposer = Proposer(plan)
    rates = [math.log10(proposer.propose(number, trials)["optim.lr"]) for number in range(1000, 1020)]
    return sum(abs(found - math.log10(rate)) < 0.5 for found in rates)


def test_tpe_learns_from_what_diverged_or_broke_a_limit() -> None:
    """The best values lie at high rates, and nothing there counts."""
    plan = plan_of(PLAIN, {"where": {"seconds_per_epoch": "< 60"}}, trials=100)
    tried = [spread(plan.space, 5, k) for k in range(60)]

    def trial(number: int, params: dict[str, Any], bad: str) -> FrozenTrial:
        high = params["optim.lr"] > 1e-3
        value = 100 + 20 * abs(math.log10(params["optim.lr"]) + 2)
        constraints = {"finite": -1.0, str(plan.where[0]): -1.0} | ({bad: 0.5} if bad and high else {})
        state = TrialState.PRUNED if bad == "finite" and high else TrialState.COMPLETE
        return ended(plan, number, params, value, state=state, constraints=constraints)

    free, finite, fast = (
        near(plan, [trial(number, params, bad) for number, params in enumerate(tried)], 1e-2)
        for bad in ("", "finite", str(plan.where[0]))
    )
    assert free >= 10
    assert finite <= 2
    assert fast <= 2


def test_running_trials_keep_others_away() -> None:
    plan = plan_of({"optim.lr": PLAIN["optim.lr"]}, trials=100)
    past = [ended(plan, n, p, error(p)) for n, p in enumerate(spread(plan.space, 1, k) for k in range(20))]
    best = min(past, key=lambda trial: trial.values[0]).params
    running = [ended(plan, 20 + n, best, 1.0, state=TrialState.RUNNING, epochs=0) for n in range(60)]
    rate = best["optim.lr"]
    assert near(plan, past + running, rate) < near(plan, past, rate)


def test_stopped_trials_count_with_several_goals_too() -> None:
    """Optuna's TPE raises there, as it compares the values of stopped trials by the study's one direction."""
    plan = plan_of(PLAIN, {"goal": {"minimize": ["valid/median", "train/seconds"]}}, trials=60)
    trials = []
    for number in range(40):
        params = spread(plan.space, 2, number)
        if number % 2:
            trials.append(ended(plan, number, params, error(params), state=TrialState.PRUNED, epochs=number % 5))
        else:
            trials.append(ended(plan, number, params, [error(params), 512.0 / 2 ** params["train.batch_size"]]))
    params = Proposer(plan).propose(40, trials)
    assert params == Proposer(plan).propose(40, trials)
    assert params != spread(plan.space, 0, 40)


def test_trials_are_not_changed_by_a_proposal() -> None:
    plan = plan_of(PLAIN, trials=20)
    trials = searched(plan, 12, error)
    before = [dict(vars(trial)) for trial in trials]
    Proposer(plan).propose(12, trials)
    assert [dict(vars(trial)) for trial in trials] == before


@pytest.mark.parametrize("name", SAMPLERS)
def test_choices_that_are_lists_or_single_and_nothing_to_search(name: str) -> None:
    search = {"input.sizes": {"choice": [[96], [96, 128]]}, "model.features": {"choice": ["stages"]}}
    plan = plan_of(search, sampler=name, stopping="none", trials=16)
    trials = searched(plan, min(6, plan.trials), lambda params: float(len(params["input.sizes"])))
    assert {trial.params["input.sizes"] for trial in trials} == {"[96]", "[96, 128]"}
    tree = {"search": search}
    pinned = Space.parse("toy", tree, {"input.sizes": [96], "model.features": "stages"})
    alone = Plan.make({"sampler": name, "stopping": "none"}, pinned, tree, {}, DATA)
    assert Proposer(alone).propose(0, []) == {}
