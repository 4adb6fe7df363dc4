"""How long a search will take, and what its trials hold of the GPUs."""

import math
from typing import Any

import pytest

from geotune.record.record import Record
from geotune.record.trial import Outcome
from geotune.search.budget import Clock
from geotune.search.machine import Shape
from geotune.search.progress import Progress, left_seconds


@pytest.mark.parametrize(
    ("ended", "running", "unstarted", "slots", "for_trials", "expected"),
    [
        ([], [5.0], 3, 2, math.inf, math.nan),
        ([10.0, 30.0], [], 4, 1, math.inf, 80.0 + 7.0),
        ([20.0], [], 4, 2, math.inf, 40.0 + 7.0),
        ([20.0], [15.0], 1, 1, math.inf, 25.0 + 7.0),
        ([20.0], [50.0, 0.0], 0, 8, math.inf, 20.0 + 7.0),  # one is overdue, one has just begun
        ([20.0], [], 100, 1, 60.0, 60.0 + 7.0),  # the budget ends before the trials do
        ([20.0], [], 100, 1, -5.0, 7.0),
    ],
)
def test_the_time_to_the_end(
    ended: list[float], running: list[float], unstarted: int, slots: int, for_trials: float, expected: float
) -> None:
    found = left_seconds(ended, running, unstarted, slots, for_trials, final=7.0)
    assert found == pytest.approx(expected, nan_ok=True)


def test_of_an_open_record(make_search: Any) -> None:
    run, _ = make_search("trials=5", "stopping.rule=none", "train.epochs=3")
    now = [0.0]
    clock = Clock(now=lambda: now[0], longest_tick=math.inf)
    record = Record(run)
    progress = Progress(record, clock, 2)
    half = Shape(1, 0.5)
    for number in (0, 1, 2):
        assert record.issue() is not None
        assert progress.gpus(half) == number * 0.5, "one that waits for its slot holds nothing"
        run.trial(number).progress.write_text("{}")
    assert progress.gpus(half) == 1.5
    assert progress.gpus(Shape(1, 0.25)) == 1.5, "packing=auto shares GPUs among those that begin later"
    assert progress.gpus(Shape(1, 0)) == 0.0
    assert math.isnan(progress.left_seconds(5, 10.0))
    assert progress.slots == 3, "a cluster has grown"
    record.report(0, 1, 1, {"valid/median_km": 9.0, "train/seconds": 10.0})
    record.finish(0, 1, Outcome.STOPPED)
    now[0] = 5.0  # 15 slot-seconds for 10 of training
    assert progress.left_seconds(5, 10.0) == pytest.approx((15.0 * 2 + 15.0 * 2) / 3 + 10.0)
    assert progress.gpus(half) == 1.0
    record.close()
