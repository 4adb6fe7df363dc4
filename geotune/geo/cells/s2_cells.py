"""A rule: each cell is a cell of Google's S2, a square of a cube's face, numbered along a Hilbert curve.

The numbers are those of s2geometry.io. Computed with NumPy for millions of points: the Python libraries (s2sphere, last
released in 2017; s2cell) take one point at a time. The tests hold cells that s2cell named.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from geotune.geo.cells.partition import OUTSIDE
from geotune.geo.sphere import Floats, unit_vectors, wrap_longitude

DEEPEST = 30
"""The level of a leaf, about a centimetre wide; level 0 is a whole face."""
Ids = NDArray[np.uint64]

_IJ_TO_POS = np.array([[0, 1, 3, 2], [0, 3, 1, 2], [2, 3, 1, 0], [2, 1, 3, 0]], np.uint64)  # by orientation
_TURN = np.array([1, 0, 0, 3])  # what a position does to the orientation: 1 swaps i and j, 2 mirrors both


@dataclass(frozen=True, eq=False)
class S2Cells:
    """K cells by their tokens, such as `47a1d` (hexadecimal, without the zeros at the end).

    Raises ValueError for what is no token and for cells that overlap.
    """

    tokens: Sequence[str]

    def __post_init__(self) -> None:
        first, last, order = self._ranges
        within = np.flatnonzero(first[1:] <= last[:-1])
        if within.size:
            one, other = (self.tokens[order[within[0] + i]] for i in (0, 1))
            raise ValueError(f"cells {one} and {other} overlap ({within.size} pairs do)")

    def assign(self, lat_deg: Floats, lon_deg: Floats) -> NDArray[np.int64]:
        """(N,) degrees -> (N,) cells, or -1."""
        first, last, order = self._ranges
        known = np.isfinite(lat_deg) & np.isfinite(lon_deg)
        leaf_N = leaf_ids(np.where(known, lat_deg, 0.0), np.where(known, lon_deg, 0.0))
        at_N = np.searchsorted(first, leaf_N, side="right").astype(np.int64) - 1
        inside_N = known & (at_N >= 0) & (leaf_N <= last[at_N])
        return np.where(inside_N, order[at_N], OUTSIDE)

    @cached_property
    def _ranges(self) -> tuple[Ids, Ids, NDArray[np.int64]]:
        """The first and last leaf of every cell along the curve, and the cells in that order."""
        id_K = np.array([id_of(token) for token in self.tokens], np.uint64)
        order = np.argsort(id_K, kind="stable")
        id_K = id_K[order]
        reach_K = (id_K & (~id_K + np.uint64(1))) - np.uint64(1)  # the lowest bit that is set says how large a cell is
        return id_K - reach_K, id_K + reach_K, order

    def plain(self) -> dict[str, Any]:
        return {"rule": "s2", "tokens": list(self.tokens)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        return cls([str(token) for token in plain["tokens"]])


def leaf_ids(lat_deg: Floats, lon_deg: Floats) -> Ids:
    """(N,) finite degrees -> (N,) the ids of the leaf cells that hold the points."""
    x, y, z = unit_vectors(lat_deg, wrap_longitude(lon_deg)).T  # 180 and -180 are one meridian
    face = np.argmax(np.abs([x, y, z]), axis=0)
    face = face + 3 * (np.choose(face, [x, y, z]) < 0)
    with np.errstate(divide="ignore", invalid="ignore"):  # faces that a point is not on
        u = np.choose(face, [y / x, -x / y, -x / z, z / x, z / y, -y / z])
        v = np.choose(face, [z / x, z / y, -y / z, y / x, -x / y, -x / z])
    i, j = _steps(u), _steps(v)
    id_N, turn_N = face.astype(np.uint64), face & 1
    for bit in range(DEEPEST - 1, -1, -1):
        quarter_N = ((i >> bit) & 1) << 1 | (j >> bit) & 1
        position_N = _IJ_TO_POS[turn_N, quarter_N]
        id_N = id_N << np.uint64(2) | position_N
        turn_N = turn_N ^ _TURN[position_N]
    leaf_N: Ids = id_N << np.uint64(1) | np.uint64(1)
    return leaf_N


def token_of(prefix: int, level: int) -> str:
    """The token of the cell whose leaves' ids begin with `prefix`: face and two bits a level."""
    return f"{((prefix << 1) | 1) << (2 * (DEEPEST - level)):016x}".rstrip("0")


def id_of(token: str) -> int:
    """The id of a token. Raises ValueError where it is none."""
    number = int(token.ljust(16, "0"), 16) if re.fullmatch("[0-9a-fA-F]{1,16}", token) else 0
    lowest = number & -number
    # The bit that ends an id stands at an even place below the face's; the six faces leave 6 and 7 unused.
    if not number or number >> 61 > 5 or lowest.bit_length() not in range(1, 62, 2):
        raise ValueError(f"{token!r} is no S2 cell")
    return number


def _steps(u: Floats) -> NDArray[np.int64]:
    """A face's coordinate in [-1, 1] -> which of 2^30 steps, by S2's quadratic projection."""
    s = np.where(u >= 0, 0.5 * np.sqrt(1 + 3 * np.abs(u)), 1 - 0.5 * np.sqrt(1 + 3 * np.abs(u)))
    steps: NDArray[np.int64] = np.clip(np.floor(s * 2**DEEPEST), 0, 2**DEEPEST - 1).astype(np.int64)
    return steps
