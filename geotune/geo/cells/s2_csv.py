"""Reader of the field's S2 partitions: `class_label,hex_id,imgs_per_cell,latitude_mean,longitude_mean`."""

from collections.abc import Sequence
from pathlib import Path

from geotune.errors import GeotuneError
from geotune.geo.cells.csv_table import CellTable
from geotune.geo.cells.partition import Partition
from geotune.geo.cells.s2_cells import S2Cells

MARK = "hex_id"


def read(path: Path, lines: Sequence[str]) -> Partition:
    """The cells of such a file, with or without two lines before the header; their radius is still 1 km.

    Raises GeotuneError for a table that is none, and for cells that overlap, are missing, or are no S2 cells.
    """
    table = CellTable(path, lines, "class_label", [MARK, "latitude_mean", "longitude_mean"])
    try:
        rule = S2Cells(table.texts(MARK))
    except ValueError as error:
        raise GeotuneError(f"{path}: {error}", "each place must lie in one S2 cell at most") from None
    return Partition("s2", *table.places("latitude_mean", "longitude_mean"), 1.0, rule)
