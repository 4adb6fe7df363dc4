"""A CSV file with a column of image files and their coordinates."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TextIO

from geotune.config import Settings
from geotune.data.sources.found import LeftOut, Photo, position_fault
from geotune.errors import GeotuneError

COLUMNS = {
    "image": ("image", "file", "filename", "file_name", "path", "img", "img_file", "image_path", "image_file", "photo"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "lng", "long"),
    "place": ("place", "place_id"),
    "split": ("split", "subset"),
}
NEEDED = ("image", "latitude", "longitude")


class TableSource(Settings):
    """A CSV file (comma, semicolon or tab) that names image files and their coordinates in degrees."""

    name: Literal["table"] = "table"
    path: Path
    """The CSV file."""
    images: Path | None = None
    """The folder that image names are relative to; the CSV file's own folder where not given."""

    def scan(self) -> Iterator[Photo | LeftOut]:
        """Every row, in order. Raises GeotuneError for a file that is no table or lacks a column."""
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as stream:
                yield from self._rows(stream)
        except FileNotFoundError:
            raise GeotuneError(f"{self.path}: no such file", "give a CSV file, or a folder of photos") from None
        except UnicodeDecodeError:
            raise GeotuneError(f"{self.path}: not text in UTF-8", "save the table as CSV in UTF-8") from None
        except csv.Error as error:
            raise GeotuneError(f"{self.path}: not a table ({error})", "save the table as CSV in UTF-8") from None
        except OSError as error:
            raise GeotuneError(f"{self.path}: cannot be read ({error.strerror})") from None

    def _rows(self, stream: TextIO) -> Iterator[Photo | LeftOut]:
        first = stream.readline()
        stream.seek(0)
        delimiter = max(",;\t|", key=first.count)
        rows = csv.reader(stream, delimiter=delimiter)
        header = [name.strip() for name in next(rows, [])]
        column = self._columns(header)
        root = self.images or self.path.parent
        if not root.is_dir():
            raise GeotuneError(f"{root}: no such folder", "name the folder of the images: --images FOLDER")
        empty = True
        seen: set[str] = set()
        for number, row in enumerate(rows, start=2):
            if not any(cell.strip() for cell in row):
                continue
            empty = False
            cells = {name: row[at].strip() if at < len(row) else "" for name, at in column.items()}
            identity = cells["image"] or f"row {number}"
            if identity in seen:
                yield LeftOut(identity, "listed twice")
                continue
            seen.add(identity)
            yield _photo(identity, cells, root)
        if empty:
            raise GeotuneError(f"{self.path}: has no rows", "write one row a photo below the column names")

    def _columns(self, header: list[str]) -> dict[str, int]:
        """Where each known column stands, by its usual names in any case."""
        lower = [name.lower() for name in header]
        column = {
            kind: lower.index(name) for kind, names in COLUMNS.items() for name in reversed(names) if name in lower
        }
        missing = [kind for kind in NEEDED if kind not in column]
        if missing:
            have = ", ".join(name or "(unnamed)" for name in header[:12]) or "none: the file is empty"
            raise GeotuneError(
                f"{self.path}: no column for {' and '.join(missing)}; its columns are {have}",
                "name the columns file, latitude, longitude (degrees), and if you like place and split",
            )
        return column


def _photo(identity: str, cells: dict[str, str], root: Path) -> Photo | LeftOut:
    if not cells["image"]:
        return LeftOut(identity, "no image named")
    numbers = [cells[kind].replace(",", ".") for kind in ("latitude", "longitude")]  # 52,5 is 52.5 in half of Europe
    if not all(numbers):
        return LeftOut(identity, "no coordinates")
    try:
        lat, lon = map(float, numbers)
    except ValueError:
        return LeftOut(identity, "coordinates are not numbers in degrees")
    if fault := position_fault(lat, lon):
        return LeftOut(identity, fault)
    path = root / cells["image"].replace("\\", "/")
    if not path.is_file():
        return LeftOut(identity, "file not found")
    return Photo(identity, lat, lon, path.read_bytes, cells.get("place", ""), cells.get("split", ""))
