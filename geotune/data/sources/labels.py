"""Tables of labels for photos that lie elsewhere: which coordinates, cells and other columns belong to an id.

A CSV file (`IMG_ID,LAT,LON,…`) or a mapping in JSON: `{"img_id": [coarse, middle, fine]}`, `[lat, lon]` or
`{"lat": …, "lon": …}`. Held as Arrow columns: five million rows take a few hundred MB.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geotune.data.diagnose import PHOTO_SUFFIXES, TABLE_SUFFIXES
from geotune.data.sources.columns import ID_NAMES, IMAGE_NAMES, NAMES, columns_of, flat
from geotune.data.sources.mapping import LONGEST_PAIR, PAIRS_AT_ONCE, pairs, read_mapping, row_of
from geotune.data.sources.table import csv_rows
from geotune.errors import GeotuneError

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = {"id": (*ID_NAMES, *IMAGE_NAMES), **NAMES}


class Labels:
    """One table of labels. Raises GeotuneError for a file that is none, or that lacks a column of ids."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._ids, self._table = read_mapping(path) if path.suffix.lower() == ".json" else _read_csv(path)
        except OSError as error:
            raise GeotuneError(f"{path}: cannot be read ({error.strerror})", "name the table: --labels FILE") from None
        except UnicodeDecodeError:
            raise GeotuneError(f"{path}: not text in UTF-8", "save it in UTF-8") from None
        self._exact, self._bare = _Lookup(self._ids, str), _Lookup(self._ids, bare)
        self._asked = np.zeros(len(self._ids), bool)

    def of(self, identity: str) -> dict[str, Any] | None:
        """The row of an id, as column -> value, or None. Ids match whole, else without folder and suffix."""
        row = self._exact.first(identity)
        if row is None:
            row = self._bare.only(bare(identity))
        if row is None:
            return None
        self._asked[row] = True
        return {name: self._table[name][row].as_py() for name in self._table.column_names}

    def unasked(self) -> Iterator[str]:
        """The ids that nobody has asked for."""
        return (str(self._ids[int(row)].as_py() or "") for row in np.flatnonzero(~self._asked))


def bare(identity: str) -> str:
    """An id without folder, and without a photo's suffix."""
    name = identity.replace("\\", "/").rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    return stem if stem and f"{dot}{suffix}".lower() in PHOTO_SUFFIXES else name


def labels_beside(folders: Iterable[Path]) -> list[Path]:
    """The tables of labels in some folders: CSV files with ids and coordinates, mappings in JSON."""
    files = [file for folder in folders for file in sorted(folder.iterdir()) if file.is_file() and file.name[0] != "."]
    return [file for file in files if _is_labels(file)]


# ------------------------------------------------------------------------------------------ looking up


class _Lookup:
    """Rows by the hashes of their ids; what is found is compared with the id itself."""

    def __init__(self, ids: "pa.ChunkedArray", form: Any) -> None:
        self._ids, self._form = ids, form
        texts = (text for chunk in ids.chunks for part in _parts(chunk) for text in part)
        hashes = np.fromiter((hash(form(text)) for text in texts), np.int64, len(ids))
        self._order: npt.NDArray[np.int64] = np.argsort(hashes, kind="stable")
        self._sorted = hashes[self._order]

    def first(self, key: str) -> int | None:
        """The first row of a key."""
        return next(self._rows(key), None)

    def only(self, key: str) -> int | None:
        """The row of a key that no other row has."""
        rows = list(islice(self._rows(key), 2))
        return rows[0] if len(rows) == 1 else None

    def _rows(self, key: str) -> Iterator[int]:
        number = hash(key)
        at = int(np.searchsorted(self._sorted, number))
        while at < len(self._sorted) and self._sorted[at] == number:
            row = int(self._order[at])
            if self._form(self._ids[row].as_py() or "") == key:
                yield row
            at += 1


def _parts(chunk: "pa.Array") -> Iterator[list[str]]:
    for start in range(0, len(chunk), PAIRS_AT_ONCE):
        yield [text or "" for text in chunk.slice(start, PAIRS_AT_ONCE).to_pylist()]


# ------------------------------------------------------------------------------------------ reading


def _header(path: Path) -> tuple[list[str], str]:
    """The column names of a CSV file and its delimiter."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        first = stream.readline(LONGEST_PAIR)
        stream.seek(0)
        return next(csv_rows(stream), []), max(",;\t|", key=first.count)


def _read_csv(path: Path) -> "tuple[pa.ChunkedArray, pa.Table]":
    import pyarrow as pa
    from pyarrow import csv

    header, delimiter = _header(path)
    columns = columns_of(header, COLUMNS)
    missing = [kind for kind in ("id", "latitude", "longitude") if kind not in columns]
    if missing:
        have = ", ".join(name or "(unnamed)" for name in header[:12]) or "none: the file is empty"
        raise GeotuneError(
            f"{path}: no column for {' and '.join(missing)}; its columns are {have}",
            "a table of labels has the columns id, latitude, longitude (degrees)",
        )
    names = [name if header.index(name) == i else f"{name}.{i}" for i, name in enumerate(header)]
    try:
        table = csv.read_csv(
            path,
            read_options=csv.ReadOptions(column_names=names, skip_rows=1),
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=csv.ConvertOptions(column_types={columns["id"]: pa.string()}),
        )
    except pa.ArrowException as error:
        raise GeotuneError(f"{path}: not a table ({str(error)[:200]})", "save it as CSV in UTF-8") from None
    return table[columns["id"]], table.drop_columns([columns["id"]])


def _is_labels(path: Path) -> bool:
    try:
        if path.suffix.lower() in TABLE_SUFFIXES:
            columns = columns_of(_header(path)[0], COLUMNS)
            return {"id", "latitude", "longitude"} <= columns.keys()
        if path.suffix.lower() != ".json":
            return False
        with path.open(encoding="utf-8-sig") as stream:
            first = next(pairs(path, stream), ("", None))
        mapping = isinstance(first[1], list) or (
            isinstance(first[1], dict) and "latitude" in columns_of(flat(first[1]))
        )
        return mapping and bool(row_of(path, *first))
    except (OSError, ValueError, GeotuneError):
        return False
