"""Cells of Google's S2, small where photos are dense: as in the field's S2 partitions."""

import numpy as np
from numpy.typing import ArrayLike

from geotune.geo.cells.partition import Partition
from geotune.geo.cells.quarters import quarter
from geotune.geo.cells.s2_cells import S2Cells, leaf_ids, token_of

KIND = "s2"


def build(lat_deg: ArrayLike, lon_deg: ArrayLike, cells: int, seed: int = 0, minimum: int = 1) -> Partition:
    """Photos (N,) in degrees -> a Partition of at most `cells` S2 cells, each with at least `minimum` photos.

    The fullest cell is quartered next. What has fewer photos, or none, is outside. The seed changes nothing. Raises
    GeotuneError where `cells` is below the number of faces that have photos (at most 6).
    """
    lat, lon = np.asarray(lat_deg, float), np.asarray(lon_deg, float)
    found = quarter(leaf_ids(lat, lon) >> np.uint64(1), cells, minimum)
    tokens = [token_of(prefix, depth) for prefix, depth in zip(found.prefixes, found.depths, strict=True)]
    return Partition.of_photos(KIND, lat, lon, found.cell, S2Cells(tokens), levels=found.levels)
