"""Which photos can be reached from which, by steps of a length: the groups that far-away photos are not in."""

from typing import Any

import numpy as np
import numpy.typing as npt

from geotune.data.split.near import RADIUS_M, Points
from geotune.geo.sphere import Floats

Ints = npt.NDArray[np.int64]

_ROUNDING = 1 + 1e-9
"""So that a step of exactly the length counts."""
_AT_ONCE = 4096


def reachable(lat: Floats, lon: Floats, step_m: float) -> Ints:
    """The group of each photo, (N,), numbers from 0 in order of its first photo: what steps of `step_m` connect.

    Photos are led by one within half a step, so those of one leader belong together, as do leaders within a step. Only
    photos of leaders one to two steps apart have to be looked at one by one, and leaders have few such neighbours.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    def groups(pairs: Ints) -> Ints:
        ones = np.ones(len(pairs), bool)
        links = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(len(leaders), len(leaders)))
        return np.asarray(connected_components(links, directed=False)[1], np.int64)

    photos = Points(lat, lon)
    first = photos.leaders(step_m / 2)
    leaders = Points(lat[first], lon[first])
    led_by = leaders.nearest(lat, lon)[1]
    tree = cKDTree(leaders.xyz_N3)
    linked = tree.query_pairs(_chord(step_m), output_type="ndarray").astype(np.int64)
    group = groups(linked)
    doubtful = tree.query_pairs(_chord(2 * step_m), output_type="ndarray").astype(np.int64)
    doubtful = doubtful[group[doubtful[:, 0]] != group[doubtful[:, 1]]]
    size = np.bincount(led_by, minlength=len(leaders))
    doubtful = doubtful[(size[doubtful] > 1).any(axis=1)]  # lone photos are further apart than a step
    of = np.split(np.argsort(led_by, kind="stable"), np.cumsum(size)[:-1])
    trees = {leader: cKDTree(photos.xyz_N3[of[leader]]) for leader in np.unique(doubtful).tolist()}
    met = [_meet(trees[a], photos.xyz_N3[of[b]], _chord(step_m)) for a, b in doubtful.tolist()]
    return groups(np.concatenate([linked, doubtful[np.array(met, bool)]]))[led_by]


def _meet(tree: Any, xyz: Floats, chord: float) -> bool:
    """Whether any of the points (M, 3) is as near to one of the tree; no more of them are asked than it takes."""
    parts = (xyz[at : at + _AT_ONCE] for at in range(0, len(xyz), _AT_ONCE))
    return any(np.isfinite(tree.query(part, distance_upper_bound=chord)[0]).any() for part in parts)


def _chord(length_m: float) -> float:
    return float(2 * np.sin(min(length_m / RADIUS_M, np.pi) / 2)) * _ROUNDING
