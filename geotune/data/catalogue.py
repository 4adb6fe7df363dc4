"""The catalogue: what is known of every photo, one row each, in columns that hold no Python object a photo."""

import math
from array import array
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from geotune.data.importing.prepare import Look, header_of, look_at
from geotune.data.known import Known
from geotune.data.sources.columns import columns_in
from geotune.data.sources.found import LeftOut, Photo
from geotune.data.threads import in_threads

if TYPE_CHECKING:
    import pandas as pd

    from geotune.data.dataset import Dataset, Split
    from geotune.data.shards.records import Record

NUMBERS = {
    "lat": "d", "lon": "d", "time": "d", "heading": "d", "gps_error_m": "d",
    "camera": "q", "width": "q", "height": "q", "phash": "Q", "offset": "q", "length": "q",
}  # fmt: skip
"""Column -> kind of number (`array` codes: float64, int64, uint64)."""
TEXTS = ("id", "place", "split", "sha", "group")
COLUMNS = (
    "id", "lat", "lon", "place", "split", "time", "heading", "gps_error_m", "camera", "width", "height", "sha", "phash",
    "group", "offset", "length",
)  # fmt: skip


class CatalogueBuilder:
    """Takes photos one by one; about 170 bytes each, however many there are."""

    def __init__(self, known: Known | None = None, cameras: int = 0) -> None:
        """The numbers of cameras that are `known` stay; others get one above `cameras`."""
        self._numbers = {name: array(code) for name, code in NUMBERS.items()}
        self._texts = {name: bytearray() for name in TEXTS}
        self._ends = {name: array("q", [0]) for name in TEXTS}
        self._known = known or Known()
        self._cameras = max([cameras, *self._known.cameras.values()])

    def __len__(self) -> int:
        return len(self._numbers["lat"])

    def camera(self, name: str) -> int:
        """The anonymous number of a camera: 1, 2, … in order of appearance; 0 for an unknown one."""
        number = self._known.camera(name, self._cameras + 1)
        self._cameras = max(self._cameras, number)
        return number

    def add(
        self, photo: Photo, look: Look, *, group: str = "", camera: int = 0, offset: int = 0, length: int = 0
    ) -> None:
        """Append a photo that decodes; `offset` and `length` say where its JPEG, or its record, lies."""
        row: dict[str, Any] = {
            "lat": photo.lat, "lon": photo.lon, "time": photo.time, "heading": photo.heading,
            "gps_error_m": photo.gps_error_m, "camera": camera, "width": look.width, "height": look.height,
            "phash": look.phash, "offset": offset, "length": length,
        }  # fmt: skip
        for name, value in row.items():
            self._numbers[name].append(value)
        texts = {"id": photo.id, "place": photo.place, "split": photo.split, "sha": look.sha, "group": group}
        for name, text in texts.items():
            self._texts[name] += text.encode("utf-8", "replace")
            self._ends[name].append(len(self._texts[name]))

    def frame(self) -> "pd.DataFrame":
        """The catalogue as a DataFrame of COLUMNS, without a copy of what was gathered; add nothing afterwards."""
        import pandas as pd
        import pyarrow as pa

        columns: dict[str, Any] = {name: np.frombuffer(held, held.typecode) for name, held in self._numbers.items()}
        for name in TEXTS:
            ends, text = pa.py_buffer(self._ends[name]), pa.py_buffer(self._texts[name])
            columns[name] = pd.array(pa.LargeStringArray.from_buffers(len(self), ends, text), dtype="str")
        return pd.DataFrame(columns, copy=False)[list(COLUMNS)]


OnLeftOut = Callable[[LeftOut], None]


def catalogue_of(
    dataset: "Dataset",
    on_progress: Callable[[int, int], None] | None = None,
    *,
    on_left_out: OnLeftOut | None = None,
    decode: bool = True,
) -> "pd.DataFrame":
    """The catalogue of a dataset's photos, in the order of its splits, `split` being theirs; photos are streamed.

    `on_progress(done, of)`. Without `decode` a photo's own hashes are believed where its record holds them. A photo
    that does not decode has no row: `on_left_out` is told of it. Raises GeotuneError for a damaged shard.
    """
    builder = CatalogueBuilder()
    of, done = sum(dataset.counts.values()), 0
    group = str(dataset.description.split.get("group", ""))
    for name in dataset.counts:
        split = dataset.split(name)
        for found in in_threads(partial(_read, split, decode=decode), range(len(split))):
            if isinstance(found, LeftOut):
                if on_left_out:
                    on_left_out(found)
            else:
                photo, look, record = found
                camera = _whole(record.extra.get("camera"))
                builder.add(
                    photo, look, group=group_of(group, record.extra, photo, camera), camera=camera,
                    offset=record.offset, length=record.length,
                )  # fmt: skip
            done += 1
            if on_progress:
                on_progress(done, of)
    return builder.frame()


def _read(split: "Split", i: int, *, decode: bool) -> tuple[Photo, Look, "Record"] | LeftOut:
    """One stored photo: what its record says, what its pixels show; the record comes without its image."""
    record = split.record(i)
    told = record.extra
    photo = Photo(
        str(split.ids[i]), float(split.lat[i]), float(split.lon[i]), lambda: record.image, str(split.place[i]),
        split.name, time=_number(told.get("time")), heading=_number(told.get("heading")),
        gps_error_m=_number(told.get("gps_error_m")),
    )  # fmt: skip
    # a shard that others made may call so whatever it likes
    sha, phash = (None, None) if split.linked(i) else (told.get("sha"), told.get("phash"))
    if not decode and isinstance(phash, int) and 0 <= phash < 2**64:
        look = header_of(photo, phash)
    else:
        look = look_at(photo, smallest_px=1)
    if isinstance(look, LeftOut):
        return look
    if isinstance(sha, str | bytes):  # that of the file that it was made of: so a copy of that file is known again
        look = replace(look, sha=_text(sha))
    return photo, look, replace(record, image=b"")


def group_of(name: str, columns: Mapping[str, Any], photo: Photo, camera: int) -> str:
    """What a photo says in the column `name` that ties photos, or what was made of that column; "" for nothing.

    Cameras are numbers: those of their names are in records.
    """
    if not name:
        return ""
    kind = kind_of(name)
    value = None if kind == "camera" else columns.get(name)
    if value is None:
        made = {"camera": camera or "", "time": photo.time, "heading": photo.heading, "gps_error_m": photo.gps_error_m}
        value = made.get(kind, "")
    return "" if isinstance(value, float) and math.isnan(value) else _text(value)


def kind_of(name: str) -> str:
    """What a column of this name is taken for, or ""."""
    return next(iter(columns_in((name,))), "")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 2**62 else 0


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value if value is not None else "")
