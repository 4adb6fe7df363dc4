"""ASHA: the textbook's promotions, from nothing but the study."""

import math
from typing import Any

import optuna
import pytest

from geotune.record.asha import ASHA
from geotune.record.rungs import Rungs
from tests.record.curves import study_with


def why(study: optuna.Study, number: int = -1, *, enough: int = 4, by: str = "", **rungs: Any) -> str:
    rule = ASHA(Rungs(**({"grace": 2, "factor": 3} | rungs)), enough, by)
    trial = study.get_trials()[number]
    reason = rule.why(study, trial)
    assert rule.prune(study, trial) is bool(reason)
    return reason


def stops(*arguments: Any, **settings: Any) -> bool:
    return bool(why(*arguments, **settings))


OTHERS = [[float(v), float(v)] for v in (2, 3, 4, 5, 6)]


@pytest.mark.parametrize(("value", "stopped"), [(1.5, False), (2.5, False), (3.5, True), (9.0, True)])
def test_the_best_third_goes_on(value: float, stopped: bool) -> None:
    assert stops(study_with([*OTHERS, [value, value]])) is stopped


def test_it_says_why() -> None:
    assert why(study_with([*OTHERS, [3.5, 3.5]])) == "behind 2 of 5 other trials after 2 epochs"


def test_maximising_is_the_mirror() -> None:
    assert not stops(study_with([*OTHERS, [7.0, 7.0]], "maximize"))
    assert stops(study_with([*OTHERS, [2.5, 2.5]], "maximize"))


def test_with_several_objectives_it_goes_by_the_first() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    study.add_trials([*study_with(OTHERS).trials, *study_with([[3.5, 3.5]]).trials])
    assert stops(study)


def test_between_rungs_nobody_stops() -> None:
    others = [[1.0] * 6 for _ in range(5)]
    for epochs, rung in ((1, False), (2, True), (3, False), (5, False), (6, True)):
        assert stops(study_with([*others, [9.0] * epochs])) is rung


def test_a_rung_needs_enough_records() -> None:
    assert not stops(study_with([[1.0, 1.0], [1.0, 1.0], [9.0, 9.0]]))
    assert stops(study_with([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [9.0, 9.0]]))


def test_others_count_as_they_stood_at_the_rung() -> None:
    """What a study holds of an epoch is the run's value after it; a NaN after it takes nothing away."""
    ahead = [[5.0, 5.0, 0.1] for _ in range(5)]
    assert not stops(study_with([*ahead, [4.0, 4.0]]))
    assert stops(study_with([*[[3.0, math.nan] for _ in range(5)], [4.0, 4.0]]))
    assert not stops(study_with([*[[math.nan, math.nan]] * 5, [3.0, 3.0]])), "a NaN is behind everything"


def test_only_what_reached_the_rung_is_compared() -> None:
    short = [[0.1] for _ in range(10)]
    others = [[5.0, 5.0], [6.0, 6.0], [7.0, 7.0]]
    assert not stops(study_with([*short, *others, [4.0, 4.0]]))


def test_rungs_can_be_kept_apart_by_a_parameter() -> None:
    """Slow starters are compared with slow starters."""
    fast, slow = {"model.backbone": "resnet18"}, {"model.backbone": "resnet101"}
    study = study_with([[1.0, 1.0]] * 4 + [[8.0, 8.0]] * 3 + [[7.0, 7.0]], params=[fast] * 4 + [slow] * 4)
    assert stops(study)
    assert not stops(study, by="model.backbone")
    study = study_with([[1.0, 1.0]] * 4 + [[8.0, 8.0]] * 3 + [[9.0, 9.0]], params=[fast] * 4 + [slow] * 4)
    reason = "behind 3 of 3 other trials with model.backbone=resnet101 after 2 epochs"
    assert why(study, by="model.backbone") == reason


def test_trials_without_the_parameter_have_rungs_of_their_own() -> None:
    with_it = {"model.head.cells": 64}
    study = study_with([[1.0, 1.0]] * 4 + [[9.0, 9.0]], params=[with_it] * 4 + [{}])
    assert not stops(study, by="model.head.cells")


def test_rungs_can_count_photos_seen() -> None:
    """100 photos: the second epoch of 60 photos, the first of 100, the fourth of 25."""
    sizes = [60, 60, 100, 100, 25]
    curves = [[9.0, 1.0], [9.0, 2.0], [3.0], [4.0], [9.0, 9.0, 9.0, 9.0]]
    study = study_with(curves, pace=[{"photos": photos} for photos in sizes])
    settings = {"grace": 100, "resource": "photos"}
    assert why(study, **settings) == "behind 4 of 4 other trials after 100 photos"
    assert not stops(study_with([*curves[:4], [9.0] * 3], pace=[{"photos": p} for p in sizes]), **settings)
    assert not stops(study_with(curves), **settings), "epochs of unknown size are on no rung"


def test_a_long_epoch_may_pass_several_rungs() -> None:
    study = study_with([[1.0]] * 5 + [[2.0]], pace=[{"photos": 1000}] * 6)
    assert why(study, grace=100, resource="photos") == "behind 5 of 5 other trials after 900 photos"
