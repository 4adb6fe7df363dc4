"""Cells of a quadtree on latitude and longitude, small where photos are dense: as in OpenStreetView-5M."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geotune.geo.cells.boxes import Boxes
from geotune.geo.cells.partition import Partition
from geotune.geo.cells.quarters import DEEPEST, quarter
from geotune.geo.sphere import Floats, wrap_longitude

KIND = "quadtree"


def build(lat_deg: ArrayLike, lon_deg: ArrayLike, cells: int, seed: int = 0, minimum: int = 1) -> Partition:
    """Photos (N,) in degrees -> a Partition of at most `cells` boxes, each with at least `minimum` photos.

    The root is the whole Earth; the fullest box is quartered next, at its middle parallel and meridian. What has
    fewer photos, or none, is outside. The seed changes nothing. Raises GeotuneError as `quarters.quarter`.
    """
    lat, lon = np.asarray(lat_deg, float), wrap_longitude(lon_deg)
    row_N, column_N = _steps((lat + 90) / 180), _steps((lon + 180) / 360)
    found = quarter(_spaced(row_N) << np.uint64(1) | _spaced(column_N), cells, minimum)
    one_K = np.full(len(found.prefixes), -1)
    one_K[found.cell[found.cell >= 0]] = np.flatnonzero(found.cell >= 0)  # any photo says where its box is
    side_K = np.uint64(1) << (DEEPEST - np.array(found.depths)).astype(np.uint64)
    south_west_K2 = np.stack([row_N[one_K], column_N[one_K]], axis=1) // side_K[:, None] * side_K[:, None]
    corners_K4 = np.concatenate([south_west_K2, south_west_K2 + side_K[:, None]], axis=1) / 2.0**DEEPEST
    edges = corners_K4 * [180, 360, 180, 360] - [90, 180, 90, 180]
    return Partition.of_photos(KIND, lat, lon, found.cell, Boxes(edges), levels=found.levels)


def _steps(share: Floats) -> NDArray[np.uint64]:
    return np.clip(np.floor(share * 2.0**DEEPEST), 0, 2**DEEPEST - 1).astype(np.uint64)


def _spaced(number: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """30 bits with a zero before each (interleaving of Morton codes)."""
    masks = (0x0000FFFF0000FFFF, 0x00FF00FF00FF00FF, 0x0F0F0F0F0F0F0F0F, 0x3333333333333333, 0x5555555555555555)
    for shift, mask in zip((16, 8, 4, 2, 1), masks, strict=True):
        number = (number | number << np.uint64(shift)) & np.uint64(mask)
    return number
