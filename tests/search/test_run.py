"""A search within its budget: it ends in time for the final training, heeds another budget, says where it stands."""

import io
import math
import threading
from typing import Any

import pytest
from rich.console import Console

from geotune.record.budget import Spend, read_spend, write_limits, write_spend
from geotune.record.record import Record
from geotune.record.space_file import BudgetSettings
from geotune.record.trial import Outcome
from geotune.search.background import repeated
from geotune.search.budget import Clock
from geotune.search.machine import Shape
from geotune.search.notify import Notifier
from geotune.search.run import Run, run_trials
from geotune.search.spending import clock_of, spending
from geotune.search.steward import Reserve, Steward, reopen

ONE = Shape(1, 0)


def run_all(record: Record, run: Run, clock: Clock, final_seconds: float = 0.0) -> str:
    text, silent = io.StringIO(), Notifier("", record.run, print)
    run_trials(record, run, ONE, 1, clock, Reserve(final_seconds), silent, Console(file=text, width=200))
    return text.getvalue()


def endless(record: Record, one: Shape) -> None:
    """Trials that never end of themselves: only the clock can end them."""
    while (trial := record.issue()) is not None:
        epoch = 0
        while record.report(trial.number, trial.attempt, (epoch := epoch + 1), {"valid/median_km": 9.0}) == "go on":
            assert epoch < 20_000
        record.finish(trial.number, trial.attempt, Outcome.STOPPED)


def of_one_epoch(record: Record, one: Shape) -> None:
    while (trial := record.issue()) is not None:
        record.report(trial.number, trial.attempt, 1, {"valid/median_km": 9.0, "train/seconds": 1.0})
        record.finish(trial.number, trial.attempt, Outcome.COMPLETE)


def test_the_clock_ends_the_trials_and_leaves_the_rest_to_the_final_training(make_search: Any) -> None:
    run, _ = make_search("stopping.rule=none", "train.epochs=1000000", "trials=1000")
    now = [0.0]
    clock = Clock(BudgetSettings.model_validate({"time": "100s"}), now=lambda: now[0], longest_tick=math.inf)
    record = Record(run)

    def late(record: Record, one: Shape) -> None:
        trial = record.issue()
        assert trial is not None
        now[0] = 90.0  # 10 s are left, the full training is forecast to take 30
        assert record.report(trial.number, trial.attempt, 1, {"valid/median_km": 9.0}) == "stop"
        record.finish(trial.number, trial.attempt, Outcome.STOPPED)
        assert record.issue() is None

    run_all(record, late, clock, 30.0)
    assert record.ending == "time"
    assert [view.state for view in record.trials()] == ["due"], "kept, and no further trial was begun"
    assert not reopen(record, clock)
    clock.limits = BudgetSettings.model_validate({"time": "1h"})
    assert reopen(record, clock)
    again = record.issue()
    assert again is not None
    assert (again.number, again.attempt) == (0, 2), "with more time it goes on"
    record.close()


def test_an_epoch_in_which_the_machine_slept_is_not_taken_for_a_long_one(make_search: Any) -> None:
    """Else no trial would be begun any more: the next epoch would be expected to take a day too."""
    run, _ = make_search("stopping.rule=none", "train.epochs=1000000", "trials=1000")
    now = [0.0]
    clock = Clock(BudgetSettings.model_validate({"time": "10h"}), now=lambda: now[0])
    record = Record(run, now=lambda: now[0])

    def asleep(record: Record, one: Shape) -> None:
        trial = record.issue()
        assert trial is not None
        for epoch, until in enumerate((4.0, 8.0, 86_400.0), start=1):
            now[0] = until
            assert record.report(trial.number, trial.attempt, epoch, {"valid/median_km": 9.0}) == "go on"
        record.finish(trial.number, trial.attempt, Outcome.COMPLETE)
        assert record.issue() is not None
        record.end("interrupted")
        record.give_back()

    run_all(record, asleep, clock)
    record.close()


