"""The kinds of cells that can be built, by name; the way in for everyone who wants cells of photos."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from geotune.errors import GeotuneError
from geotune.geo.cells import borders, countries, kmeans, quadtree, s2
from geotune.geo.cells.partition import Partition
from geotune.geo.extent import inliers

Kind = Literal["kmeans", "borders", "countries", "s2", "quadtree"]
KINDS: dict[Kind, str] = {
    "kmeans": "near the same centre; always as many as asked for, some across borders",
    "borders": "countries cut in two again and again; exactly as many as asked for, none across a border",
    "countries": "one a country",
    "s2": "squares of Google's S2, quartered where photos are dense; at most as many as asked for",
    "quadtree": "boxes of latitude and longitude, quartered where photos are dense; at most as many as asked for",
}
_Builder = Callable[[ArrayLike, ArrayLike, int, int, int], Partition]


def build(kind: Kind, lat_deg: ArrayLike, lon_deg: ArrayLike, cells: int, seed: int = 0, minimum: int = 1) -> Partition:
    """Photos (N,) in degrees -> cells of that kind, with at least `minimum` photos each where the kind can promise it.

    k-means promises one. A region is cut without its strays (`extent.inliers`): one holiday photo would drag a cell's
    centre across the sea, and the radius that labels are measured by with it. Raises GeotuneError for no photos,
    coordinates that are not finite or off the Earth, and as the builders.
    """
    lat, lon = np.asarray(lat_deg, float).reshape(-1), np.asarray(lon_deg, float).reshape(-1)
    if not lat.size or lat.shape != lon.shape:
        raise GeotuneError(f"cells of {lat.size:,} latitudes and {lon.size:,} longitudes", "take a dataset with photos")
    wrong = int((~(np.isfinite(lon) & (np.abs(lat) <= 90))).sum())
    if wrong:
        raise GeotuneError(
            f"{wrong:,} of {lat.size:,} photos have coordinates that are no place on Earth",
            "import the photos again: geotune data import leaves them out and says why",
        )
    if cells < 1 or minimum < 1:
        raise GeotuneError(f"{cells} cells of at least {minimum} photos", "both are whole numbers above 0")
    own = inliers(lat, lon)
    lat, lon = lat[own], lon[own]
    if kind == "kmeans":
        return kmeans.build(lat, lon, cells, seed)
    builders: dict[str, _Builder] = {
        "borders": borders.build, "countries": countries.build, "s2": s2.build, "quadtree": quadtree.build
    }  # fmt: skip
    return builders[kind](lat, lon, cells, seed, minimum)
