"""Points on a spherical Earth: unit vectors, great-circle distances, centres and local metres.

Degrees at the surface, float64 throughout: at longitude 180 a float32 degree is already 1.7 m wide.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the Earth (IUGG): the only radius in geotune, so that all distances agree."""

_MEDIAN_ROUNDS = 300
_MEDIAN_SMOOTHING_RAD = 1e-9  # 6 mm: keeps a weight finite where the centre stands on a photo
_MEDIAN_STEP = 1e-6  # of the points' own spread: 1 mm in a town, metres in the world


def unit_vectors(lat_deg: ArrayLike, lon_deg: ArrayLike) -> Floats:
    """Degrees, broadcast together to shape S -> unit vectors (*S, 3); x points to (0, 0), z to the north pole."""
    lat, lon = np.radians(np.asarray(lat_deg, float)), np.radians(np.asarray(lon_deg, float))
    lat, lon = np.broadcast_arrays(lat, lon)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def lat_lon(xyz: ArrayLike) -> tuple[Floats, Floats]:
    """Vectors (*S, 3) of any length above 0 -> latitude in [-90, 90] and longitude in [-180, 180), each (*S)."""
    x, y, z = np.moveaxis(np.asarray(xyz, float), -1, 0)
    lat = np.degrees(np.arctan2(z, np.hypot(x, y)))
    return lat, wrap_longitude(np.degrees(np.arctan2(y, x)))


def wrap_longitude(lon_deg: ArrayLike) -> Floats:
    """Any longitude in degrees -> the same meridian in [-180, 180)."""
    lon = np.asarray(lon_deg, float)
    wrapped = (lon + 180.0) % 360.0 - 180.0
    inside = (lon >= -180.0) & (lon < 180.0)
    # A value already in range is kept to the bit; a hair below -180 would otherwise round up to +180.
    return np.where(inside, lon, np.where(wrapped >= 180.0, -180.0, wrapped))


def distance_km(lat1: ArrayLike, lon1: ArrayLike, lat2: ArrayLike, lon2: ArrayLike) -> Floats:
    """Great-circle distance in km between points in degrees; all four broadcast together.

    Vincenty's formula for a sphere: unlike arccos and the haversine it keeps its digits at 0 and at the antipodes.
    """
    phi1, phi2 = np.radians(np.asarray(lat1, float)), np.radians(np.asarray(lat2, float))
    delta = np.radians(np.asarray(lon2, float) - np.asarray(lon1, float))
    across = np.cos(phi2) * np.sin(delta)
    along = np.cos(phi1) * np.sin(phi2) - np.sin(phi1) * np.cos(phi2) * np.cos(delta)
    ahead = np.sin(phi1) * np.sin(phi2) + np.cos(phi1) * np.cos(phi2) * np.cos(delta)
    distance: Floats = EARTH_RADIUS_KM * np.arctan2(np.hypot(across, along), ahead)
    return distance


def mean_point(lat_deg: ArrayLike, lon_deg: ArrayLike) -> tuple[float, float]:
    """The mean direction of the points in degrees: (lat, lon); the first point where they cancel each other out.

    Raises ValueError on no points, and on NaN or infinite ones.
    """
    xyz_N3 = unit_vectors(lat_deg, lon_deg).reshape(-1, 3)
    if not len(xyz_N3):
        raise ValueError("the mean of no points")
    if not np.isfinite(xyz_N3).all():
        nowhere = int((~np.isfinite(xyz_N3).all(axis=1)).sum())
        raise ValueError(f"{nowhere} of {len(xyz_N3)} points are not finite")
    mean = xyz_N3.mean(axis=0)
    return _point(mean if np.linalg.norm(mean) > 1e-12 else xyz_N3[0])


def geometric_median(lat_deg: ArrayLike, lon_deg: ArrayLike) -> tuple[float, float]:
    """The point (lat, lon) in degrees with the least sum of straight-line distances to the points given.

    Weiszfeld's iteration on unit vectors: chord = sqrt(2 - 2 x·p) is concave in x, so each normalised weighted
    mean lowers the sum. A few far photos do not move it, which is why extents and baselines start from it. Raises
    ValueError as `mean_point`.
    """
    xyz_N3 = unit_vectors(lat_deg, lon_deg).reshape(-1, 3)
    centre = unit_vectors(*mean_point(lat_deg, lon_deg))
    for _ in range(_MEDIAN_ROUNDS):
        offset_N3 = xyz_N3 - centre
        chord_N = np.sqrt(np.einsum("ni,ni->n", offset_N3, offset_N3) + _MEDIAN_SMOOTHING_RAD**2)
        weight_N = 1.0 / chord_N
        # The mean of offsets, not of positions: no digits are lost where all points lie within one town.
        moved = centre + weight_N @ offset_N3 / weight_N.sum()
        length = np.linalg.norm(moved)
        if length < 1e-12:
            break
        moved = moved / length
        step = np.linalg.norm(moved - centre)
        centre = moved
        if step <= _MEDIAN_STEP * chord_N.mean():
            break
    return _point(centre)


@dataclass(frozen=True)
class LocalFrame:
    """East and north metres about a centre in degrees: the azimuthal equidistant projection of the sphere.

    Distance and direction from the centre are exact; within 50 km of it all other lengths are right to 0.002 %.
    """

    lat_deg: float
    lon_deg: float

    def to_metres(self, lat_deg: ArrayLike, lon_deg: ArrayLike) -> Floats:
        """Degrees of shape S -> (*S, 2): metres east and north of the centre."""
        local = unit_vectors(lat_deg, lon_deg) @ self._axes().T
        east, north, up = np.moveaxis(local, -1, 0)
        sine = np.hypot(east, north)
        angle = np.arctan2(sine, up)
        scale = EARTH_RADIUS_KM * 1000.0 * np.divide(angle, sine, out=np.ones_like(angle), where=sine > 0)
        return np.stack([east * scale, north * scale], axis=-1)

    def to_lat_lon(self, xy_metres: ArrayLike) -> tuple[Floats, Floats]:
        """(*S, 2) metres east and north -> latitude and longitude in degrees, each (*S)."""
        xy = np.asarray(xy_metres, float) / (EARTH_RADIUS_KM * 1000.0)
        angle = np.hypot(xy[..., 0], xy[..., 1])
        sinc = np.sinc(angle / np.pi)
        local = np.stack([xy[..., 0] * sinc, xy[..., 1] * sinc, np.cos(angle)], axis=-1)
        return lat_lon(local @ self._axes())

    def _axes(self) -> Floats:
        """(3, 3): the unit vectors east, north and up at the centre, one a row."""
        lat, lon = np.radians(self.lat_deg), np.radians(self.lon_deg)
        east = [-np.sin(lon), np.cos(lon), 0.0]
        north = [-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)]
        up = [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
        return np.array([east, north, up])


def _point(xyz: NDArray[Any]) -> tuple[float, float]:
    lat, lon = lat_lon(xyz)
    return float(lat), float(lon)