def test_another_budget_is_heeded_while_it_runs(make_search: Any) -> None:
    run, plan = make_search("trials=1", "stopping.rule=none", "train.epochs=1000000")
    record, clock = Record(run), clock_of(run, plan)
    wanted: list[dict[str, Any]] = [{"trials": 3}, {"time": "1s"}]

    def three_at_once(record: Record, one: Shape) -> None:
        trials = [record.issue()]
        assert record.issue() is None
        write_limits(run, wanted.pop(0))
        while len(trials) < 3:
            if (trial := record.issue()) is not None:
                trials.append(trial)
        assert record.issue() is None
        write_limits(run, wanted.pop(0))
        for trial in trials:
            assert trial is not None
            epoch = 0
            while record.report(trial.number, trial.attempt, (epoch := epoch + 1), {"valid/median_km": 9.0}) == "go on":
                pass
            record.finish(trial.number, trial.attempt, Outcome.STOPPED)

    with spending(run, plan, clock):
        run_all(record, three_at_once, clock)
    assert record.ending == "time"
    assert len(record.trials()) == 3
    assert read_spend(run).seconds >= 0.5
    record.close()


def test_a_budget_that_is_raised_as_the_executor_ends_is_heeded_too(make_search: Any) -> None:
    run, plan = make_search("trials=1", "stopping.rule=none")
    record, clock = Record(run), clock_of(run, plan)
    runs = []

    def raised(record: Record, one: Shape) -> None:
        of_one_epoch(record, one)
        runs.append(len(record.trials()))
        clock.limits = BudgetSettings(trials=2)

    run_all(record, raised, clock)
    assert runs == [1, 2]
    record.close()


def test_time_that_is_left_but_too_short_for_an_epoch_starts_no_executor_again(make_search: Any) -> None:
    run, _ = make_search("stopping.rule=none", "train.epochs=1000000", "trials=1000")
    now, runs = [0.0], list[float]()
    clock = Clock(BudgetSettings.model_validate({"time": "95s"}), now=lambda: now[0], longest_tick=math.inf)
    record = Record(run, now=lambda: now[0])

    def of_ten_seconds(record: Record, one: Shape) -> None:
        runs.append(now[0])
        if len(runs) > 9:  # or the test would hang
            now[0] += 10.0
        if (trial := record.issue()) is None:
            return
        decision, epoch = "go on", 0
        while decision == "go on":
            now[0], epoch = now[0] + 10.0, epoch + 1
            decision = record.report(trial.number, trial.attempt, epoch, {"valid/median_km": 9.0, "train/seconds": 1.0})
        record.finish(trial.number, trial.attempt, Outcome.STOPPED)
        assert record.issue() is None

    run_all(record, of_ten_seconds, clock)
    assert runs == [0.0]
    assert (record.ending, now) == ("time", [90.0])
    record.close()


def test_a_search_that_is_opened_when_its_time_is_used_up_is_over(make_search: Any) -> None:
    run, plan = make_search("trials=2", "time=1h")
    write_spend(run, Spend(seconds=4000.0))
    record = Record(run)
    assert not reopen(record, clock_of(run, plan))
    assert (record.ending, record.done) == ("time", True)
    write_limits(run, {"time": "2h"})
    assert reopen(record, clock_of(run, plan))
    record.close()


def test_a_budget_file_that_cannot_be_read_changes_nothing(make_search: Any) -> None:
    run, plan = make_search("trials=2", "time=1h")
    clock = clock_of(run, plan)
    with spending(run, plan, clock):
        run.budget_yaml.write_text("time: [")
        seen: list[float] = []
        with repeated(lambda: seen.append(clock.left), 0.1, "look"):
            while len(seen) < 12:
                pass
    assert clock.limits == BudgetSettings.model_validate({"trials": 2, "time": "1h"})


def test_what_goes_wrong_once_does_not_end_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    looks: list[int] = []
    over = threading.Event()

    def look() -> None:
        looks.append(1)
        over.set() if len(looks) == 4 else None
        if len(looks) < 4:
            raise OSError("the file server hiccups")

    with repeated(look, 0.01, "watch"):
        over.wait(60)
    assert len(looks) >= 4
    assert [record.getMessage() for record in caplog.records] == ["watch: OSError('the file server hiccups')"]


def test_a_full_training_that_is_other_work_is_forecast_by_its_own_steps(make_search: Any) -> None:
    for words, seconds in ((), 15.0 + 1.2 * 4 * 2.0), (("full.model.frozen_layers=4",), 99.0):
        run, plan = make_search("trials=1", *words)
        assert plan.full_is_other_work == bool(words)
        record, clock = Record(run), Clock()
        with Steward(record, clock, ONE, 1, Reserve(99.0)) as steward:
            trial = record.issue()
            assert trial is not None
            record.report(trial.number, trial.attempt, 1, {"valid/median_km": 9.0, "train/seconds": 2.0})
            steward.look()
            assert clock.spend.final_seconds == seconds
        record.close()
