"""Whether an answer names the right country, or the right cell."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geotune.geo.cells.partition import Partition
from geotune.geo.countries import country_codes
from geotune.geo.sphere import Floats, distance_km, unit_vectors
from geotune.geo.stats import Measure

TOP = 5


def country_accuracy(lat: ArrayLike, lon: ArrayLike, found_lat: ArrayLike, found_lon: ArrayLike) -> Measure | None:
    """True and answered places (N,) in degrees -> the share of answers in the photo's own country.

    Only photos that lie in a country count, or within COAST_DEGREES of its coast; an answer at sea is wrong. None
    where no photo lies in a country.
    """
    own, answered = country_codes(lat, lon), country_codes(found_lat, found_lon)
    counted = own != ""
    return Measure((own == answered).astype(float), "mean", counted) if counted.any() else None


def cell_accuracy(
    partition: Partition, lat: ArrayLike, lon: ArrayLike, ranked_Nk: NDArray[np.int64]
) -> dict[str, Measure]:
    """True places (N,) in degrees and cells ranked for each, the likeliest first -> `cell_top1` and `cell_top5`.

    A photo outside all cells has no right answer. `cell_top5` is left out where fewer cells are ranked.
    """
    own_N = partition.assign(lat, lon)
    right_Nk = (ranked_Nk == own_N[:, None]) & (own_N >= 0)[:, None]
    wanted = [k for k in (1, TOP) if k <= ranked_Nk.shape[1]]
    return {f"cell_top{k}": Measure(right_Nk[:, :k].any(axis=1).astype(float)) for k in wanted}


def cells_of_centres(partition: Partition, lat: ArrayLike, lon: ArrayLike) -> NDArray[np.int64]:
    """Places of any shape S, each a cell's centre or near to it, in degrees -> (*S) the cell whose centre is nearest.

    Not `assign`: a crescent of a cell does not hold its own centre.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(unit_vectors(partition.centres_lat, partition.centres_lon))
    return np.asarray(tree.query(unit_vectors(lat, lon))[1], np.int64)


def floor_km(partition: Partition, lat: ArrayLike, lon: ArrayLike) -> Floats:
    """(N,) the error in km of naming each photo's own cell: what a model of argmax cannot go below.

    A photo outside all cells takes the nearest centre.
    """
    cell_N = partition.assign(lat, lon)
    cell_N = np.where(cell_N < 0, cells_of_centres(partition, lat, lon), cell_N)
    return distance_km(lat, lon, partition.centres_lat[cell_N], partition.centres_lon[cell_N])
