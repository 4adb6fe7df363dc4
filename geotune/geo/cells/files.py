"""Cells from a file, for photos: those that `Partition.save` wrote, or a table of S2 or quadtree cells."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geotune.errors import GeotuneError
from geotune.geo.cells import quadtree_csv, s2_csv
from geotune.geo.cells.csv_table import PREAMBLE
from geotune.geo.cells.partition import LEAST_RADIUS_KM, OUTSIDE, Partition, rms_radius_km
from geotune.geo.extent import inliers
from geotune.geo.sphere import Floats, distance_km, mean_point

log = logging.getLogger(__name__)

FAR = 10.0
"""Cells whose centres are so many times as far from these photos as from their own are told of in the log."""


def read_cells(path: Path, lat_deg: ArrayLike, lon_deg: ArrayLike) -> Partition:
    """The cells of a file, to be used for photos at (N,) degrees; a table's radius is that of these photos.

    Photos outside all cells, and cells without a photo, are told of in the log. Raises GeotuneError for a file that is
    missing, damaged or holds no cells, and where none of the photos lies in any, or near any centre of cells that
    have no outside: it is of another dataset.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise GeotuneError(f"{path}: cannot be read ({error.strerror})", "name a file of cells") from None
    except UnicodeDecodeError:
        raise GeotuneError(f"{path}: not text in UTF-8", "name a CSV or JSON file of cells") from None
    is_table = not text.lstrip().startswith("{")
    partition = _table(path, text) if is_table else _saved(path, text)
    lat, lon = np.asarray(lat_deg, float).reshape(-1), np.asarray(lon_deg, float).reshape(-1)
    cell_N = partition.assign(lat, lon)
    inside = cell_N != OUTSIDE
    if not inside.any():
        raise GeotuneError(
            f"{path}: none of the {lat.size:,} photos lies in any of its {len(partition):,} cells",
            "take the cells of this dataset",
        )
    cell_n = cell_N[inside]
    if partition.rule is None:
        _check_near(path, partition, lat, lon, cell_n)
    own = inliers(lat[inside], lon[inside])  # as when cells are built: a stray may lie far from a large cell's centre
    radius_km = max(rms_radius_km(partition, lat[inside][own], lon[inside][own]), LEAST_RADIUS_KM)
    if is_table:
        partition = replace(partition, radius_km=radius_km)
    elif radius_km > FAR * partition.radius_km:
        log.warning(
            "%s: these photos lie %.3g km from the centres of its cells, those that it was made of %.3g km: "
            "is it of another dataset?", path, radius_km, partition.radius_km,
        )  # fmt: skip
    if not inside.all():
        log.warning("%s: %d of %d photos are outside all cells", path, int((~inside).sum()), lat.size)
    empty = len(partition) - len(np.unique(cell_n))
    if empty:
        log.warning("%s: %d of %d cells have no photo, and cannot be learnt", path, empty, len(partition))
    return partition


def _check_near(path: Path, partition: Partition, lat: Floats, lon: Floats, cell_N: NDArray[np.int64]) -> None:
    """Raise GeotuneError where every photo is farther from its cell's centre than the cells lie from their middle."""
    centres = partition.centres_lat, partition.centres_lon
    reach_km = float(distance_km(*centres, *mean_point(*centres)).max()) + FAR * partition.radius_km
    nearest_km = float(distance_km(lat, lon, centres[0][cell_N], centres[1][cell_N]).min())
    if nearest_km > reach_km:
        raise GeotuneError(
            f"{path}: its {len(partition):,} cells lie within {reach_km:,.3g} km of their middle, "
            f"and no photo within {nearest_km:,.3g} km of any: they are of another dataset",
            "take the cells of this dataset",
        )


def _table(path: Path, text: str) -> Partition:
    lines = text.splitlines()
    header = {name.strip() for line in lines[: PREAMBLE + 1] for name in line.split(",")}
    if s2_csv.MARK in header:
        return s2_csv.read(path, lines)
    if quadtree_csv.MARK in header:
        return quadtree_csv.read(path, lines)
    raise GeotuneError(
        f"{path}: no table of cells",
        "S2 cells: class_label,hex_id,imgs_per_cell,latitude_mean,longitude_mean; "
        "quadtree: cluster_id,min_lat,min_lon,max_lat,max_lon,mean_lat,mean_lon",
    )


def _saved(path: Path, text: str) -> Partition:
    try:
        return Partition.from_plain(json.loads(text))
    except (KeyError, TypeError, ValueError) as error:
        raise GeotuneError(f"{path}: the cells are damaged ({error})", "make them again: geotune data cells") from None
