"""Tables of labels for photos that lie elsewhere: which coordinates, cells and other columns belong to an id.

A CSV file (`IMG_ID,LAT,LON,…`) or a mapping in JSON: `{"img_id": [coarse, middle, fine]}`, `[lat, lon]` or
`{"lat": …, "lon": …}`. Held as Arrow columns: five million rows take a few hundred MB.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import numpy.typing as npt

from geotune.data.diagnose import PHOTO_SUFFIXES, TABLE_SUFFIXES
from geotune.data.sources.columns import ID_NAMES, IMAGE_NAMES, NAMES, columns_of, flat
from geotune.data.sources.table import csv_rows
from geotune.errors import GeotuneError

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = {"id": (*ID_NAMES, *IMAGE_NAMES), **NAMES}
CELLS = ("cell_coarse", "cell_middle", "cell_fine")
CHUNK_CHARS, LONGEST_PAIR = 2**16, 2**20
PAIRS_AT_ONCE = 50_000


class Labels:
    """One table of labels. Raises GeotuneError for a file that is none, or that lacks a column of ids."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._ids, self._table = _read_json(path) if path.suffix.lower() == ".json" else _read_csv(path)
        except OSError as error:
            raise GeotuneError(f"{path}: cannot be read ({error.strerror})", "name the table: --labels FILE") from None
        except UnicodeDecodeError:
            raise GeotuneError(f"{path}: not text in UTF-8", "save it in UTF-8") from None
        self._exact, self._bare = _Lookup(self._ids, str), _Lookup(self._ids, bare)

    def of(self, identity: str) -> dict[str, Any] | None:
        """The row of an id, as column -> value, or None. Ids match whole, else without folder and suffix."""
        row = self._exact.first(identity)
        if row is None:
            row = self._bare.only(bare(identity))
        return None if row is None else {name: self._table[name][row].as_py() for name in self._table.column_names}


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


def _read_json(path: Path) -> "tuple[pa.ChunkedArray, pa.Table]":
    import pyarrow as pa

    tables: list[pa.Table] = []
    with path.open(encoding="utf-8-sig") as stream:
        pairs = _pairs(path, stream)
        while some := list(islice(pairs, PAIRS_AT_ONCE)):
            rows = [{"id": key, **_row(path, key, value)} for key, value in some]
            try:
                tables.append(pa.Table.from_pylist(rows, schema=tables[0].schema if tables else None))
            except (pa.ArrowException, TypeError) as error:
                raise _no_mapping(path, str(error)[:200]) from None
    if not tables:
        raise _no_mapping(path, "it is empty")
    table = pa.concat_tables(tables)
    return table["id"], table.drop_columns(["id"])


def _pairs(path: Path, stream: TextIO) -> Iterator[tuple[str, Any]]:
    """The pairs of a JSON object of any size; raises GeotuneError for what is none."""
    decoder = json.JSONDecoder()
    buffer, at = stream.read(CHUNK_CHARS).lstrip(), 1
    if not buffer.startswith("{"):
        raise _no_mapping(path, f"it begins with {buffer[:20]!r}")
    while True:
        try:
            key_at = _skip(buffer, at, ", \n\r\t")
            if buffer.startswith("}", key_at):
                return
            key, colon = decoder.raw_decode(buffer, key_at)
            value, behind = decoder.raw_decode(buffer, _skip(buffer, colon, ": \n\r\t"))
            if behind == len(buffer):  # a number may go on
                raise json.JSONDecodeError("more to come", "", behind)
            if not isinstance(key, str):
                raise _no_mapping(path, f"{key!r:.40} is no id")
        except (ValueError, RecursionError) as error:
            more = stream.read(CHUNK_CHARS) if len(buffer) - at < LONGEST_PAIR else ""
            if not more:
                raise _no_mapping(path, f"{error}"[:100]) from None
            buffer, at = buffer[at:] + more, 0
            continue
        at = behind
        yield key, value


def _skip(text: str, at: int, what: str) -> int:
    while at < len(text) and text[at] in what:
        at += 1
    return at


def _row(path: Path, key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {name: item for name, item in flat(value).items() if isinstance(item, str | int | float)}
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, int | float) for item in items):
        raise _no_mapping(path, f"{key!r:.40} leads to {value!r:.40}")
    if len(items) == 2:
        return {"latitude": float(items[0]), "longitude": float(items[1])}
    names = CELLS if len(items) == len(CELLS) else [f"cell_{i}" for i in range(len(items))]
    return dict(zip(names, items, strict=True))


def _no_mapping(path: Path, why: str) -> GeotuneError:
    return GeotuneError(
        f"{path}: not a mapping of ids ({why})",
        'expected {"id": [lat, lon]}, {"id": [coarse, middle, fine]} or a CSV file',
    )


def _is_labels(path: Path) -> bool:
    try:
        if path.suffix.lower() in TABLE_SUFFIXES:
            columns = columns_of(_header(path)[0], COLUMNS)
            return {"id", "latitude", "longitude"} <= columns.keys()
        if path.suffix.lower() != ".json":
            return False
        with path.open(encoding="utf-8-sig") as stream:
            first = next(_pairs(path, stream), ("", None))
        mapping = isinstance(first[1], list) or (
            isinstance(first[1], dict) and "latitude" in columns_of(flat(first[1]))
        )
        return mapping and bool(_row(path, *first))
    except (OSError, ValueError, GeotuneError):
        return False
