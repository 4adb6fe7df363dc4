"""A CSV file with a column of image files and their coordinates."""

import csv
import shlex
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, TextIO

from geotune.config import Settings
from geotune.data.sources.camera import exif_at, with_exif
from geotune.data.sources.columns import IMAGE_NAMES, NAMES, columns_of, photo_of
from geotune.data.sources.files import file_fault, read_file, unreadable
from geotune.data.sources.found import LeftOut, Names, Photo
from geotune.data.sources.heic import format_fault
from geotune.data.sources.why import LISTED_TWICE, NO_FILE, NO_IMAGE
from geotune.data.threads import in_threads
from geotune.errors import GeotuneError

COLUMNS = {"image": IMAGE_NAMES, **NAMES}
NEEDED = ("image", "latitude", "longitude")
LONGEST_LINE = 2**20
DELIMITERS = ",;\t|"


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
        rows = csv_rows(stream)
        header = next(rows, [])
        columns = self._columns(header)
        root = self.images or self.path.parent
        if not root.is_dir():
            raise GeotuneError(f"{root}: no such folder", "name the folder of the images: --images FOLDER")
        named = _named(header, rows, columns["image"])
        number = 0
        for number, found in enumerate(in_threads(lambda row: _photo(*row, columns, root), named), start=1):  # noqa: B007
            yield found
        if not number:
            raise GeotuneError(f"{self.path}: has no rows", "write one row a photo below the column names")

    def _columns(self, header: list[str]) -> dict[str, str]:
        columns = columns_of(header, COLUMNS)
        missing = [kind for kind in NEEDED if kind not in columns]
        if missing:
            have = ", ".join(name or "(unnamed)" for name in header[:12]) or "none: the file is empty"
            problem = f"{self.path}: no column for {' and '.join(missing)}; its columns are {have}"
            if missing == ["image"] and next(self.path.parent.glob("*.msg"), None):
                folder, labels = shlex.quote(str(self.path.parent)), shlex.quote(str(self.path))
                raise GeotuneError(
                    problem, f"the shards beside it hold the images: geotune data import {folder} OUT --labels {labels}"
                )
            raise GeotuneError(
                problem, "name the columns file, latitude, longitude (degrees), and if you like place and split"
            )
        return columns


def csv_rows(stream: TextIO) -> Iterator[list[str]]:
    """The rows of a CSV file, cells stripped, whichever delimiter its first line has.

    Raises csv.Error for what is no table, such as a line without end.
    """
    first = stream.readline(LONGEST_LINE)
    stream.seek(0)
    rows = csv.reader(_lines(stream), delimiter=max(DELIMITERS, key=first.count))
    return ([cell.strip() for cell in row] for row in rows)


def _lines(stream: TextIO) -> Iterator[str]:
    while line := stream.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise csv.Error("a line of more than a million characters")
        yield line


def _named(header: list[str], rows: Iterable[list[str]], image: str) -> Iterator[tuple[str, Mapping[str, str], bool]]:
    """Every row that is not empty: its photo's name, its cells, and whether the name came before."""
    seen = Names()
    for number, row in enumerate(rows, start=2):
        if any(row):
            cells = dict(zip(header, row + [""] * (len(header) - len(row)), strict=False))
            name = cells[image] or f"row {number}"
            yield name, cells, seen.again(name)


def _photo(
    identity: str, cells: Mapping[str, str], again: bool, columns: Mapping[str, str], root: Path
) -> Photo | LeftOut:
    image = cells[columns["image"]]
    if again or not image:
        return LeftOut(identity, LISTED_TWICE if again else NO_IMAGE)
    path = root / image.replace("\\", "/")
    found = photo_of(identity, cells, columns, partial(read_file, path), not_kept=[columns["image"]])
    if isinstance(found, LeftOut):
        return found
    try:
        path.stat()
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return LeftOut(identity, NO_FILE)
    if fault := format_fault(path.suffix.lower()) or file_fault(path):
        return LeftOut(identity, fault)
    try:
        return with_exif(found, exif_at(path))
    except OSError as error:
        return LeftOut(identity, unreadable(error))
