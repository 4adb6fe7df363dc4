"""Simulated time: what trials cost there, and that the record decides as it does for real trainings."""

import math
from pathlib import Path
from typing import Any

import pytest

from geotune.config import dump_yaml
from geotune.errors import GeotuneError
from geotune.record.folder import RunFolder, append_line, read_lines, write_atomic
from geotune.record.outcome import Outcome
from geotune.record.plan import Plan
from geotune.record.record import Record
from geotune.record.space import Space
from geotune.record.space_file import BudgetSettings
from geotune.search.budget import Clock
from geotune.search.executors.curves import Curve, Curves, recorded
from geotune.search.executors.simulated import Simulated
from geotune.search.machine import Shape
from geotune.train.settings import TrainConfig
from tests.search.test_executors import outcome_of, run_inline, run_ray

ONE = Shape(1, 0)
TREE: dict[str, Any] = {
    "budget": {"trials": 6},
    "sampler": "random",
    "base": {"train.epochs": 4, "model.backbone": "resnet18"},
    "search": {"optim.lr": {"log": [1e-4, 1e-2]}},
}
DATA = {"path": "data", "extent": "region", "fingerprint": "f", "photos": {"train": 10}}


def even(config: TrainConfig) -> Curve:
    """Ten seconds an epoch; the higher the learning rate, the better."""
    metrics = tuple(
        {"valid/median_m": 100.0 / epoch - math.log10(config.optim.lr), "train/seconds": 10.0}
        for epoch in range(1, config.train.epochs + 1)
    )
    return Curve((10.0,) * len(metrics), metrics)


def made(folder: Path, tree: dict[str, Any] = TREE, **asked: Any) -> RunFolder:
    run = RunFolder.create(folder, "made")
    Plan.make(asked, Space.parse("made", tree, {}), tree, {}, DATA).write(run)
    return run


def simulate(run: RunFolder, curves: Curves = even, workers: int = 1, start: float = 0.0, **more: Any) -> Simulated:
    simulated = Simulated(curves, workers, start, **({"proposal_seconds": 0.0} | more))
    record = Record(run, now=simulated.now, background=False)
    try:
        simulated.run(record, ONE)
        assert record.done
    finally:
        record.close()
    return simulated


def times(run: RunFolder, number: int) -> list[float]:
    return [line["time"] for line in read_lines(run.trial(number).metrics)]


def trials_of(run: RunFolder) -> list[Any]:
    record = Record(run)
    try:
        return outcome_of(record)
    finally:
        record.close()


NONE = {"stopping.rule": "none"}


def test_one_worker_takes_the_sum_of_all(tmp_path: Path) -> None:
    run = made(tmp_path, **NONE)
    simulated = simulate(run, start=3.0, proposal_seconds=2.0)
    assert simulated.now() == 6 * (2 + 3 + 4 * 10)
    assert simulated.busy_seconds == 6 * 4 * 10
    assert times(run, 0) == [15, 25, 35, 45]
    assert times(run, 1) == [60, 70, 80, 90]


def test_workers_share_the_trials_and_wait_for_proposals_in_turn(tmp_path: Path) -> None:
    run = made(tmp_path, **NONE)
    simulated = simulate(run, workers=3, proposal_seconds=2.0)
    assert [times(run, number)[0] for number in range(6)] == [12, 14, 16, 54, 56, 58]
    assert simulated.waits == [2, 4, 6, 2, 2, 2]
    assert simulated.now() == 88


def test_more_workers_than_trials_end_too(tmp_path: Path) -> None:
    assert simulate(made(tmp_path, **NONE), workers=20).now() == 40


def test_the_real_time_of_a_proposal_is_charged_unless_another_is_given(tmp_path: Path) -> None:
    assert 240 < simulate(made(tmp_path, **NONE), proposal_seconds=None).now() < 300


def test_the_record_stops_trials_as_ever(tmp_path: Path) -> None:
    run = made(tmp_path, **{"stopping.grace": 1, "stopping.enough": 2, "stopping.factor": 2, "trials": 12})
    simulate(run)
    states = [state for _, state, *_ in trials_of(run)]
    assert {"complete", "stopped"} == set(states)


