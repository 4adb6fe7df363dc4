"""Compromises between several goals: which of a set of values no other is better than in every respect."""

import numpy as np
from numpy.typing import ArrayLike


def front(points_NK: ArrayLike) -> list[int]:
    """The rows that no other row beats: none is at most as large everywhere and smaller somewhere. Less is better.

    Equal rows stand or fall together. Rows are numbered from 0 and come in their order.
    """
    points_NK = np.asarray(points_NK, float)
    left_N = np.lexsort(points_NK.T[::-1])  # then the first that is left is beaten by nobody
    found: list[int] = []
    while left_N.size:
        rest_NK = points_NK[left_N]
        best_K = rest_NK[0]
        found += left_N[(rest_NK == best_K).all(axis=1)].tolist()
        left_N = left_N[(rest_NK < best_K).any(axis=1)]
    return sorted(found)


def layers(points_NK: ArrayLike, wanted: int) -> list[int]:
    """Rows by their front: those that nobody beats, then those that only these beat, until so many are found."""
    points_NK = np.asarray(points_NK, float)
    left_N = np.arange(len(points_NK))
    found: list[int] = []
    while left_N.size and len(found) < wanted:
        best = front(points_NK[left_N])
        found += left_N[best].tolist()
        left_N = np.delete(left_N, best)
    return found
