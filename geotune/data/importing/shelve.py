"""Photos that were taken in and divided go into shards, with what was found out about them."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from geotune.data.importing.intake import Intake, Tell
from geotune.data.writing.writer import SplitWriter

Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.str_]

WRITING = "writing shards"


def write(intake: Intake, rows: Ints, split: Texts, place: Ints, into: Mapping[str, SplitWriter], tell: Tell) -> None:
    """Write the photos of these rows of the catalogue; `split` and `place` belong to `rows`."""
    at_once = 4096  # rows that are Python objects at a time
    for start in range(0, len(rows), at_once):
        part = intake.catalogue.iloc[rows[start : start + at_once]]
        photo: Any
        for number, photo in enumerate(part.itertuples(index=False), start=start):
            to, where = into[str(split[number])], (photo.id, photo.lat, photo.lon, int(place[number]))
            if intake.in_place:
                to.link(intake.shard(int(rows[number])), photo.offset, photo.length, *where, sha=photo.sha)
            else:
                jpeg, extra = intake.photo(photo.offset, photo.length)
                to.add(photo.id, jpeg, photo.lat, photo.lon, int(place[number]), {**extra, **_told(photo)})
            tell(WRITING, number + 1, len(rows))


def _told(photo: Any) -> dict[str, Any]:
    """What a record says of a photo besides the source's columns; what is unknown is not written."""
    numbers = {name: float(getattr(photo, name)) for name in ("time", "heading", "gps_error_m")}
    told: dict[str, Any] = {name: value for name, value in numbers.items() if not math.isnan(value)}
    if photo.camera:
        told["camera"] = int(photo.camera)
    return {**told, "sha": str(photo.sha), "phash": int(photo.phash)}
