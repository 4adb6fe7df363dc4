"""The forecast of a search: what fits into which limit, from injected times."""

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from geotune.record.folder import read_json, write_atomic
from geotune.record.record import Record
from geotune.search import waiting
from geotune.search.budget import Clock
from geotune.search.forecast import Timed, forecast, show_forecast, time_steps, typical
from geotune.search.machine import Shape
from geotune.train.probe import Forecast

A_TRIAL = Forecast(
    seconds_features=0.0,
    seconds_epoch=10.0,
    epochs=3,
    seconds=30.0,
    memory_mb=100.0,
    checkpoint_mb=50.0,
    cache_mb=200.0,
)


def rows(plan: Any, folder: Path, left: float = float("inf"), gpus: float = 0.0) -> dict[str, str]:
    return dict(forecast(plan, Timed(A_TRIAL, A_TRIAL), Shape(1, gpus), 2, left, folder))


def test_trials_alone(make_search: Any, tmp_path: Path) -> None:
    _, plan = make_search("trials=9")
    found = rows(plan, tmp_path)
    assert found["a trial"] == "about 30 s for all 3 epochs"
    assert found["trials"] == "9, at most about 2:30", "five rounds of two"
    assert found["disk"].startswith("about 0.5 GB (200 MB of it the cache in ")


def test_time_keeps_some_for_the_full_training(make_search: Any, tmp_path: Path) -> None:
    _, plan = make_search("trials=100", "time=5m")
    found = rows(plan, tmp_path, left=300.0)["trials"]
    assert found == "about 15 of 100 fit into 5:00, 63 s kept for the full training", "(300 - 63) s * 2 / 30 s"
    assert rows(plan, tmp_path, left=100.0)["trials"].startswith("about 2 of 100")
    _, plan = make_search("trials=3", "time=5m")
    assert rows(plan, tmp_path, left=300.0)["trials"].startswith("all 3 fit into 5:00")


def test_the_limit_that_ends_first_is_named(make_search: Any, tmp_path: Path) -> None:
    _, plan = make_search("trials=100", "time=8h", "gpu_hours=0.1")
    assert rows(plan, tmp_path, left=28800.0, gpus=0.5)["trials"] == "about 19 of 100 fit into 0.1 GPU hours"
    assert rows(plan, tmp_path, left=28800.0)["trials"].startswith("all 100 fit into 8:00:00"), "no GPU, no GPU hours"


def test_nobody_could_time_it(make_search: Any, tmp_path: Path) -> None:
    _, plan = make_search()
    found = dict(forecast(plan, Timed(None, None), Shape(1, 1), 0, float("inf"), tmp_path))
    assert found == {
        "machine": "0 trials at once, 1 CPU and 1 GPU each (ray)",
        "a trial": "not timed: no worker is free yet",
    }


def test_steps_can_be_timed_without_the_trained_weights(make_search: Any) -> None:
    _, plan = make_search("model.weights=nowhere.pth")
    assert typical(plan).model.weights == "nowhere.pth"
    timed = time_steps(plan, Shape(1, 0), 1, trained=False)
    assert timed.trial is not None
    assert timed.trial.seconds > 0
    assert timed.full is timed.trial


def test_a_resumed_search_does_not_wait_for_steps_that_were_timed(make_search: Any) -> None:
    run, plan = make_search("executor=inline")
    record, out = Record(run), io.StringIO()

    def said(one: Shape) -> str:
        out.truncate(0)
        show_forecast(plan, record, one, 1, Clock(), Console(file=out, width=160))
        return out.getvalue()

    said(Shape(1, 0))
    timed = read_json(run.path / "forecast.json")
    write_atomic(run.path / "forecast.json", json.dumps(timed | {"trial": timed["trial"] | {"seconds": 77.0}}))
    assert "about 77 s for all 3 epochs" in said(Shape(1, 0))
    assert "about 77 s" not in said(Shape(2, 0)), "a trial of another shape takes another time"
    record.close()


@pytest.mark.ray
@pytest.mark.slow
def test_on_a_cluster_that_others_have_filled_steps_are_not_timed_and_the_full_training_says_why_it_waits(
    make_search: Any, two_nodes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    from geotune.search.executors.ray_board import said_why
    from geotune.search.executors.ray_cluster import cluster

    run, plan = make_search(f"address={two_nodes}", "device=cpu")
    with cluster(plan.settings):
        assert time_steps(plan, Shape(1, 1), 2).trial is not None
        holds = ray.remote(num_cpus=1, num_gpus=1, max_retries=0)(_hold)
        held = [holds.remote(str(tmp_path / f"held-{number}")) for number in range(2)]
        while len(list(tmp_path.glob("held-*"))) < 2 or ray.available_resources().get("GPU"):
            time.sleep(0.1)
        assert time_steps(plan, Shape(1, 1), 2).trial is None
        monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.0)
        with said_why(run, Shape(1, 1), 1, run.final.about.exists):
            while waiting.waiting(run) != "1 slot of the cluster taken by others: waiting for 1 CPU and 1 GPU":
                time.sleep(0.1)
            write_atomic(run.final.about, "{}\n")
            while waiting.waiting(run):
                time.sleep(0.1)
        for task in held:
            ray.cancel(task, force=True)


def _hold(sign: str) -> None:
    Path(sign).touch()
    time.sleep(60)
