"""budget.yaml over search.yaml, and spend.json: what stands in them is what is read."""

from collections.abc import Callable

import pytest

from geotune.errors import SettingsError
from geotune.record.budget import Spend, changed, read_limits, read_spend, write_limits, write_spend
from geotune.record.folder import RunFolder
from geotune.record.plan import Plan
from geotune.record.space_file import BudgetSettings


def limits(**words: object) -> BudgetSettings:
    return BudgetSettings.model_validate(words)


def test_what_was_asked_holds_until_it_is_changed(make_run: Callable[..., RunFolder]) -> None:
    run = make_run(time="8h")
    plan = Plan.read(run)
    assert read_limits(run, plan) == limits(trials=12, time="8h")
    write_limits(run, {"trials": 40, "gpu_hours": 2.5})
    write_limits(run, {"time": "none", "trials": 50})
    assert read_limits(run, plan) == limits(trials=50, gpu_hours=2.5)
    assert "time: none" in run.budget_yaml.read_text()
    write_limits(run, {"time": "90m", "gpu_hours": None})
    assert read_limits(run, plan) == limits(trials=50, time="90m")
    assert Plan.read(run).trials == 12, "proposals go by the budget of the beginning"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"trails": 3}, "trails  no such setting; did you mean trials?"),
        ({"time": 30}, "as in 90s, 20m, 8h or 1h30m; got 30"),
        ({"time": "0s", "gpu_hours": -1, "trials": 0}, "3 problems"),
        ({"trials": "none"}, "trials  expected"),
    ],
)
def test_faults_are_told_together(words: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError) as error:
        changed(limits(trials=12, time="8h"), words)
    assert said in str(error.value)


def test_spend(make_run: Callable[..., RunFolder]) -> None:
    run = make_run()
    assert read_spend(run).seconds == 0.0
    spend = Spend(seconds=12.5, gpu_hours=0.25, slots=2, left_seconds=30.0, final_seconds=9.0, written=1.7e9)
    write_spend(run, spend)
    assert read_spend(run) == spend
    assert spend.gpu_seconds == 900.0
    write_spend(run, Spend(seconds=1.0))
    assert "null" in run.spend_json.read_text(), "JSON knows no NaN"
    assert read_spend(run).left_seconds != read_spend(run).left_seconds
    run.spend_json.write_text('{"seconds": 3.0, "of_another_version": 1}')
    assert read_spend(run).seconds == 3.0
