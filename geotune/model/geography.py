"""The coordinates that a model computes in: a region's local plane or the world's unit sphere, safe in float32."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from geotune.geo.extent import extent_of, inliers
from geotune.geo.metrics import Extent
from geotune.geo.sphere import (
    EARTH_RADIUS_KM,
    Floats,
    LocalFrame,
    distance_km,
    geometric_median,
    lat_lon,
    unit_vectors,
)

SMALLEST_RADIUS_KM = 0.001  # a single place has no radius; a metre keeps the unit finite


@dataclass(frozen=True)
class Geography:
    """Where the training places lie: the frame and the unit of every head. Plain data.

    Coordinates have P axes: for a region 2, east and north of the centre in units of `rms_radius_km` (float32 then
    resolves 0.1 mm of a town); for the world 3, the unit vector.
    """

    extent: Extent
    lat_deg: float
    """The centre: the training places' geometric median."""
    lon_deg: float
    rms_radius_km: float
    """Root mean square distance of the training places from the centre, without a region's strays."""

    @classmethod
    def of(cls, lat_deg: ArrayLike, lon_deg: ArrayLike) -> "Geography":
        """The geography of training photos at (N,) degrees, N above 0."""
        lat, lon = np.asarray(lat_deg, float), np.asarray(lon_deg, float)
        centre = geometric_median(lat, lon)
        own = inliers(lat, lon)
        distances = distance_km(lat[own], lon[own], *centre)
        radius = float(np.sqrt(np.mean(distances**2)))
        return cls(extent_of(lat, lon), *centre, max(radius, SMALLEST_RADIUS_KM))

    @property
    def axes(self) -> int:
        """P, the number of coordinates of a point."""
        return 2 if self.extent == "region" else 3

    @property
    def km_per_unit(self) -> float:
        """Kilometres of one unit of coordinates; on the sphere along a great circle."""
        return self.rms_radius_km if self.extent == "region" else EARTH_RADIUS_KM

    @property
    def radius(self) -> float:
        """`rms_radius_km` in units of coordinates: the unit of losses."""
        return self.rms_radius_km / self.km_per_unit

    def coordinates(self, lat_deg: ArrayLike, lon_deg: ArrayLike) -> Floats:
        """Degrees (N,) -> float64 coordinates (N, P)."""
        if self.extent == "world":
            return unit_vectors(lat_deg, lon_deg)
        return self._frame.to_metres(lat_deg, lon_deg) / (1000.0 * self.rms_radius_km)

    def lat_lon(self, coordinates: ArrayLike) -> tuple[Floats, Floats]:
        """Coordinates (*S, P) -> latitude and longitude in degrees, each (*S); a world's need not have length 1."""
        if self.extent == "world":
            return lat_lon(coordinates)
        return self._frame.to_lat_lon(np.asarray(coordinates, float) * (1000.0 * self.rms_radius_km))

    @property
    def _frame(self) -> LocalFrame:
        return LocalFrame(self.lat_deg, self.lon_deg)
