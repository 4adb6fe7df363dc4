"""A table of cells in a CSV file: columns by name, rows in the order of their labels."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from geotune.errors import GeotuneError
from geotune.geo.sphere import Floats

PREAMBLE = 2
"""Lines that may stand before the header, as some published tables have them."""


class CellTable:
    """The rows of a CSV file. Raises GeotuneError where header or rows are missing, or labels are not 0 … K − 1."""

    def __init__(self, path: Path, lines: Sequence[str], label: str, columns: Sequence[str]) -> None:
        self.path = path
        rows = list(csv.reader(lines))
        start = next((i for i, row in enumerate(rows[: PREAMBLE + 1]) if label in map(str.strip, row)), None)
        if start is None:
            raise GeotuneError(f"{path}: has no column {label}", f"its columns must be {label}, {', '.join(columns)}")
        header = [name.strip() for name in rows[start]]
        missing = [name for name in columns if name not in header]
        if missing:
            raise GeotuneError(f"{path}: has no column {missing[0]}", f"it has {', '.join(header)}")
        body = [row for row in rows[start + 1 :] if any(cell.strip() for cell in row)]
        short = next((i for i, row in enumerate(body) if len(row) != len(header)), None)
        if short is not None:
            raise GeotuneError(
                f"{path}: row {short + 1} has {len(body[short])} values for {len(header)} columns", "copy it again"
            )
        if not body:
            raise GeotuneError(f"{path}: has no cells", "copy it again")
        self._columns = {name: [row[i].strip() for row in body] for i, name in enumerate(header)}
        self._order = np.arange(len(body))
        labels = self.numbers(label)
        self._order = np.argsort(labels, kind="stable")
        wrong = np.flatnonzero(labels[self._order] != np.arange(len(body)))
        if wrong.size:
            raise GeotuneError(
                f"{path}: {label} {wrong[0]} is missing or stands there twice ({len(body):,} cells)",
                f"each of 0 to {len(body) - 1} must stand there once",
            )

    def texts(self, name: str) -> list[str]:
        """(K) a column."""
        return [self._columns[name][row] for row in self._order]

    def numbers(self, name: str) -> Floats:
        """(K,) a column of finite numbers. Raises GeotuneError where one is none."""
        found = np.empty(len(self._order))
        for k, text in enumerate(self.texts(name)):
            try:
                found[k] = float(text)
            except ValueError:
                found[k] = np.nan
            if not np.isfinite(found[k]):
                raise GeotuneError(f"{self.path}: {name} of cell {k} is {text!r}, not a number", "mend it there")
        return found

    def places(self, lat: str, lon: str) -> tuple[Floats, Floats]:
        """(K,) degrees of two columns. Raises GeotuneError where one is no place on Earth."""
        lat_K, lon_K = self.numbers(lat), self.numbers(lon)
        off = np.flatnonzero((np.abs(lat_K) > 90) | (np.abs(lon_K) > 360))
        if off.size:
            k = off[0]
            raise GeotuneError(
                f"{self.path}: the centre of cell {k}, {lat_K[k]:g} {lon_K[k]:g}, is no place on Earth",
                f"{lat} is -90 to 90, {lon} -180 to 180",
            )
        return lat_K, lon_K
