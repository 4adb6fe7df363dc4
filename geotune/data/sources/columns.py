"""Which column of a table is which, by its usual names, and what a row says of its photo.

Tables here are CSV files, parquet files, the JSON of a WebDataset and the keys of a shard's records.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from geotune.data.exif import heading_of, parse_exif_time
from geotune.data.sources.coordinates import degrees
from geotune.data.sources.files import readable
from geotune.data.sources.found import LeftOut, Photo, position_fault
from geotune.data.sources.why import BAD_COORDINATES, LONG_NAME, NO_COORDINATES

Row = Mapping[str, Any]

NAMES = {
    "latitude": ("latitude", "lat", "gpslatitude", "gps_latitude", "gps_lat", "lat_deg", "latitude_deg"),
    "longitude": ("longitude", "lon", "lng", "long", "gpslongitude", "gps_longitude", "gps_lon", "gps_lng", "lon_deg",
                  "longitude_deg"),
    "place": ("place", "place_id"),
    "split": ("split", "subset"),
    "time": ("time", "timestamp", "datetime", "date_time", "taken", "taken_at", "date_taken", "datetaken",
             "captured_at", "capture_time", "datetimeoriginal", "created_at", "date"),
    "heading": ("heading", "compass_angle", "computed_compass_angle", "gpsimgdirection", "bearing", "azimuth", "yaw"),
    "gps_error_m": ("gps_error_m", "gps_error", "gps_accuracy", "gps_accuracy_m", "horizontal_accuracy",
                    "gpshpositioningerror", "accuracy_m"),
    "camera": ("camera", "camera_id", "device", "device_id", "camera_model"),
}  # fmt: skip
IMAGE_NAMES = ("image", "file", "filename", "file_name", "path", "img", "img_file", "image_path", "image_file", "photo",
               "sourcefile", "filepath", "file_path")  # fmt: skip
ID_NAMES = ("id", "img_id", "image_id", "key", "__key__", "photo_id")
DECIMAL = re.compile(r"-?(0|[1-9]\d{0,17})?\.\d{1,30}([eE][+-]?\d{1,2})?", re.ASCII)
LONGEST_NAME = 1024
LONGEST_TEXT = 1000
"""Characters of a column's value that are kept."""


@lru_cache(maxsize=64)
def columns_in(names: tuple[str, ...]) -> Mapping[str, str]:
    """`columns_of` for one record after the other, which mostly have the same keys."""
    return columns_of(names)


def columns_of(names: Iterable[str], kinds: Mapping[str, tuple[str, ...]] = NAMES) -> dict[str, str]:
    """Each kind of column that is there -> its name, in any case; `gps.lat` counts as `lat` where there is no other."""
    plain: dict[str, str] = {}
    inner: dict[str, str] = {}
    for name in names:
        form = _form(name)
        plain.setdefault(form, name)
        if "." in form:
            inner.setdefault(form.rpartition(".")[2], name)
    known = inner | plain
    return {
        kind: next(known[alias] for alias in aliases if alias in known)
        for kind, aliases in kinds.items()
        if not known.keys().isdisjoint(aliases)
    }


@lru_cache(maxsize=1024)
def is_private(name: str) -> bool:
    """Whether a column is of a kind that is kept only where it is asked for by name: EXIF, cameras, serial numbers."""
    form = _form(name)
    return (
        "exif" in re.split(r"[^a-z0-9]+", form)
        or form.rpartition(".")[2] in NAMES["camera"]
        or "serialnumber" in form.replace("_", "")
    )


