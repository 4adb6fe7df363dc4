"""What an epoch's steps add up to."""

import math
import time

import pytest
import torch

from geotune.train.tally import Tally, peak_mb

CPU = torch.device("cpu")


def step(loss: float, part: float) -> dict[str, torch.Tensor]:
    return {"loss": torch.tensor(loss), "part": torch.tensor(part)}


def test_losses_are_means_over_the_photos():
    tally = Tally(CPU)
    tally.add(step(1.0, 4.0), 16)
    tally.add(step(4.0, 1.0), 8)
    metrics = tally.metrics()
    assert (metrics["train/loss"], metrics["train/part"]) == (2.0, 3.0)
    assert tally.step == 2
    assert metrics["train/photos_per_second"] == pytest.approx(24 / metrics["train/seconds"])


def test_a_step_without_a_finite_loss_does_not_count():
    tally = Tally(CPU)
    tally.add(step(1.0, 4.0), 16)
    tally.add(step(math.nan, 1.0), 8)
    assert tally.metrics()["train/part"] == 4.0
    tally = Tally(CPU)
    tally.add(step(math.inf, 1.0), 8)
    assert math.isnan(tally.metrics()["train/loss"])


def test_waiting_is_the_share_of_time_before_batches_are_there(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    tally = Tally(CPU)

    def passing(seconds: float) -> float:
        clock[0] += seconds
        return seconds

    for _ in tally.waited(map(passing, [3.0, 3.0])):
        passing(7.0)
        tally.add(step(1.0, 1.0), 10)
    metrics = tally.metrics()
    assert (metrics["train/seconds"], metrics["train/waiting"], metrics["train/photos_per_second"]) == (20.0, 0.3, 1.0)


def test_it_goes_on_from_its_state():
    tally = Tally(CPU)
    tally.add(step(0.1, 4.0), 16)
    tally.add(step(0.3, 1.0), 8)
    state = tally.state_dict()
    again = Tally(CPU)
    again.load_state_dict(state)
    for one in (tally, again):
        one.add(step(7.0, 7.0), 3)
    assert again.step == 3
    assert again.metrics()["train/loss"] == tally.metrics()["train/loss"]
    assert again.metrics()["train/seconds"] >= state["seconds"]


def test_before_the_first_step_there_is_a_state_too():
    again = Tally(CPU)
    again.load_state_dict(Tally(CPU).state_dict())
    assert again.step == 0


def test_the_process_has_some_memory():
    assert 50 < peak_mb(CPU) < 1e6
