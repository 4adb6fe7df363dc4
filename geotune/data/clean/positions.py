"""Positions that cannot be trusted by themselves: far from all others, shared by many, inaccurate by their own word."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geotune.data.audit.flattery import ground
from geotune.data.clean.finding import FAR, INACCURATE, OUTLYING, SHARED_POSITION, Finding, findings
from geotune.data.clean.reach import reachable
from geotune.data.clean.settings import CleanSettings
from geotune.data.split.near import Points
from geotune.geo.metrics import Extent
from geotune.geo.sphere import Floats, distance_km, geometric_median

if TYPE_CHECKING:
    from pandas import DataFrame

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

ALMOST_A_REGION = 0.8
"""With this share of the photos near their middle the rest is worth a note, though the extent is the world."""


OUTLYING_TIMES = 10
"""So many times as far from the middle as most photos: a wrong sign of the longitude in Cambridge is 30 times."""
FEWEST = 20
"""Of fewer photos nothing is usual."""


def far_from_all(
    catalogue: "DataFrame", keep: Bools, settings: CleanSettings, extent: Extent, main: Bools | None = None
) -> tuple[list[Finding], Ints]:
    """Photos that cannot be reached from a region's main part by steps of `settings.far`, and the rows to leave out.

    The main part is where the photos of `main` are, or else where most are.
    So a trip of many photos goes as a whole. A region goes without them unless `keep_far` is set. In a world photos
    may lie alone; only where most lie near each other the rest is noted, for it is what makes a world of them.
    """
    rows = np.flatnonzero(keep)
    if len(rows) < 2:
        return [], rows[:0]
    lat, lon = (catalogue[name].to_numpy(np.float64)[rows] for name in ("lat", "lon"))
    near = distance_km(lat, lon, *geometric_median(lat, lon)) <= 100
    if extent == "world" and near.mean() < ALMOST_A_REGION:
        return [], rows[:0]
    metres, nearest = _beyond(lat, lon, settings.far, None if main is None else main[rows])
    stray = np.flatnonzero(np.isfinite(metres))
    details = [f"{ground(float(length))} from the nearest of the others" for length in metres[stray]]
    gone = extent == "region" and not settings.keep_far
    found = findings(catalogue, rows[stray], FAR, details, rows[nearest[stray]], left_out=gone)
    return found, rows[stray] if gone else rows[:0]


def outlying(catalogue: "DataFrame", keep: Bools, extent: Extent) -> list[Finding]:
    """Photos of a region more than OUTLYING_TIMES as far from its middle as nine of ten photos are, beyond 1 km."""
    rows = np.flatnonzero(keep)
    if extent == "world" or len(rows) < FEWEST:
        return []
    lat, lon = (catalogue[name].to_numpy(np.float64)[rows] for name in ("lat", "lon"))
    km = distance_km(lat, lon, *geometric_median(lat, lon))
    usual = float(np.quantile(km, 0.9))
    out = np.flatnonzero(km > max(1.0, OUTLYING_TIMES * usual))
    around = ground(1000 * usual)
    details = [f"{ground(1000 * km[row])} from the middle, around which nine of ten lie within {around}" for row in out]
    return findings(catalogue, rows[out], OUTLYING, details)


def shared_positions(catalogue: "DataFrame", keep: Bools, settings: CleanSettings) -> list[Finding]:
    """Photos that stand exactly where `settings.shared` or more photos stand."""
    rows = np.flatnonzero(keep)
    points = catalogue[["lat", "lon"]].to_numpy(np.float64)[rows]
    _, first, point, size = np.unique(points, axis=0, return_index=True, return_inverse=True, return_counts=True)
    point = point.ravel()
    many = np.flatnonzero(size[point] >= settings.shared)
    details = [f"{size[point[row]]:,} photos at {points[row, 0]:.6g}, {points[row, 1]:.6g}" for row in many]
    return findings(catalogue, rows[many], SHARED_POSITION, details, rows[first[point[many]]])


def inaccurate(catalogue: "DataFrame", keep: Bools, settings: CleanSettings) -> list[Finding]:
    """Photos whose camera says that the position may be off by more than `settings.gps_error`."""
    error_m = catalogue["gps_error_m"].to_numpy(np.float64)
    rows = np.flatnonzero(keep & (error_m > settings.gps_error))  # NaN is none
    return findings(catalogue, rows, INACCURATE, [f"±{ground(float(error_m[row]))}" for row in rows])


def _beyond(lat: Floats, lon: Floats, far_m: float, known: Bools | None) -> tuple[Floats, Ints]:
    """For photos at degrees (N,): metres from one outside the main part to the nearest in it, and which that is.

    Groups are what steps of `far_m` connect: those with a `known` photo are the main part, or else the largest one. The
    metres are infinite for its photos.
    """
    group = reachable(lat, lon, far_m)
    inside = np.isin(group, np.bincount(group).argmax() if known is None or not known.any() else group[known])
    main, outside = np.flatnonzero(inside), np.flatnonzero(~inside)
    metres, nearest = np.full(len(lat), np.inf), np.zeros(len(lat), np.int64)
    if len(outside):
        metres[outside], place = Points(lat[main], lon[main]).nearest(lat[outside], lon[outside])
        nearest[outside] = main[place]
    return metres, nearest
