"""Trials that stand at the trivial answer, or far behind the best, although no rung can tell yet."""

import math
import random
from collections.abc import Mapping
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from geotune.record.hopeless import Hopeless
from geotune.record.rungs import Rungs
from geotune.record.standings import BASELINE
from tests.record.curves import study_with


def why(study: optuna.Study, far: float = 2.5, by: str = "", **rungs: Any) -> str:
    rule = Hopeless(Rungs(**({"grace": 2, "factor": 3} | rungs)), far, by)
    reason = rule.why(study, study.get_trials()[-1])
    assert rule.prune(study, study.get_trials()[-1]) is bool(reason)
    return reason


def test_the_trivial_answer_is_not_worth_a_second_rung() -> None:
    study = study_with([[6200.0, 6150.0]])
    assert not why(study)
    study.set_user_attr(BASELINE, 6200.0)
    assert why(study) == "no better than predicting one place after epoch 2"
    better = study_with([[6200.0, 5000.0]])
    better.set_user_attr(BASELINE, 6200.0)
    assert not why(better)


def test_every_trial_has_its_grace() -> None:
    study = study_with([[100.0, 100.0], [6200.0]])
    study.set_user_attr(BASELINE, 6200.0)
    assert not why(study)


@pytest.mark.parametrize(("value", "stopped"), [(240.0, False), (260.0, True)])
def test_one_trial_is_enough_to_be_far_behind(value: float, stopped: bool) -> None:
    study = study_with([[200.0, 100.0, 50.0], [value, value]])
    assert why(study) == ("far behind trial 0 after epoch 2" if stopped else "")
    assert not why(study, far=0.0)


def test_between_rungs_too() -> None:
    assert why(study_with([[200.0, 100.0, 50.0, 40.0], [200.0, 200.0, 200.0]]))


def test_the_best_is_measured_as_it_was_then() -> None:
    """A slow starter that has become the best is no reason to stop the next one."""
    slow, fast = [400.0, 300.0, 50.0], [120.0, 110.0, 100.0]
    assert not why(study_with([slow, fast, [500.0, 500.0]]))
    assert why(study_with([fast, [500.0, 500.0]]))


def test_a_best_that_has_not_come_as_far_counts_with_its_last_epoch() -> None:
    assert why(study_with([[50.0], [200.0, 200.0]]))


@pytest.mark.parametrize(
    ("ours", "theirs", "stopped"),
    [
        ({"seconds": 10.0}, {"seconds": 10.0}, True),
        ({"seconds": 20.0}, {"seconds": 10.0}, True),
        ({"seconds": 4.0}, {"seconds": 10.0}, False),  # the best had no epoch yet after 8 seconds
        ({"seconds": 6.0}, {"seconds": 10.0}, False),  # 400 at 12 seconds
        ({}, {"seconds": 10.0}, True),
        ({"seconds": 6.0}, {}, True),
    ],
)
def test_far_behind_at_the_same_epochs_and_at_the_same_seconds(
    ours: Mapping[str, float], theirs: Mapping[str, float], stopped: bool
) -> None:
    study = study_with([[400.0, 100.0, 50.0], [800.0, 800.0]], pace=[theirs, ours])
    assert bool(why(study)) is stopped


@pytest.mark.parametrize(
    ("best", "value", "stopped"),
    [
        (0.50, 0.15, True),
        (0.50, 0.25, False),
        (0.50, 0.0, True),
        (0.02, 0.0, False),  # one or two photos
        (4000.0, 1000.0, True),  # a score
        (-1.0, -9.0, False),  # no ratio is known there
    ],
)
def test_maximising_is_the_mirror(best: float, value: float, stopped: bool) -> None:
    assert bool(why(study_with([[best, best], [value, value]], "maximize"))) is stopped


def test_what_failed_or_breaks_a_limit_is_no_measure() -> None:
    study = study_with([[50.0, 50.0], [50.0, 50.0], [200.0, 200.0]])
    study.tell(0, state=TrialState.FAIL)
    assert why(study)
    trial = optuna.Trial(study, 1)
    trial.set_constraint("seconds_per_epoch", 0.5)
    assert not why(study)


def test_only_trials_of_one_group_are_compared() -> None:
    """Rungs are kept apart for slow starters: these are behind the best of the others from the start."""
    fast, slow = {"model.backbone": "resnet18"}, {"model.backbone": "resnet101"}
    curves = [[40.0, 30.0], [200.0, 150.0], [200.0, 160.0]]
    assert why(study_with(curves, params=[fast, slow, slow])) == "far behind trial 0 after epoch 2"
    for ended in (False, True):
        study = study_with(curves, params=[fast, slow, slow])
        if ended:
            study.tell(0, 30.0)
            study.tell(1, 150.0)
        assert not why(study, by="model.backbone")
    study = study_with([[40.0, 30.0], [50.0, 40.0], [200.0, 160.0]], params=[fast, slow, slow])
    assert why(study, by="model.backbone") == "far behind trial 1 after epoch 2"


def test_a_trial_without_any_value_is_left_to_other_rules() -> None:
    assert not why(study_with([[50.0, 50.0], [math.nan, math.nan]]))
    assert not why(study_with([[math.nan, math.nan], [50.0, 50.0]]))
    assert why(study_with([[60.0, 50.0, math.nan], [200.0, 200.0]]))


def test_an_error_of_nothing_is_no_measure() -> None:
    assert not why(study_with([[0.0, 0.0], [1.0, 1.0]]))


def test_grace_can_be_photos() -> None:
    pace = [{"photos": 50}] * 2
    settings = {"grace": 100, "resource": "photos"}
    assert not why(study_with([[50.0, 50.0], [200.0]], pace=pace), **settings)
    assert why(study_with([[50.0, 50.0], [200.0, 200.0]], pace=pace), **settings)


def test_a_rule_that_follows_a_search_decides_as_one_that_sees_it_for_the_first_time() -> None:
    """What it remembers of ended trials is no state: they change no more."""
    chance, study, kept = random.Random(0), optuna.create_study(), Hopeless(Rungs(2, 2), 1.5)
    running: list[optuna.Trial] = []
    decisions = []
    for _ in range(300):
        if len(running) < 3:
            running.append(study.ask())
        trial = chance.choice(running)
        epoch = (study.get_trials(deepcopy=False)[trial.number].last_step or 0) + 1
        trial.report(chance.lognormvariate(5, 1) / epoch, epoch)
        reason = kept.why(study, study.get_trials(deepcopy=False)[trial.number])
        assert reason == Hopeless(Rungs(2, 2), 1.5).why(study, study.get_trials(deepcopy=False)[trial.number])
        decisions.append(bool(reason))
        if reason or epoch == 6:
            running.remove(trial)
            trial.set_constraint("finite", chance.choice([-1.0, 1.0]))
            study.tell(trial, state=chance.choice([TrialState.PRUNED, TrialState.FAIL]))
    assert 20 < sum(decisions) < 280
