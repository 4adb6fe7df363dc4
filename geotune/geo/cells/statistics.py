"""What is said of cells: how many photos each has, how far their centres are, and how many cross a border."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geotune.geo.cells.partition import OUTSIDE, Partition
from geotune.geo.countries import country_codes
from geotune.geo.sphere import Floats, distance_km


@dataclass(frozen=True)
class CellStatistics:
    """Of a partition and N photos."""

    cell: NDArray[np.int64]
    """(N,) the cell of each photo, OUTSIDE for none."""
    error_km: Floats
    """(N,) from each photo to its cell's centre, NaN outside: no model that names the right cell's centre is better."""
    photos: NDArray[np.int64]
    """(K,) photos a cell."""
    rms_km: Floats
    """(K,) root mean square distance of a cell's photos to its centre, NaN without photos."""
    crossing: NDArray[np.bool_]
    """(K,) True for cells with photos in more than one country."""

    @property
    def outside(self) -> int:
        """Photos in no cell."""
        return int((self.cell == OUTSIDE).sum())


def statistics(partition: Partition, lat_deg: ArrayLike, lon_deg: ArrayLike) -> CellStatistics:
    """The statistics of photos (N,) in degrees; photos of no country cross no border."""
    lat, lon = np.asarray(lat_deg, float).reshape(-1), np.asarray(lon_deg, float).reshape(-1)
    cell_N = partition.assign(lat, lon)
    inside = cell_N != OUTSIDE
    cell_n, count = cell_N[inside], len(partition)
    error_N = np.full(lat.size, np.nan)
    error_N[inside] = distance_km(
        lat[inside], lon[inside], partition.centres_lat[cell_n], partition.centres_lon[cell_n]
    )
    photos_K = np.bincount(cell_n, minlength=count)
    with np.errstate(invalid="ignore"):
        rms_K = np.sqrt(np.bincount(cell_n, weights=error_N[inside] ** 2, minlength=count) / photos_K)
    codes, code_n = np.unique(country_codes(lat[inside], lon[inside]), return_inverse=True)
    own = codes[code_n] != ""
    pairs = np.unique(np.stack([cell_n[own], code_n[own]]), axis=1)
    return CellStatistics(cell_N, error_N, photos_K, rms_K, np.bincount(pairs[0], minlength=count) > 1)
