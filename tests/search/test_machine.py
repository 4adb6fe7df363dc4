"""How many trials fit on a machine."""

from typing import Any

import pytest

from geotune.errors import GeotuneError, SettingsError
from geotune.record.plan import SearchSettings
from geotune.search.machine import Offer, Shape, shape, slots


@pytest.mark.parametrize(
    ("asked", "cpus", "gpus", "one", "at_once"),
    [
        ({}, 2, 0, Shape(1, 0), 2),
        ({}, 16, 1, Shape(16, 1), 1),
        ({}, 16, 4, Shape(4, 1), 4),
        ({"gpus": 0.25}, 16, 1, Shape(4, 0.25), 4),
        ({"gpus": 0.25, "cpus": 8}, 16, 1, Shape(8, 0.25), 2),
        ({"cpus": 2}, 2, 0, Shape(2, 0), 1),
        ({"gpus": 0}, 8, 1, Shape(1, 0), 8),
    ],
)
def test_shapes_and_slots(asked: dict[str, float], cpus: float, gpus: float, one: Shape, at_once: int) -> None:
    got = shape(SearchSettings(**asked), Offer(((cpus, gpus),)))
    assert got == one
    assert slots(got, Offer(((cpus, gpus),))) == at_once


def test_a_trial_that_fits_nowhere_is_said_at_once() -> None:
    with pytest.raises(GeotuneError, match="2 CPU and 1 GPU; there is 1 node with 2 CPUs and 0 GPUs"):
        shape(SearchSettings(gpus=1, cpus=2), Offer(((2, 0),)))


def test_a_cluster_without_workers_yet_is_asked_for_a_gpu() -> None:
    assert shape(SearchSettings(address="auto"), Offer(((0, 0),))) == Shape(1, 1)
    assert shape(SearchSettings(address="auto", gpus=0.5, cpus=4), Offer(((0, 0),))) == Shape(4, 0.5)
    assert slots(Shape(1, 1), Offer(((0, 0),))) == 0


def test_a_trial_runs_on_one_node_whatever_the_others_have() -> None:
    mixed = Offer(((8, 0), (4, 1), (16, 2)))
    assert shape(SearchSettings(address="auto"), mixed) == Shape(4, 1), "the leanest GPU node decides"
    assert slots(Shape(4, 1), mixed) == 3
    with pytest.raises(GeotuneError, match="fit on one node"):
        shape(SearchSettings(address="auto", gpus=3), mixed)


def test_nodes_that_an_autoscaler_starts_count_where_they_are_known() -> None:
    """The head of cluster.yaml: no CPUs for trials, no workers yet, kinds of nodes from its autoscaler."""
    settings, head = SearchSettings(address="auto"), ((0.0, 0.0),)
    assert shape(settings, Offer(head, ((0, 0), (8, 1)))) == Shape(8, 1)
    assert shape(settings, Offer(head, ((0, 0), (4, 0)))) == Shape(1, 0)
    assert slots(Shape(8, 1), Offer(head, ((8, 1),))) == 0, "none is there yet"
    larger = SearchSettings(address="auto", gpus=2, cpus=8)
    told = "asks for 8 CPU and 2 GPU; there is 1 node with 0 CPUs and 0 GPUs, and the autoscaler starts nodes with"
    with pytest.raises(GeotuneError, match=told):
        shape(larger, Offer(head, ((8, 1),)))
    with pytest.raises(GeotuneError) as nothing_grows:
        shape(larger, Offer(head, ()))
    assert nothing_grows.value.problem.endswith("there is 1 node with 0 CPUs and 0 GPUs")


@pytest.mark.parametrize(
    ("other", "told"), [({"gpus": 0.5}, "gpus= says it"), ({"executor": "inline"}, "one trial at")]
)
def test_packing_stands_alone(other: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        shape(SearchSettings(packing="auto", **other), Offer(((4, 1),)))
    assert shape(SearchSettings(packing="auto"), Offer(((4, 1),))) == Shape(4, 1), "one until a trial was measured"
