"""A cell for each country that has photos."""

import logging
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from geotune.errors import GeotuneError
from geotune.geo.cells.cuts import Cuts
from geotune.geo.cells.partition import OUTSIDE, Partition
from geotune.geo.countries import country_codes

log = logging.getLogger(__name__)

KIND = "countries"


def build(lat_deg: ArrayLike, lon_deg: ArrayLike, cells: int = 0, seed: int = 0, minimum: int = 1) -> Partition:
    """Photos (N,) in degrees -> a Partition with a cell for each country of at least `minimum` photos.

    `cells` and `seed` change nothing: there are as many cells as countries. Photos of other countries and at sea lie
    outside, as the log says. Raises GeotuneError where no country has so many photos.
    """
    code_N = country_codes(lat_deg, lon_deg)
    names, photos = np.unique(code_N, return_counts=True)
    codes = names[(names != "") & (photos >= minimum)]
    if not len(codes):
        raise GeotuneError(
            f"none of the {len(code_N):,} photos lies in a country"
            if minimum <= 1
            else f"no country has {minimum:,} of the {len(code_N):,} photos",
            "take cells of kind kmeans",
        )
    at_N = np.minimum(np.searchsorted(codes, code_N), len(codes) - 1)
    cell_N = np.where(codes[at_N] == code_N, at_N, OUTSIDE)
    outside = int((cell_N == OUTSIDE).sum())
    if outside:
        which = f"no country of at least {minimum} photos" if minimum > 1 else "no country"
        log.warning("%d photos lie in %s: they are outside all cells", outside, which)
    none: Any = np.empty((0, 3))
    rule = Cuts(codes.tolist(), -1 - np.arange(len(codes)), none, np.empty(0), np.empty((0, 2), np.int64))
    return Partition.of_photos(KIND, lat_deg, lon_deg, cell_N, rule, countries=tuple(codes.tolist()))
