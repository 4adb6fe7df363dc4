"""Fronts of values."""

import numpy as np

from geotune.record.pareto import front, layers


def test_a_front_by_hand() -> None:
    points = [(1, 5), (2, 2), (2, 2), (3, 3), (5, 1), (5, 0.5), (9, 9)]
    assert front(points) == [0, 1, 2, 5]
    assert front([(1.0, 1.0)]) == [0]
    assert front(np.empty((0, 2))) == []


def test_a_front_is_what_nobody_beats() -> None:
    points = np.random.default_rng(0).integers(0, 12, (200, 3))
    beaten = [any((other <= point).all() and (other < point).any() for other in points) for point in points]
    assert front(points) == [row for row, is_beaten in enumerate(beaten) if not is_beaten]


def test_layers_go_front_by_front() -> None:
    points = [(0, 0), (1, 2), (2, 1), (3, 3), (4, 4)]
    assert layers(points, 2) == [0, 1, 2]
    assert layers(points, 99) == [0, 1, 2, 3, 4]