def _form(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def flat(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Nested maps one level up: {"gps": {"lat": 1}} -> {"gps.lat": 1}."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found.update((f"{key}.{below}", item) for below, item in value.items())
        else:
            found[str(key)] = value
    return found


def photo_of(
    identity: str,
    row: Row,
    columns: Mapping[str, str],
    load: Callable[[], bytes],
    *,
    split: str = "",
    at: tuple[Path, int, int] | None = None,
    not_kept: Iterable[str] = (),
) -> Photo | LeftOut:
    """The photo that a row describes: `columns` by `columns_of`; others are kept, but for those in `not_kept`.

    A recognised column whose value cannot be understood is kept as it is, under its own name.
    """
    identity = readable(identity)
    if len(identity) > LONGEST_NAME:
        return LeftOut(identity[:40] + "…", LONG_NAME)
    said = {kind: row.get(name) for kind, name in columns.items()}
    try:
        lat, lon = degrees(said.get("latitude"), "latitude"), degrees(said.get("longitude"), "longitude")
    except ValueError:
        return LeftOut(identity, BAD_COORDINATES, f"{said.get('latitude')!r:.60}, {said.get('longitude')!r:.60}")
    if math.isnan(lat) or math.isnan(lon):
        return LeftOut(identity, NO_COORDINATES)
    if fault := position_fault(lat, lon):
        return LeftOut(identity, fault, f"{lat:.6f}, {lon:.6f}")
    numbers = {
        "time": seconds_of(said.get("time")),
        "heading": heading_of(said.get("heading")),
        "gps_error_m": _error_of(said.get("gps_error_m")),
    }
    used = {*not_kept, *(name for kind, name in columns.items() if not math.isnan(numbers.get(kind, 0.0)))}
    kept = ((name, plain(value)) for name, value in row.items() if name and name not in used)
    return Photo(
        identity, lat, lon, load, place=_text(said.get("place")), split=_text(said.get("split")) or split,
        camera=_text(said.get("camera")), **numbers, at=at,
        extra={name: value for name, value in kept if value is not None},
    )  # fmt: skip


def plain(value: Any) -> str | int | float | None:
    """A value as it is kept: a number where it is one, else text; None for nothing, for lists and for maps."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace") if len(value) <= LONGEST_TEXT else None
    if isinstance(value, bool | int):
        return int(value) if abs(value) < 2**63 else str(value)[:LONGEST_TEXT]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date):  # a datetime too
        return value.isoformat()
    return _number_or_text(readable(value.strip()[:LONGEST_TEXT])) if isinstance(value, str) else None


def _number_or_text(text: str) -> str | int | float | None:
    if not text:
        return None
    if len(text) < 19 and text.removeprefix("-").isdecimal() and text.isascii() and str(int(text)) == text:
        return int(text)  # 007 stays text
    return float(text) if DECIMAL.fullmatch(text) else text  # 12e5 may be an id, so it stays text too


def seconds_of(value: Any) -> float:
    """A time as seconds since 1970, NaN where it is none: seconds, milliseconds, ISO 8601 or EXIF's way of writing."""
    if isinstance(value, datetime):
        return _stamp(value)
    if isinstance(value, str) and not value.replace(".", "", 1).isdecimal():
        return _moment(value.strip())
    try:
        number = float(value)
    except (TypeError, ValueError):
        return math.nan
    for unit in (1.0, 1e3, 1e6):
        if 1e8 <= number / unit < 1e10:  # 1973 to 2286; a year alone is no time
            return number / unit
    return math.nan


def _moment(text: str) -> float:
    if len(text) > LONGEST_TEXT or not text[:4].isdecimal():
        return math.nan
    if text[4:5] == ":":
        found = parse_exif_time(text)
        return found.timestamp() if found else math.nan
    try:
        return _stamp(datetime.fromisoformat(text))
    except ValueError:
        return math.nan


def _stamp(moment: datetime) -> float:
    """Seconds since 1970, of UTC where no zone is said; NaN before there were photos."""
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return zoned.timestamp() if 1826 <= moment.year < 2200 else math.nan


def _error_of(value: Any) -> float:
    try:
        metres = float(value)
    except (TypeError, ValueError):
        return math.nan
    return metres if 0 <= metres < math.inf else math.nan


def _text(value: Any) -> str:
    found = plain(value)
    return "" if found is None else str(found)
