"""Reader of quadtree cells: `cluster_id,min_lat,min_lon,max_lat,max_lon,mean_lat,mean_lon`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from geotune.errors import GeotuneError
from geotune.geo.cells.boxes import Boxes
from geotune.geo.cells.csv_table import CellTable
from geotune.geo.cells.partition import Partition

MARK = "min_lat"

_EDGES = (MARK, "min_lon", "max_lat", "max_lon")


def read(path: Path, lines: Sequence[str]) -> Partition:
    """The cells of such a file, with or without two lines before the header; their radius is still 1 km.

    Raises GeotuneError for a table that is none, and for boxes that overlap, are missing, upside down or off the Earth.
    """
    table = CellTable(path, lines, "cluster_id", [*_EDGES, "mean_lat", "mean_lon"])
    try:
        rule = Boxes(np.stack([table.numbers(name) for name in _EDGES], axis=1))
    except ValueError as error:
        raise GeotuneError(f"{path}: {error}", "each place must lie in one box at most") from None
    return Partition("quadtree", *table.places("mean_lat", "mean_lon"), 1.0, rule)
