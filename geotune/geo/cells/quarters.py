"""Squares along a curve, quartered where most photos are: what S2 cells and quadtree cells have in common."""

import heapq
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geotune.errors import GeotuneError
from geotune.geo.cells.hierarchy import levels_of
from geotune.geo.cells.partition import OUTSIDE

log = logging.getLogger(__name__)

DEEPEST = 30
"""Levels of quartering: two bits of a code each."""


class Quarters(NamedTuple):
    """K squares of the codes (N,) of photos, in the order of the curve."""

    prefixes: list[int]
    """(K) what the codes of a square begin with."""
    depths: list[int]
    """(K) how often the root was quartered."""
    cell: NDArray[np.int64]
    """(N,) the square of each photo, OUTSIDE for one that stands too alone."""
    levels: NDArray[np.int64]
    """(L, K) coarser squares."""


@dataclass(order=True)
class _Square:
    photos: int
    """Negative, for the smallest stands first in a heap."""
    first: int
    """Its photos are first … last − 1 of the sorted codes."""
    last: int = field(compare=False)
    depth: int = field(compare=False)
    cut_in: list[int] = field(compare=False)


def quarter(code_N: NDArray[np.uint64], cells: int, minimum: int) -> Quarters:
    """Codes of 2 · DEEPEST bits below those of the roots -> at most `cells` squares of at least `minimum` photos each.

    The fullest square is quartered next, into those of its quarters that have so many photos; the photos of the
    others are outside all cells from then on (the least count t_min of Müller-Budack et al., ECCV 2018). Where only one
    quarter has so many, it is quartered in its turn; a square that is never parted in two stays whole. Raises
    GeotuneError where there are more roots than cells, or not `minimum` photos in any.
    """
    order = np.argsort(code_N, kind="stable")
    ascending = code_N[order]
    minimum = max(1, minimum)
    heap = _parts(ascending, 0, len(ascending), 0, [], minimum)
    if not heap:
        raise GeotuneError(
            f"{len(code_N):,} photos, and no square of the Earth holds {minimum:,} of them", "take a smaller minimum"
        )
    if len(heap) > cells:
        raise GeotuneError(
            f"{cells:,} cells for photos on {len(heap)} faces of the Earth", f"take at least {len(heap)} cells"
        )
    done: list[_Square] = []
    counts = [len(heap)]
    whole = False  # whether a square had to stay whole for the number of cells
    while heap and counts[-1] < cells:
        square = heapq.heappop(heap)
        parts = _quarters(ascending, square, minimum, len(counts) - 1)
        if len(parts) < 2 or counts[-1] + len(parts) - 1 > cells:
            whole |= len(parts) > 1
            done.append(square)
            continue
        counts.append(counts[-1] + len(parts) - 1)
        for part in parts:
            heapq.heappush(heap, part)
    squares = sorted([*heap, *done], key=lambda square: square.first)
    cell_N = np.full(len(code_N), OUTSIDE)
    for cell, square in enumerate(squares):
        cell_N[order[square.first : square.last]] = cell
    if len(squares) < cells:
        why = "a square becomes up to four at once" if whole else f"no square parts into two of {minimum} photos"
        log.warning("%d cells instead of %d: %s", len(squares), cells, why)
    outside = int((cell_N == OUTSIDE).sum())
    if outside:
        log.warning("%d photos stand in squares of fewer than %d: they are outside all cells", outside, minimum)
    prefixes = [int(ascending[square.first]) >> 2 * (DEEPEST - square.depth) for square in squares]
    levels = levels_of([square.cut_in for square in squares], counts)
    return Quarters(prefixes, [square.depth for square in squares], cell_N, levels)


def _quarters(ascending: NDArray[np.uint64], square: _Square, minimum: int, cut: int) -> list[_Square]:
    """What a square falls into: at the first depth at which two of its quarters have `minimum` photos; else nothing."""
    first, last = square.first, square.last
    while True:
        codes = int(ascending[first]), int(ascending[last - 1])
        same = DEEPEST - ((codes[0] ^ codes[1]).bit_length() + 1) // 2
        if same >= DEEPEST:
            return []
        parts = _parts(ascending, first, last, same + 1, [*square.cut_in, cut], minimum)
        if len(parts) != 1:
            return parts
        first, last = parts[0].first, parts[0].last  # a town, and strays about it: the town is looked into


def _parts(
    ascending: NDArray[np.uint64], first: int, last: int, depth: int, cut_in: Sequence[int], minimum: int
) -> list[_Square]:
    """The squares of one depth that have photos first … last − 1, and at least `minimum` of them."""
    prefix = ascending[first:last] >> np.uint64(2 * (DEEPEST - depth))
    edges = [first, *(first + 1 + np.flatnonzero(np.diff(prefix))).tolist(), last]
    return [
        _Square(low - high, low, high, depth, list(cut_in))
        for low, high in itertools.pairwise(edges)
        if high - low >= minimum
    ]
