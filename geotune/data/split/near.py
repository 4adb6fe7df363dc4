"""Points on the Earth that find their nearest, in metres: no grid that ends at the antimeridian or a pole."""

import numpy as np
import numpy.typing as npt

from geotune.geo.sphere import EARTH_RADIUS_KM, unit_vectors

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

RADIUS_M = EARTH_RADIUS_KM * 1000
_AT_ONCE = 1_000_000
"""Neighbours listed at a time."""


class Points:
    """Points at degrees (N,), in a tree of unit vectors; distances are along the ground."""

    def __init__(self, lat: Floats, lon: Floats) -> None:
        from scipy.spatial import cKDTree

        self.xyz_N3 = unit_vectors(lat, lon).reshape(-1, 3)
        self._tree = cKDTree(self.xyz_N3)

    def __len__(self) -> int:
        return len(self.xyz_N3)

    def nearest(self, lat: Floats, lon: Floats) -> tuple[Floats, Ints]:
        """Metres from each point (M,) to the nearest of these, and which that is; infinite, and 0, where none are."""
        if not len(self):
            return np.full(len(lat), np.inf), np.zeros(len(lat), np.int64)
        chord, which = self._tree.query(unit_vectors(lat, lon).reshape(-1, 3))
        return 2 * RADIUS_M * np.arcsin(np.clip(chord / 2, 0, 1)), np.asarray(which, np.int64)

    def leaders(self, radius_m: float) -> Ints:
        """Greedy leaders: in the order given, each point further than the radius from all leaders before it."""
        chord = 2 * np.sin(min(radius_m / RADIUS_M, np.pi) / 2)
        free = np.ones(len(self), bool)
        found: list[int] = []
        at_once, at = 1, 0
        while len(waiting := at + np.flatnonzero(free[at : at + 8 * at_once])[:at_once]) or at < len(self):
            if not len(waiting):
                at += 8 * at_once
                continue
            # as many points as list no more than a million neighbours, for most of a crowd is led by one of them
            many = self._tree.query_ball_point(self.xyz_N3[waiting], chord, return_length=True)
            waiting = waiting[: max(1, int(np.searchsorted(np.cumsum(many), _AT_ONCE)))]
            before = len(found)
            for point, near in zip(waiting, self._tree.query_ball_point(self.xyz_N3[waiting], chord), strict=True):
                if free[point]:
                    found.append(int(point))
                    free[near] = False
            at = int(waiting[-1]) + 1
            at_once = min(2 * at_once, 4096) if 2 * (len(found) - before) > len(waiting) else max(1, at_once // 2)
        return np.asarray(found, np.int64)
