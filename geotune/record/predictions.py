"""`final/predictions.csv`: what the final model said of every test photo, for the report and a user's own plots."""

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geotune.record.folder import write_atomic

Floats = NDArray[np.float64]
COLUMNS = ("id", "latitude", "longitude", "predicted_latitude", "predicted_longitude", "error_km")
NAME = "predictions.csv"


def write_predictions(
    folder: Path,
    ids: ArrayLike,
    lat_deg: ArrayLike,
    lon_deg: ArrayLike,
    predicted_lat_deg: ArrayLike,
    predicted_lon_deg: ArrayLike,
    errors_km: ArrayLike,
) -> Path:
    """Write the file into `folder` (the run's `final/`); all arrays (N,). Degrees keep a centimetre."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    numbers = (lat_deg, lon_deg, predicted_lat_deg, predicted_lon_deg)
    columns = [[f"{value:.7f}" for value in np.asarray(column, float)] for column in numbers]
    errors = [f"{value:.6g}" for value in np.asarray(errors_km, float)]
    rows.writerows(zip(np.asarray(ids).tolist(), *columns, errors, strict=True))
    write_atomic(folder / NAME, text.getvalue())
    return folder / NAME


def read_predictions(folder: Path) -> dict[str, Floats]:
    """The number columns by name, each (N,); empty where there is no such file."""
    path = folder / NAME
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in COLUMNS[1:]}
