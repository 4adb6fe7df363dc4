"""`where`: how limits are written, what a trial's number is, and how far it is beyond one."""

import math
from typing import Any

import pytest

from geotune.errors import SettingsError
from geotune.record.limits import EPOCH_SECONDS, OTHERS, Limit, limits, spelt_out
from geotune.record.plan import Plan
from tests.record.toy import PLAIN, plan_of


@pytest.mark.parametrize(
    "written",
    [
        {"where": {"seconds_per_epoch": "< 60", "train/peak_mb": "<= 8000"}},
        {"where.seconds_per_epoch": "< 60", "where.train/peak_mb": "<=8000"},
        {"where": ["seconds_per_epoch<60", "train/peak_mb  <= 8e3"]},
        {"where": {"seconds_per_epoch": "< 1m", "train/peak_mb": "<= 8000"}},
    ],
)
def test_the_ways_to_write_limits(written: dict[str, Any]) -> None:
    found = limits(spelt_out(written)["where"])
    assert [str(limit) for limit in found] == ["seconds_per_epoch < 60", "train/peak_mb <= 8000"]
    assert limits([str(limit) for limit in found]) == found


def test_one_limit_is_written_without_a_list() -> None:
    assert spelt_out({"where": "train/peak_mb < 8000", "seed": 1}) == {"seed": 1, "where": ["train/peak_mb < 8000"]}


def test_metrics_take_their_full_names() -> None:
    assert limits(["valid/p90 < 500"], "region")[0].key == "valid/p90_m"
    assert limits(["valid/within_25km > 0.5"], "world")[0].key == "valid/within_25km"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train/peek_mb < 3", "no such number of a trial; did you mean train/peak_mb?"),
        ("seconds < 3", "no such number of a trial; did you mean train/seconds?"),
        ("train/peak_mb 3", 'expected a bound, as "< 60"'),
        ("train/peak_mb < much", "expected a number behind the sign, as in < 60; got 'much'"),
        ("train/peak_mb < 3m", "expected a number behind the sign"),
        ("valid/p90 < nan", "expected a number behind the sign"),
    ],
)
def test_what_is_no_limit(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        limits([text, "also wrong"])
    assert said in str(caught.value)
    assert "2 problems" in str(caught.value)
    assert f"where.{text.split(maxsplit=1)[0]}" in str(caught.value)


def test_a_limit_on_other_data_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"where.valid/p90_m +no such number"):
        plan_of(PLAIN, {"where": {"valid/p90_m": "< 3"}})


@pytest.mark.parametrize(
    ("limit", "value", "excess"),
    [
        (Limit("a", "<", 60.0), 90.0, 0.5),
        (Limit("a", "<", 60.0), 30.0, -0.5),
        (Limit("a", "<", 60.0), 60.0, 1e-9),
        (Limit("a", "<=", 60.0), 60.0, 0.0),
        (Limit("a", ">", 0.5), 0.25, 0.5),
        (Limit("a", ">=", 0.0), -2.0, 2.0),
        (Limit("a", "<", 60.0), math.inf, 1e6),
        (Limit("a", "<", 60.0), math.nan, -1.0),
    ],
)
def test_how_far_beyond(limit: Limit, value: float, excess: float) -> None:
    assert limit.excess(value) == pytest.approx(excess)


def test_a_trials_number() -> None:
    epochs = {
        1: {"train/seconds": 50.0, "train/peak_mb": 900.0},
        2: {"train/seconds": 10.0, "train/peak_mb": 950.0},
        3: {"train/seconds": 12.0, "train/peak_mb": None},
    }
    assert Limit(EPOCH_SECONDS, "<", 60.0).value(epochs, 2) == 12.0, "the median: the first epoch is slow"
    assert Limit("train/peak_mb", "<", 60.0).value(epochs, 2) == 950.0, "of the epoch that is kept"
    assert math.isnan(Limit("train/peak_mb", "<", 60.0).value(epochs, 3))
    assert math.isnan(Limit(EPOCH_SECONDS, "<", 60.0).value({}, 0))


def test_a_plan_keeps_its_limits_and_the_command_line_wins(make_run: Any) -> None:
    from tests.record.conftest import TREE

    tree = {**TREE, "where": {"seconds_per_epoch": "< 60"}}
    assert [str(limit) for limit in Plan.read(make_run(tree)).where] == ["seconds_per_epoch < 60"]
    asked = {"where": "valid/p90 < 900"}
    assert [str(limit) for limit in Plan.read(make_run(tree, **asked)).where] == ["valid/p90_km < 900"]


def test_the_numbers_that_a_limit_can_name_are_those_of_an_epoch() -> None:
    import torch

    from geotune.train.tally import Tally

    tally = Tally(torch.device("cpu"))
    tally.add({"loss": torch.tensor(1.0)}, 4)
    assert set(tally.metrics()) <= {*OTHERS}
