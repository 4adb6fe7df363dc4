"""How many trials share a GPU, from figures that no GPU here could give."""

from typing import Any

import pytest

from geotune.record.folder import read_json
from geotune.search.machine import Offer, Shape
from geotune.search.packing import Measured, Packing, shared, trials_a_gpu

SMALL = Measured(peak_mb=2000, waiting=0.8, gpu_mb=80_000, cpus_used=1.5)
OFFER = Offer(((16, 1),), ())


@pytest.mark.parametrize(
    ("found", "cpus", "count"),
    [
        (SMALL, 16, 5),  # idle four fifths of the time
        (Measured(20_000, 0.8, 80_000, 1.5), 16, 3),  # three times 20 GB and a quarter more
        (Measured(50_000, 0.8, 80_000, 1.5), 16, 1),
        (Measured(2000, 0.8, 80_000, 7.0), 16, 2),  # it waits because its CPUs are busy
        (Measured(2000, 0.1, 80_000, 1.5), 16, 1),  # the GPU is busy already
        (Measured(2000, 1.0, 80_000, 0.1), 64, 8),
        (Measured(0, 0.8, 80_000, 1.5), 16, 5),
    ],
)
def test_memory_cpus_and_idleness_each_bound_it(found: Measured, cpus: float, count: int) -> None:
    assert trials_a_gpu(found, cpus) == count


def test_trials_of_heads_alone_leave_a_gpu_idle_without_waiting() -> None:
    busy = Measured(500, 0.0, 80_000, 1.0)
    assert trials_a_gpu(busy, 16) == 1
    assert trials_a_gpu(busy, 16, heads_only=True) == 8
    assert trials_a_gpu(busy, 16, cpus_a_trial=4, heads_only=True) == 4


def test_the_first_measured_trial_decides_for_the_whole_search_and_for_its_resumption(make_search: Any) -> None:
    run, plan = make_search("packing=auto", "model.frozen_layers=3")
    packing = Packing(plan, run, Shape(16, 1), OFFER)
    assert packing.one == Shape(16, 1)
    packing.learn(Measured(2000, 0.8, 0.0, 1.5))  # of no GPU
    assert packing.measures
    packing.learn(SMALL)
    assert packing.one == Shape(3, 0.2)
    packing.learn(Measured(50_000, 0.0, 80_000, 1.5))
    assert packing.one == Shape(3, 0.2), "one fraction a search"
    assert read_json(run.path / "packing.json")["peak_mb"] == 2000
    assert Packing(plan, run, Shape(16, 1), OFFER).one == Shape(3, 0.2)
    assert shared(run, Shape(16, 1)) == Shape(3, 0.2)
    assert shared(run, Shape(1, 0)) == Shape(1, 0), "it goes on where there is no GPU"


def test_it_is_found_out_only_where_it_was_asked_for_and_there_are_gpus(make_search: Any) -> None:
    for words, one in (((), Shape(16, 1)), (("packing=auto",), Shape(1, 0))):
        run, plan = make_search(*words)
        packing = Packing(plan, run, one, OFFER)
        packing.learn(SMALL)
        assert packing.one == one


def test_a_space_of_frozen_backbones_trains_heads_alone_and_cpus_that_are_given_stay(make_search: Any) -> None:
    run, plan = make_search("packing=auto", "cpus=3")
    packing = Packing(plan, run, Shape(3, 1), OFFER)
    packing.learn(Measured(500, 0.0, 80_000, 1.0))
    assert packing.one == Shape(3, 0.2), "five trials of three CPUs on sixteen"
