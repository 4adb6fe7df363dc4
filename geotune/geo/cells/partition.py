"""A partition of the Earth: every point belongs to the cell whose centre is nearest."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geotune.geo.sphere import Floats, distance_km, unit_vectors


@dataclass(frozen=True, eq=False)
class Partition:
    """K cells by their centres in degrees; label k of a photo is the index of its nearest centre.

    Raises ValueError where the centres are none, of unequal lengths, not finite, or the radius is not above 0.
    """

    kind: str
    """The builder that made it, such as `kmeans`."""
    centres_lat: Floats
    """(K,) degrees."""
    centres_lon: Floats
    """(K,) degrees."""
    radius_km: float
    """Root mean square distance of the photos to their own cell's centre: the unit of soft labels and offsets."""

    def __post_init__(self) -> None:
        for name in ("centres_lat", "centres_lon"):
            centres = np.array(getattr(self, name), float)  # a copy of our own: a partition never changes
            centres.flags.writeable = False
            object.__setattr__(self, name, centres)
        lat, lon = self.centres_lat, self.centres_lon
        if lat.ndim != 1 or lat.shape != lon.shape or not len(lat):
            raise ValueError(f"centres of shapes {lat.shape} and {lon.shape}: expected (K,) twice, K above 0")
        if not (np.isfinite(lat).all() and np.isfinite(lon).all() and np.isfinite(self.radius_km)):
            raise ValueError("centres and radius must be finite")
        if self.radius_km <= 0:
            raise ValueError(f"radius_km={self.radius_km}: expected a radius above 0")

    def __len__(self) -> int:
        return len(self.centres_lat)

    def assign(self, lat_deg: ArrayLike, lon_deg: ArrayLike) -> NDArray[np.int64]:
        """(N,) degrees -> (N,) the cell of each point: the nearest centre on the sphere.

        Every point has a cell, wherever it lies: nothing is swallowed by cell 0.
        """
        points_N3 = unit_vectors(lat_deg, lon_deg).reshape(-1, 3)
        if not len(points_N3):
            return np.empty(0, dtype=np.int64)
        nearest: NDArray[np.int64] = self._tree.query(points_N3)[1].astype(np.int64)
        return nearest

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that say whether two partitions label alike."""
        digest = hashlib.sha256(self.kind.encode())
        for values in (self.centres_lat, self.centres_lon, np.array([self.radius_km])):
            digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree

        return cKDTree(unit_vectors(self.centres_lat, self.centres_lon))


def rms_radius_km(partition: Partition, lat_deg: ArrayLike, lon_deg: ArrayLike) -> float:
    """Root mean square distance in km of the points (N,) to the centres of their own cells."""
    cell_N = partition.assign(lat_deg, lon_deg)
    error_N = distance_km(lat_deg, lon_deg, partition.centres_lat[cell_N], partition.centres_lon[cell_N])
    return float(np.sqrt(np.mean(error_N**2)))
