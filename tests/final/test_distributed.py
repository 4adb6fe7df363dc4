"""The full training by several processes: real Ray Train workers over gloo."""

from typing import Any

import pytest

from geotune.errors import GeotuneError
from geotune.final.distributed import processes, train_together
from geotune.final.full import Final, train_in_full
from geotune.record.folder import RunFolder
from geotune.record.plan import Plan
from geotune.search.executors.ray_cluster import cluster
from geotune.search.machine import Offer, Shape
from geotune.train.settings import TrainConfig
from tests.tiny_search import kill_a_worker

WORDS = (
    "device=cpu",
    "model.head.name=cells",
    "model.head.cells=8",
    "optim.name=sgd",
    "optim.lr=0.1",
    "model.head.dropout=0.2",
)


def offer(*nodes: tuple[float, float]) -> Offer:
    return Offer(nodes)


def test_how_many_processes_are_worth_it() -> None:
    def count(workers: Any, *nodes: tuple[float, float], **changes: Any) -> int:
        config = TrainConfig.model_validate({"train": {"batch_size": 128}} | changes)
        return processes(workers, config, offer(*nodes))

    assert count("auto", (8, 0)) == 1, "without GPUs one process has all CPUs"
    assert count("auto", (8, 1), (8, 1)) == 2
    assert count("auto", (8, 2), (8, 1)) == 2, "three cannot share batches of 128 evenly"
    assert count("auto", (8, 3), train={"batch_size": 96}) == 3
    assert count("auto", (8, 2), train={"batch_size": 96}) == 1, "BatchNorm's groups of 32 photos stay whole"
    assert count("auto", (64, 8)) == 4, "each gets 32 photos of a batch at least"
    assert count("auto", (8, 4), model={"frozen_layers": 5}) == 1
    assert count("auto", (8, 4), model={"head": {"name": "retrieval"}}) == 1, "it compares the photos of a whole batch"
    assert count(2, (8, 0)) == 2


def in_full(run: RunFolder, address: str, count: int, **changes: Any) -> Final | None:
    from geotune.final.full import read_final

    plan = Plan.read(run)
    config = plan.full_config(changes)
    if count == 1:
        return train_in_full(run.path, 0, config)
    with cluster(plan.settings.model_copy(update={"address": address})):
        train_together(run.path, 0, config, Shape(1, 1), count)
    return read_final(run)


def agree(one: RunFolder, two: RunFolder, *metrics: str) -> None:
    """Whoever trained, every epoch came to the same, and stands there once."""
    ours, theirs = one.final.epochs(), two.final.epochs()
    assert [epoch["epoch"] for epoch in theirs] == [epoch["epoch"] for epoch in ours], "one reporter"
    for mine, other in zip(ours, theirs, strict=True):
        for name in metrics:
            assert other["metrics"][name] == pytest.approx(mine["metrics"][name], rel=1e-4)
    assert (two.model / "model.safetensors").exists()


@pytest.mark.ray
@pytest.mark.slow
def test_two_processes_train_as_one_does(make_search: Any, two_nodes: str) -> None:
    """By SGD: AdamW makes steps of rounding errors.

    BatchNorm's running averages are means over the processes, so that validation may differ by a little.
    """
    words = (*WORDS, "model.frozen_layers=0", "train.norm_batch=16", "train.epoch_photos=64", "full.train.epochs=3")
    one, two = make_search(*words)[0], make_search(*words)[0]
    assert in_full(one, two_nodes, 1) is not None
    assert in_full(two, two_nodes, 2) is not None
    agree(one, two, "train/loss")


@pytest.mark.ray
@pytest.mark.slow
def test_a_killed_process_costs_at_most_an_epoch_and_changes_nothing(make_search: Any, two_nodes: str) -> None:
    words = (*WORDS, "model.frozen_layers=5", "train.norm_batch=16", "train.epoch_photos=64", "full.train.epochs=40")
    one, two = make_search(*words)[0], make_search(*words)[0]
    alone = in_full(one, two_nodes, 1)
    killed = kill_a_worker("ray::RayTrainWorker", lambda: len(two.final.epochs()) >= 3)
    together = in_full(two, two_nodes, 2)
    assert killed
    assert alone is not None
    assert together is not None
    assert [epoch["epoch"] for epoch in two.final.epochs()] == list(range(1, 41)), "every epoch is there, once"
    agree(one, two, "train/loss", "valid/loss")
    assert together.median == pytest.approx(alone.median, rel=1e-3)


def test_batches_that_cannot_be_shared_are_told_before_any_process_starts(make_search: Any) -> None:
    run, plan = make_search(*WORDS)
    with pytest.raises(GeotuneError, match="2 processes that train together cannot share batches of 31 photos"):
        train_together(run.path, 0, plan.full_config({"train.batch_size": 31}), Shape(1, 0), 2)
    assert not run.ray.exists()


@pytest.mark.ray
@pytest.mark.slow
def test_a_mistake_that_a_process_finds_is_told_as_it_is(make_search: Any, two_nodes: str) -> None:
    run, plan = make_search(*WORDS)
    config = plan.full_config({"model.weights": "nowhere.pth"})
    with (
        cluster(plan.settings.model_copy(update={"address": two_nodes})),
        pytest.raises(GeotuneError, match=r"nowhere\.pth"),
    ):
        train_together(run.path, 0, config, Shape(1, 1), 1)
