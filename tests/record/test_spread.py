"""The spread design covers each parameter evenly, point by point."""

import math

from geotune.record.spread import spread
from tests.record.toy import CHOICES, PLAIN, plan_of


def test_sixteen_points_cover_every_range_evenly() -> None:
    space = plan_of(CHOICES | PLAIN).space
    points = [spread(space, 7, k) for k in range(16)]
    assert len({int(params["model.head.dropout"] / 0.5 * 16) for params in points}) == 16
    assert len({int((math.log10(params["optim.lr"]) + 5) / 3 * 16) for params in points}) == 16
    heads = [params["model.head.name"] for params in points]
    assert heads.count("cells") == 8
    layers = [params["model.frozen_layers"] for params in points]
    assert [layers.count(value) for value in range(4)] == [4, 4, 4, 4]
    assert all(("model.head.cells" in params) == (params["model.head.name"] == "cells") for params in points)


def test_a_point_depends_on_space_seed_and_place_alone() -> None:
    space = plan_of(CHOICES | PLAIN).space
    assert spread(space, 7, 11) == spread(space, 7, 11)
    assert spread(space, 7, 11) != spread(space, 8, 11)
    assert spread(space, 7, 9_999) != spread(space, 7, 10_000)
