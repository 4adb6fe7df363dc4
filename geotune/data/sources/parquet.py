"""A parquet file of photos or a folder of them, as Hugging Face keeps data sets."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from geotune.config import Settings
from geotune.data.sources.camera import exif_in, with_exif
from geotune.data.sources.columns import ID_NAMES, IMAGE_NAMES, columns_in, columns_of, flat, photo_of
from geotune.data.sources.files import MAX_RECORD_BYTES, Held, files_below, split_of
from geotune.data.sources.found import Ids, LeftOut, Photo, not_followed
from geotune.data.sources.why import DAMAGED, LISTED_TWICE, NO_IMAGE, RECORD_TOO_LARGE
from geotune.errors import GeotuneError

SUFFIX = ".parquet"
IMAGES = (*IMAGE_NAMES, "jpg", "jpeg", "picture", "bytes", "image_bytes", "image_data")
BATCH_BYTES, MOST_ROWS = 16 * 2**20, 256
READ_BYTES = 2**20


class ParquetSource(Settings):
    """Parquet files with a column `image` (bytes, or a struct of bytes and path) and columns of coordinates."""

    name: Literal["parquet"] = "parquet"
    path: Path
    """The file, or a folder of them."""

    def scan(self) -> Iterator[Photo | LeftOut]:
        """Every row, in order; a few at a time are in memory. Raises GeotuneError where a column is missing."""
        from pyarrow import ArrowException

        root = self.path.parent if self.path.is_file() else self.path
        seen, files, linked = Ids(), 0, list[Path]()
        for files, file in enumerate(files_below(self.path, (SUFFIX,), linked), start=1):  # noqa: B007
            name = file.relative_to(root).as_posix()
            seen.begin(name.removesuffix(SUFFIX))
            try:
                yield from _rows(file, name.removesuffix(SUFFIX), split_of(file, root), seen)
            except (ArrowException, OSError, ValueError) as error:
                yield LeftOut(name, DAMAGED, f"{error}"[:200])
        yield from not_followed(linked, root)
        if not files:
            raise GeotuneError(f"{self.path}: no {SUFFIX} file", "give a parquet file, or a folder of them")


def _rows(file: Path, name: str, split: str, seen: Ids) -> Iterator[Photo | LeftOut]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file, pre_buffer=False, buffer_size=READ_BYTES) as table:
        image = _image_column(file, table.schema_arrow)
        others = [field.name for field in table.schema_arrow if field.name != image and _is_plain(field.type)]
        identity = columns_of(others, {"id": ID_NAMES}).get("id", "")
        number = 0
        for batch in table.iter_batches(_batch_rows(table.metadata), columns=[image, *others]):
            columns = {other: batch.column(other).to_pylist() for other in others}
            pictures, paths = _pictures(batch.column(image))
            for i in range(batch.num_rows):
                row = flat({other: values[i] for other, values in columns.items()})
                path = str(paths[i].as_py() or "") if paths is not None else ""
                yield _photo(row, identity, pictures[i], path, f"{name}-{number}", split, seen)
                number += 1


def _photo(
    row: Mapping[str, Any], id_column: str, picture: Any, path: str, numbered: str, split: str, seen: Ids
) -> Photo | LeftOut:
    """The photo of a row, named by its id, else its path where that is new in the file, else its number."""
    value = row.get(id_column)
    said = "" if value is None or value != value else str(value)  # noqa: PLR0124 - NaN is not itself
    identity = seen.of(said or path) if said or path else ""
    if said and not identity:
        return LeftOut(said, LISTED_TWICE)
    identity = identity or numbered
    if not picture.is_valid:
        return LeftOut(identity, NO_IMAGE)
    if picture.as_buffer().size > MAX_RECORD_BYTES:
        return LeftOut(identity, RECORD_TOO_LARGE)
    data = picture.as_py()
    if not data:
        return LeftOut(identity, NO_IMAGE)
    found = photo_of(identity, row, columns_in(tuple(row)), Held(data), split=split, not_kept=[id_column])
    return with_exif(found, exif_in(data))


def _image_column(file: Path, schema: Any) -> str:
    """The column of images, by its name, else by what it holds; raises GeotuneError where there is none."""
    types = {field.name: field.type for field in schema}
    images = [name for name, kind in types.items() if _holds_images(kind)]
    known = columns_of(images, {"image": IMAGES}).get("image")
    if not images or (known is None and len(images) > 1):
        have = ", ".join(f"{name} ({kind})"[:40] for name, kind in list(types.items())[:12])
        raise GeotuneError(
            f"{file}: no column of images; its columns are {have}",
            "images are bytes, or a struct of bytes and path, in a column called image",
        )
    missing = [axis for axis in ("latitude", "longitude") if axis not in columns_of(_leaves(types))]
    if missing:
        raise GeotuneError(
            f"{file}: no column for {' and '.join(missing)}; its columns are {', '.join(list(types)[:12])}",
            "name the columns latitude and longitude (degrees)",
        )
    return known or images[0]


def _leaves(types: Mapping[str, Any]) -> list[str]:
    from pyarrow.types import is_struct

    return [name for name, kind in types.items() if not is_struct(kind)] + [
        f"{name}.{kind.field(i).name}"
        for name, kind in types.items()
        if is_struct(kind)
        for i in range(kind.num_fields)
    ]


def _holds_images(kind: Any) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0) and _holds_images(kind.field("bytes").type)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_plain(kind: Any) -> bool:
    """Whether a column is numbers, text or times, or a struct of these: what may be kept of a photo."""
    from pyarrow import types

    if types.is_struct(kind):
        inner = [kind.field(i).type for i in range(kind.num_fields)]
        return all(_is_plain(part) and not types.is_struct(part) for part in inner)
    return not (types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind))


def _pictures(column: Any) -> tuple[Any, Any]:
    """The bytes of a batch's images, and their paths where they are there."""
    from pyarrow import types

    if not types.is_struct(column.type):
        return column, None
    parts = dict(zip((column.type.field(i).name for i in range(column.type.num_fields)), column.flatten(), strict=True))
    return parts["bytes"], parts.get("path")


def _batch_rows(metadata: Any) -> int:
    """So many rows that a batch takes some 16 MiB."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    row_bytes = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)
    return int(min(MOST_ROWS, max(1, BATCH_BYTES // max(row_bytes, 1))))
