"""What answers without looking at the photo, or an oracle, would err by: the numbers beside a model's own."""

import numpy as np
from numpy.typing import ArrayLike

from geotune.geo.sphere import Floats, distance_km, mean_point, unit_vectors


def mean_place_km(train_lat: ArrayLike, train_lon: ArrayLike, lat: ArrayLike, lon: ArrayLike) -> Floats:
    """(N,) errors in km at places (N,) in degrees of always answering the training places' (M,) mean direction.

    The other single answer, their geometric median, is the centre of every model's own geography.
    """
    return distance_km(lat, lon, *mean_point(train_lat, train_lon))


def nearest_place_km(train_lat: ArrayLike, train_lon: ArrayLike, lat: ArrayLike, lon: ArrayLike) -> Floats:
    """(N,) distances in km to the nearest training place (M,): what an oracle errs by that names training places.

    No retrieval can do better, and a model that can only say where it has been cannot either.
    """
    from scipy.spatial import cKDTree

    train_lat, train_lon = np.asarray(train_lat, float), np.asarray(train_lon, float)
    nearest_N = cKDTree(unit_vectors(train_lat, train_lon)).query(unit_vectors(lat, lon))[1]
    return distance_km(lat, lon, train_lat[nearest_N], train_lon[nearest_N])
