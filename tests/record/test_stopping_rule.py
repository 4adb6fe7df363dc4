"""Which rule the settings name; that a NaN stops under each; the rules that are Optuna's."""

import math
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from geotune.record.stopping import StoppingSettings
from geotune.record.stopping_rule import stopping_rule
from tests.record.curves import study_with


def why(study: optuna.Study, number: int = -1, epochs: int = 9, **settings: Any) -> str:
    rule = stopping_rule(StoppingSettings(**settings), epochs)
    reason = rule.why(study, study.get_trials()[number])
    assert rule.prune(study, study.get_trials()[number]) in (bool(reason), False)  # hyperband counts a rung once
    return reason


@pytest.mark.parametrize("rule", ["asha", "hyperband", "median", "none"])
def test_nan_stops_at_once_under_every_rule(rule: str) -> None:
    assert why(study_with([[math.nan]]), rule=rule) == "its error is not a number after epoch 1"
    assert not why(study_with([[9.0]]), rule=rule)
    assert not why(study_with([[]]), rule=rule)


def test_none_lets_all_else_run() -> None:
    assert not why(study_with([[1.0] * 5] * 5 + [[99.0] * 5]), rule="none")


def test_asha_reads_all_its_settings() -> None:
    even, backbones = [[1.0] * 3] * 4, [{"model.backbone": "a"}] * 4 + [{"model.backbone": "b"}]
    behind = study_with([*even, [1.5, 1.5, 1.5]], params=backbones, pace=[{"photos": 50}] * 5)
    assert why(behind, grace=3)
    assert not why(behind, grace=2)
    assert why(behind, grace=1, factor=3)
    assert not why(behind, grace=1, factor=4)
    assert not why(behind, grace=3, enough=6)
    assert not why(behind, grace=3, rungs_by="model.backbone")
    assert why(behind, grace=2, far=1.4)
    assert not why(behind, grace=2, far=1.4, rungs_by="model.backbone")
    assert why(behind, grace=150, resource="photos")
    assert not why(behind, grace=200, resource="photos")


def test_median_is_that_of_the_ended_trials_after_the_grace() -> None:
    study = study_with([[1.0] * 3, [2.0] * 3, [3.0] * 3, [2.5] * 3])
    for number in range(3):
        study.tell(number, 1.0)
    assert why(study, rule="median", enough=3) == "by the median rule after epoch 3"
    assert not why(study, rule="median", enough=4)
    assert not why(study, rule="median", enough=3, grace=4)


def test_hyperband_halves_in_brackets_up_to_the_longest_trial() -> None:
    """27 epochs from a grace of 3 by threes: three brackets, whose first rungs are at 3, 9 and 27 epochs."""
    stopped = {}
    study = optuna.create_study(study_name="brackets")
    rule = stopping_rule(StoppingSettings(rule="hyperband", grace=3, factor=3), 27)
    for number in range(30):
        trial = study.ask()
        for epoch in range(1, 28):
            trial.report(float(number), epoch)
            if rule.prune(study, study.get_trials(deepcopy=False)[number]):
                stopped[number] = epoch
                break
        if number in stopped:
            study.tell(number, state=TrialState.PRUNED)
        else:
            study.tell(number, float(number))
    assert set(stopped.values()) == {3, 9, 27}
    assert 0 not in stopped
