"""Goals: the ways to write them, which one leads, and what is no goal."""

from typing import Any

import pytest

from geotune.config import build
from geotune.errors import SettingsError
from geotune.record.goals import Goal, Objective, check, objectives, spelt_out
from geotune.record.plan import SearchSettings
from tests.record.toy import PLAIN, plan_of

TWO = [("minimize", "valid/median"), ("minimize", "train/seconds")]
MIXED = [("maximize", "valid/within_25km"), ("minimize", "train/seconds")]


@pytest.mark.parametrize(
    ("written", "goals"),
    [
        ({"goal.minimize": "valid/median"}, TWO[:1]),
        ({"goal": "valid/median"}, TWO[:1]),
        ({"goal": "valid/within_25km"}, MIXED[:1]),
        ({"goal.minimize": ["valid/median", "train/seconds"]}, TWO),
        ({"goal": ["valid/median", "train/seconds"]}, TWO),
        ({"goal": [{"minimize": "valid/median"}, {"minimize": "train/seconds"}]}, TWO),
        ({"goal.maximize": "valid/within_25km", "goal.minimize": "train/seconds"}, MIXED),
        ({"goal": [{"maximize": "valid/within_25km"}, {"minimize": "train/seconds"}]}, MIXED),
        ({"goal": {"maximize": "valid/within_25km", "minimize": "train/seconds"}}, MIXED),
        ({"goal.minimize": "train/seconds", "goal.maximize": "valid/within_25km", "goal.lead": "maximize"}, MIXED),
    ],
)
def test_the_ways_to_write_goals(written: dict[str, Any], goals: list[tuple[str, str]]) -> None:
    settings = build(SearchSettings, spelt_out({"trials": 3, **written}))
    assert settings.trials == 3
    assert settings.goal is not None
    assert settings.goal.all == goals
    check(settings.goal)


def test_full_names_and_directions() -> None:
    goal = Goal(minimize=["valid/median", "train/seconds"], maximize="valid/within_25m")
    expected = (Objective("valid/median_m", False), Objective("train/seconds", False))
    assert objectives(goal, "region") == (*expected, Objective("valid/within_25m", True))
    assert [found.direction for found in objectives(goal, "region")] == ["minimize", "minimize", "maximize"]


def test_a_plan_keeps_its_goals_through_search_yaml(make_run: Any) -> None:
    from geotune.record.plan import Plan

    run = make_run(**{"goal.maximize": ["valid/within_25km"], "goal.minimize": "train/seconds"})
    plan = Plan.read(run)
    assert plan.goals == (Objective("valid/within_25km", True), Objective("train/seconds", False))
    assert (plan.goal, plan.maximize) == ("valid/within_25km", True)
    assert plan.tree["goal"] == {"maximize": "valid/within_25km"}
    assert plan.tree["goals"] == [{"maximize": "valid/within_25km"}, {"minimize": "train/seconds"}]


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        (Goal(), "expected minimize or maximize with a metric, as goal.minimize=valid/median"),
        (Goal(maximize="valid/median"), "did you mean goal.minimize=valid/median?"),
        (Goal(minimize=["valid/median", "valid/within_25m"]), "did you mean goal.maximize=valid/within_25m?"),
        (Goal(minimize="valid/loss"), "expected an error on the validation photos, as valid/median; got valid/loss"),
        (Goal(minimize="train/seconds"), "on the validation photos as the first goal"),
        (Goal(minimize="valid/medain"), "did you mean valid/median?"),
        (Goal(minimize=["valid/median", "train/secnds"]), "did you mean train/seconds?"),
        (Goal(minimize=["valid/median", "valid/median"]), "valid/median is named twice"),
        (Goal(minimize=["valid/median", "train/photos_per_second"]), "goal.maximize=train/photos_per_second?"),
    ],
)
def test_what_is_no_goal(goal: Goal, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check(goal)
    assert said in str(caught.value)
    assert "1 problem" in str(caught.value)


def test_a_faulty_goal_of_a_file_is_told_with_its_other_faults() -> None:
    tree = {"goal": {"minimize": ["valid/medain"]}, "base": {"train.epoch": 3}, "where": {"train/peek_mb": "< 3"}}
    with pytest.raises(SettingsError) as caught:
        plan_of(PLAIN, tree)
    assert "3 problems" in str(caught.value)
