"""What a source yields: a photo with its position, or why there is none."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from geotune.data.sources.files import readable
from geotune.data.sources.why import AT_ZERO, LINKED_FOLDER, OUTSIDE, WHY, why

__all__ = ["WHY", "Ids", "LeftOut", "Names", "Photo", "Scanner", "not_followed", "position_fault", "why"]


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo to import: a name unique in its source, its position in degrees, and how to get at its bytes.

    `place` and `split` are what the source itself says, "" where it says nothing. What the camera says is NaN, or "",
    where it does not: `time` in seconds since 1970 (the camera's clock; UTC where it says so), `heading` in degrees
    clockwise from true north, `gps_error_m`, and `camera`, its make, model and serial number: never stored as it is.
    """

    id: str
    lat: float
    lon: float
    load: Callable[[], bytes]
    """The file's bytes; raises OSError. Called once, in any thread."""
    place: str = ""
    split: str = ""
    time: float = math.nan
    heading: float = math.nan
    gps_error_m: float = math.nan
    camera: str = ""
    extra: Mapping[str, str | int | float] = field(default_factory=dict)
    """The source's other columns, by their names there."""
    at: tuple[Path, int, int] | None = None
    """The shard, offset and length of its record, where it may be used where it lies."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that looked like a photo and cannot be imported.

    `reason` is worded to be counted: `why.py` has them all, and what to do. `detail` is what was found instead.
    """

    id: str
    reason: str
    detail: str = ""


class Scanner(Protocol):
    """What every source offers."""

    path: Path

    def scan(self) -> Iterator[Photo | LeftOut]:
        """Everything in the source, in a fixed order. Raises GeotuneError for a source that cannot be used at all."""
        ...


def position_fault(lat: float, lon: float) -> str:
    """Why a position cannot be one, or "" where it can."""
    if not (abs(lat) <= 90 and abs(lon) <= 180):  # NaN too
        return OUTSIDE
    if lat == 0 and lon == 0:
        return AT_ZERO
    return ""


def not_followed(linked: Iterable[Path], root: Path) -> Iterator[LeftOut]:
    """The links to folders below `root` that a source passed over."""
    return (LeftOut(readable(link.relative_to(root).as_posix()), LINKED_FOLDER) for link in linked)


class Names:
    """The names that a source has used so far, as 64-bit hashes: a million of them take some 60 MB."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def again(self, name: str) -> bool:
        """Whether a name came before; it counts from now on."""
        number = hash(name)
        if number in self._seen:
            return True
        self._seen.add(number)
        return False


class Ids:
    """The ids that the files of a source have used so far, as 64-bit hashes: a million of them take some 100 MB."""

    def __init__(self) -> None:
        self._file_of: dict[int, int] = {}
        self._file, self._number = "", 0

    def begin(self, file: str) -> None:
        """From here on ids are those of another file."""
        self._file, self._number = file, self._number + 1

    def of(self, identity: str) -> str:
        """What a photo is called: FILE/ID where an earlier file had its id, "" where this file had it already."""
        number = hash(identity)
        earlier = self._file_of.get(number)
        self._file_of[number] = self._number
        if earlier is None:
            return identity
        return "" if earlier == self._number else self.of(f"{self._file}/{identity}")
