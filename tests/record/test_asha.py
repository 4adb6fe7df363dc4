"""ASHA: the textbook's promotions, from nothing but the study."""

import math

import optuna
import pytest

from geotune.record.asha import ASHA, BASELINE


def study_with(values: list[list[float]], direction: str = "minimize") -> optuna.Study:
    study = optuna.create_study(direction=direction)
    for series in values:
        trial = study.ask()
        for epoch, value in enumerate(series, start=1):
            trial.report(value, epoch)
    return study


def prunes(study: optuna.Study, number: int = -1, **settings: int) -> bool:
    pruner = ASHA(**({"grace": 2, "factor": 3, "enough": 4} | settings))
    return pruner.prune(study, study.get_trials()[number])


@pytest.mark.parametrize(("value", "stopped"), [(1.5, False), (2.5, False), (3.5, True), (9.0, True)])
def test_the_best_third_goes_on(value: float, stopped: bool) -> None:
    others = [[float(v), float(v)] for v in (2, 3, 4, 5, 6)]
    assert prunes(study_with([*others, [value, value]])) is stopped


def test_maximising_is_the_mirror() -> None:
    others = [[float(v), float(v)] for v in (2, 3, 4, 5, 6)]
    assert not prunes(study_with([*others, [7.0, 7.0]], "maximize"))
    assert prunes(study_with([*others, [2.5, 2.5]], "maximize"))


def test_between_rungs_nobody_stops() -> None:
    others = [[1.0] * 6 for _ in range(5)]
    for epochs, rung in ((1, False), (2, True), (3, False), (5, False), (6, True)):
        assert prunes(study_with([*others, [9.0] * epochs])) is rung


def test_a_rung_needs_enough_records() -> None:
    assert not prunes(study_with([[1.0, 1.0], [1.0, 1.0], [9.0, 9.0]]))
    assert prunes(study_with([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [9.0, 9.0]]))


def test_others_count_as_they_stood_at_the_rung() -> None:
    """What a study holds of an epoch is the run's value after it; a NaN after it takes nothing away."""
    ahead = [[5.0, 5.0, 0.1] for _ in range(5)]
    assert not prunes(study_with([*ahead, [4.0, 4.0]]))
    assert prunes(study_with([*[[3.0, math.nan] for _ in range(5)], [4.0, 4.0]]))


def test_only_what_reached_the_rung_is_compared() -> None:
    short = [[0.1] for _ in range(10)]
    others = [[5.0, 5.0], [6.0, 6.0], [7.0, 7.0]]
    assert not prunes(study_with([*short, *others, [4.0, 4.0]]))


def test_nan_stops_at_once_and_never_helps() -> None:
    assert prunes(study_with([[math.nan]]))
    assert not prunes(study_with([[math.nan, math.nan]] * 5 + [[3.0, 3.0]]))


def test_the_trivial_answer_is_not_worth_a_second_rung() -> None:
    study = study_with([[6200.0, 6150.0]])
    assert not prunes(study)
    study.set_user_attr(BASELINE, 6200.0)
    assert prunes(study)
    better = study_with([[6200.0, 5000.0]])
    better.set_user_attr(BASELINE, 6200.0)
    assert not prunes(better)
