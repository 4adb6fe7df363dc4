"""A search on the clock: it ends in time for the final training, and says where it stands."""

import io
import json
from typing import Any

from rich.console import Console

from geotune.record.record import Record
from geotune.record.trial import Outcome
from geotune.search.budget import Clock
from geotune.search.display import following, progress_of
from geotune.search.machine import Shape
from geotune.search.run import _final_forecast, run_trials


def endless(record: Record, one: Shape) -> None:
    """Trials that never end of themselves: only the clock can end them."""
    while (trial := record.issue()) is not None:
        epoch = 0
        while record.report(trial.number, trial.attempt, (epoch := epoch + 1), {"valid/median_km": 9.0}) == "go on":
            assert epoch < 20_000
        record.finish(trial.number, trial.attempt, Outcome.STOPPED)


def test_the_clock_ends_the_trials_and_leaves_the_rest_to_the_final_training(make_search: Any) -> None:
    run, _ = make_search("stopping.rule=none", "train.epochs=1000000", "trials=1000")
    now = [0.0]
    clock = Clock(100.0, now=lambda: now[0])
    record = Record(run)
    now[0] = 90.0  # 10 s are left, the full training is forecast to take 30
    text = io.StringIO()
    run_trials(record, endless, Shape(1, 0), clock, 30.0, Console(file=text, width=200))
    assert record.ending == "time"
    assert [view.state for view in record.trials()] == ["stopped"], "kept, and no further trial was begun"
    assert "trial   0 stopped" in text.getvalue()
    record.close()


def test_a_full_training_that_is_other_work_is_forecast_by_its_own_steps(make_search: Any) -> None:
    for words, seconds in ((), 15.0 + 1.2 * 4 * 2.0), (("full.model.frozen_layers=4",), 99.0):
        run, plan = make_search("trials=1", *words)
        assert plan.full_is_other_work == bool(words)
        record = Record(run)
        trial = record.issue()
        assert trial is not None
        record.report(trial.number, trial.attempt, 1, {"valid/median_km": 9.0, "train/seconds": 2.0})
        assert _final_forecast(record, 99.0) == seconds
        record.close()


def test_where_a_training_stands(make_search: Any) -> None:
    folder = make_search()[0].final
    assert progress_of(folder) == ("starting", 0.0)
    folder.path.mkdir()
    told = {"epoch": 2, "epochs": 4, "step": 5, "steps": 10, "stage": "training"}
    folder.progress.write_text(json.dumps(told))
    assert progress_of(folder) == ("training, epoch 2 of 4", 0.375)
    with following(folder, "full training", Console(file=io.StringIO())):
        pass
