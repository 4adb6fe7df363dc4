"""Cells by k-means: small where photos are dense, large where they are few."""

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geotune.geo.cells.partition import LEAST_RADIUS_KM, Partition, rms_radius_km
from geotune.geo.extent import extent_of, inliers
from geotune.geo.sphere import Floats, LocalFrame, distance_km, geometric_median, lat_lon, unit_vectors

log = logging.getLogger(__name__)

KIND = "kmeans"

_LARGE_CELLS = 512
_ROUNDS, _ROUNDS_LARGE = 100, 20
_SEED_SPOTS, _SEED_SPOTS_A_CELL = 20_000, 3  # seeds are chosen among so many spots
_SAME_SPOT_DECIMALS = 9  # of a unit vector: 6 mm


def build(lat_deg: ArrayLike, lon_deg: ArrayLike, cells: int, seed: int = 0) -> Partition:
    """Photos (N,) in degrees -> a Partition of `cells` cells, each with at least one photo.

    Fewer cells than asked for, with a warning in the log, where there are fewer distinct spots (6 mm). A region is
    clustered in local metres and without its strays (see `extent.inliers`), the world on unit vectors, so no
    cell is torn by a pole or the antimeridian. The same input and seed give the same cells on one machine.
    Raises ValueError where N is 0, a coordinate is not finite, or `cells` is below 1.
    """
    lat, lon = np.asarray(lat_deg, float).ravel(), np.asarray(lon_deg, float).ravel()
    if cells < 1 or not lat.size or lat.shape != lon.shape or not np.isfinite(lat + lon).all():
        raise ValueError(f"{cells} cells of {lat.size} latitudes and {lon.size} longitudes")
    is_region = extent_of(lat, lon) == "region"
    if is_region:
        own = inliers(lat, lon)
        lat, lon = lat[own], lon[own]
    rounded = np.round(unit_vectors(lat, lon), _SAME_SPOT_DECIMALS)  # every longitude of a pole is one spot
    first, photos_S = np.unique(rounded, axis=0, return_index=True, return_counts=True)[1:]
    spots = np.stack([lat[first], lon[first]])
    if spots.shape[1] <= cells:
        if spots.shape[1] < cells:
            log.warning("%d cells instead of %d: the photos stand on no more spots", spots.shape[1], cells)
        centres = (spots[0], spots[1])
    elif is_region:
        frame = LocalFrame(*geometric_median(lat, lon))
        centres = frame.to_lat_lon(_centres(frame.to_metres(*spots), photos_S, cells, seed))
    else:
        centres = lat_lon(_centres(unit_vectors(*spots), photos_S, cells, seed))
    partition = _fill_empty(Partition(KIND, *centres, radius_km=LEAST_RADIUS_KM), spots)
    return replace(partition, radius_km=max(rms_radius_km(partition, lat, lon), LEAST_RADIUS_KM))


def _centres(points_SD: Floats, photos_S: NDArray[np.int64], cells: int, seed: int) -> Floats:
    """(cells, D) centres of the spots (S, D), each weighted by its photos: k-means++ seeds, then Lloyd's rounds.

    In two or three dimensions a KD-tree finds the nearest centre: 10,000 cells of 300,000 photos took 15 CPU seconds,
    where scikit-learn's MiniBatchKMeans took 65 and its centres stood 7 % farther from the photos.
    """
    from scipy.spatial import cKDTree
    from sklearn.cluster import kmeans_plusplus

    large = cells > _LARGE_CELLS
    sample = max(_SEED_SPOTS, _SEED_SPOTS_A_CELL * cells)
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(points_SD), sample, replace=False) if sample < len(points_SD) else slice(None)
    centres: Floats = kmeans_plusplus(
        points_SD[chosen],
        cells,
        sample_weight=photos_S[chosen].astype(float),
        random_state=seed,
        n_local_trials=1 if large else None,  # the better of several candidates a seed: too slow for many cells
    )[0]
    label_S = np.full(len(points_SD), -1)
    for _ in range(_ROUNDS_LARGE if large else _ROUNDS):
        nearest_S = cKDTree(centres).query(points_SD)[1]
        if np.array_equal(nearest_S, label_S):
            break
        label_S = nearest_S
        weight_K = np.bincount(label_S, weights=photos_S, minlength=cells)
        sums = [np.bincount(label_S, weights=photos_S * axis_S, minlength=cells) for axis_S in points_SD.T]
        mean_KD = np.stack(sums, axis=1) / np.maximum(weight_K, 1)[:, None]
        centres = np.where(weight_K[:, None] > 0, mean_KD, centres)
    return centres


def _fill_empty(partition: Partition, spots: Floats) -> Partition:
    """The partition with every empty cell's centre moved onto the spot (2, S) that lies farthest from its own centre.

    A class without a photo is never learnt, but can still be predicted.
    """
    lat, lon = partition.centres_lat.copy(), partition.centres_lon.copy()
    for _ in range(100):  # each round takes the worst spots; two or three are the rule
        cell_S = partition.assign(spots[0], spots[1])
        empty = np.flatnonzero(np.bincount(cell_S, minlength=len(partition)) == 0)
        if not empty.size:
            return partition
        farthest = np.argsort(-distance_km(spots[0], spots[1], lat[cell_S], lon[cell_S]), kind="stable")[: empty.size]
        lat[empty], lon[empty] = spots[0, farthest], spots[1, farthest]
        partition = Partition(partition.kind, lat, lon, radius_km=LEAST_RADIUS_KM)
    used = np.unique(partition.assign(spots[0], spots[1]))
    log.warning("%d cells instead of %d: the others stayed without a photo", used.size, len(partition))
    return Partition(partition.kind, lat[used], lon[used], radius_km=LEAST_RADIUS_KM)