def test_every_outcome_is_told_and_a_crash_is_tried_again(tmp_path: Path) -> None:
    outcomes = iter([Outcome.DIVERGED, Outcome.INFEASIBLE, Outcome.CRASHED, *[Outcome.COMPLETE] * 9])

    def curves(config: TrainConfig) -> Curve:
        whole = even(config)
        return Curve(whole.seconds, whole.metrics, next(outcomes), "so")

    run = made(tmp_path, **NONE)
    simulated = simulate(run, curves, start=1.0, proposal_seconds=1.0)
    found = trials_of(run)
    assert [state for _, state, *_ in found] == ["diverged", "infeasible", *["complete"] * 4]
    assert simulated.now() == 7 * 41 + 6, "the crashed trial was begun twice, but proposed once"


def test_a_time_budget_is_one_in_simulated_time(tmp_path: Path) -> None:
    run = made(tmp_path, trials=1000, **NONE)
    simulated = Simulated(even, workers=2, proposal_seconds=0.0)
    record = Record(run, now=simulated.now, background=False)
    clock = Clock(BudgetSettings(time="10m"), now=simulated.now, longest_tick=math.inf)
    record.allowance.too_late = clock.too_late
    simulated.run(record, ONE)
    assert record.done
    assert record.ending == "time"
    assert 580 <= simulated.now() <= 600
    assert len(record.trials()) == 30
    record.close()


def test_recorded_curves_are_those_of_the_run(tmp_path: Path) -> None:
    run = made(tmp_path, **NONE)
    simulate(run)
    again = made(tmp_path, **NONE)
    simulate(again, recorded(run), workers=2)
    assert trials_of(again) == trials_of(run)
    other = made(tmp_path, seed=1, **NONE)
    with pytest.raises(GeotuneError, match=r"made-1: no trial with these settings is recorded"):
        simulate(other, recorded(run))


def test_what_was_stopped_cannot_be_replayed_further(tmp_path: Path) -> None:
    run = made(tmp_path, **{"stopping.grace": 1, "stopping.enough": 2, "stopping.factor": 2, "trials": 12})
    simulate(run)
    again = made(tmp_path, trials=12, **NONE)
    with pytest.raises(GeotuneError, match=r"trial \d+: it is not recorded how it went on after epoch 1"):
        simulate(again, recorded(run))


def test_a_recorded_nan_is_one_again(tmp_path: Path) -> None:
    run = made(tmp_path, trials=1)
    config = Plan.read(run).config({"optim.lr": 1e-3})
    write_atomic(run.trial(0).config, dump_yaml(config.model_dump(mode="json")))
    append_line(run.trial(0).metrics, {"epoch": 1, "time": 1.0, "metrics": {"valid/median_m": None}})
    curve = recorded(run)(config)
    assert math.isnan(curve.metrics[0]["valid/median_m"])
    assert curve.outcome is Outcome.STOPPED, "it still ran"


SAME = ("stopping.grace=1", "stopping.enough=2", "stopping.factor=2", "stopping.far=0", "trials=5", "device=cpu")
"""Settings under which no decision depends on how long an epoch took."""


def test_inline_and_simulated_give_the_same_trials_and_decisions(make_search: Any) -> None:
    real, _ = make_search(*SAME)
    trials = run_inline(real)
    replayed, _ = make_search(*SAME)
    simulate(replayed, recorded(real))
    assert trials_of(replayed) == trials
    assert {"complete", "stopped"} == {state for _, state, *_ in trials}


@pytest.mark.ray
@pytest.mark.slow
def test_ray_with_one_slot_and_simulated_give_the_same_trials_and_decisions(make_search: Any, two_nodes: str) -> None:
    real, _ = make_search(*SAME)
    trials = run_ray(real, two_nodes, Shape(2, 1))  # one node alone has so much
    replayed, _ = make_search(*SAME)
    simulate(replayed, recorded(real))
    assert trials_of(replayed) == trials
    assert {"complete", "stopped"} == {state for _, state, *_ in trials}
