"""Labels as a mapping in JSON, of any size: {"id": [coarse, middle, fine]}, [lat, lon] or {"lat": …, "lon": …}."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from geotune.data.sources.columns import flat
from geotune.errors import GeotuneError

if TYPE_CHECKING:
    import pyarrow as pa

CELLS = ("cell_coarse", "cell_middle", "cell_fine")
CHUNK_CHARS, LONGEST_PAIR = 2**16, 2**20
PAIRS_AT_ONCE = 50_000


def read_mapping(path: Path) -> "tuple[pa.ChunkedArray, pa.Table]":
    import pyarrow as pa

    tables: list[pa.Table] = []
    with path.open(encoding="utf-8-sig") as stream:
        all_pairs = pairs(path, stream)
        while some := list(islice(all_pairs, PAIRS_AT_ONCE)):
            rows = [{"id": key, **row_of(path, key, value)} for key, value in some]
            try:
                tables.append(pa.Table.from_pylist(rows, schema=tables[0].schema if tables else None))
            except (pa.ArrowException, TypeError) as error:
                raise no_mapping(path, str(error)[:200]) from None
    if not tables:
        raise no_mapping(path, "it is empty")
    table = pa.concat_tables(tables)
    return table["id"], table.drop_columns(["id"])


def pairs(path: Path, stream: TextIO) -> Iterator[tuple[str, Any]]:
    """The pairs of a JSON object of any size; raises GeotuneError for what is none."""
    decoder = json.JSONDecoder()
    buffer, at = stream.read(CHUNK_CHARS).lstrip(), 1
    if not buffer.startswith("{"):
        raise no_mapping(path, f"it begins with {buffer[:20]!r}")
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
                raise no_mapping(path, f"{key!r:.40} is no id")
        except (ValueError, RecursionError) as error:
            more = stream.read(CHUNK_CHARS) if len(buffer) - at < LONGEST_PAIR else ""
            if not more:
                raise no_mapping(path, f"{error}"[:100]) from None
            buffer, at = buffer[at:] + more, 0
            continue
        at = behind
        yield key, value


def _skip(text: str, at: int, what: str) -> int:
    while at < len(text) and text[at] in what:
        at += 1
    return at


def row_of(path: Path, key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {name: item for name, item in flat(value).items() if isinstance(item, str | int | float)}
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, int | float) for item in items):
        raise no_mapping(path, f"{key!r:.40} leads to {value!r:.40}")
    if len(items) == 2:
        return {"latitude": float(items[0]), "longitude": float(items[1])}
    names = CELLS if len(items) == len(CELLS) else [f"cell_{i}" for i in range(len(items))]
    return dict(zip(names, items, strict=True))


def no_mapping(path: Path, why: str) -> GeotuneError:
    return GeotuneError(
        f"{path}: not a mapping of ids ({why})",
        'expected {"id": [lat, lon]}, {"id": [coarse, middle, fine]} or a CSV file',
    )
