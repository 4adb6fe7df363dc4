"""The clock adds up what is spent, in ticks, and leaves the final training its time."""

import math

import pytest

from geotune.record.budget import Spend
from geotune.record.space_file import BudgetSettings
from geotune.search.budget import Clock, final_seconds


class Time:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def clock(before: Spend | None = None, **limits: object) -> tuple[Clock, Time]:
    now = Time()
    return Clock(BudgetSettings.model_validate(limits), before or Spend(), now=now), now


def test_the_trials_end_in_time_for_the_final_training() -> None:
    kept, now = clock(time="100s")
    kept.keep(30.0, 0.0)
    for _ in range(69):
        now.seconds += 1.0
        kept.tick()
    assert kept.for_trials() == (1.0, "time")
    assert not kept.too_late(0.5)
    assert kept.too_late(1.5) == "time", "an epoch of 1.5 s cannot end in time"
    now.seconds += 1.0
    assert kept.too_late(0.0) == "time"
    assert kept.for_final() == kept.left == 30.0


def test_a_long_final_training_has_two_fifths_kept() -> None:
    kept, _ = clock(time="100s")
    kept.keep(1e6, 0.0)
    assert kept.for_trials() == (60.0, "time")


def test_without_a_limit_it_never_ends_but_counts() -> None:
    free, now = clock()
    now.seconds += 3.0
    assert free.for_trials()[0] == math.inf
    assert not free.too_late(1e9)
    assert (free.left, free.for_final(), free.spent) == (math.inf, math.inf, 3.0)


def test_time_in_which_the_process_was_stopped_costs_nothing() -> None:
    stopped, now = clock(time="1h")
    now.seconds += 1.0
    stopped.tick()
    now.seconds += 7200.0  # a sleeping laptop
    stopped.tick()
    assert stopped.spent == 6.0, "five seconds of it at the most"


def test_gpu_hours_are_of_the_gpus_that_trials_hold() -> None:
    busy, now = clock(gpu_hours=1.0)
    busy.gpus = lambda: 2.5
    for _ in range(360):
        now.seconds += 2.0
        busy.tick()
    assert busy.spend.gpu_hours == pytest.approx(0.5)
    busy.keep(60.0, 1.0)
    left, first = busy.for_trials()
    assert (left, first) == (pytest.approx((1800 - 60) / 2.5), "gpu_hours")
    busy.gpus = lambda: 0.0
    assert busy.for_trials(1.0) == (pytest.approx(1740.0), "gpu_hours"), "a trial that begins would hold one"
    assert busy.too_late(1800.0, 1.0) == "gpu_hours"
    assert busy.for_final() == pytest.approx(1800.0)


def test_whichever_ends_first() -> None:
    both, _ = clock(time="1h", gpu_hours=0.5)
    assert both.for_trials(1.0) == (1800.0, "gpu_hours")
    assert both.for_trials(0.25) == (3600.0, "time")


def test_what_earlier_processes_spent_counts() -> None:
    again, now = clock(Spend(seconds=50.0, gpu_hours=0.1, final_seconds=20.0), time="100s", gpu_hours=1)
    now.seconds += 1.0
    assert (again.spent, again.left) == (51.0, 49.0)
    assert again.for_trials() == (29.0, "time"), "and so does what was kept"
    assert again.spend.gpu_hours == 0.1


def test_a_final_training_that_was_interrupted_has_its_time_anew() -> None:
    late, _ = clock(Spend(seconds=99.0, final_seconds=30.0), time="100s")
    assert late.for_final() == 30.0
    lowered, _ = clock(Spend(seconds=99.0, final_seconds=30.0), time="10s")
    assert lowered.for_final() == 4.0, "two fifths of the whole at the most"


def test_the_forecast_grows_with_epochs() -> None:
    assert final_seconds(2.0, 30) > final_seconds(2.0, 10) > 2.0 * 10
