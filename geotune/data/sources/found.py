"""What a source yields: a photo with its position, or why there is none."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Photo:
    """A photo to import: a name unique in its source, its file, its position in degrees.

    `place` and `split` are what the source itself says, "" where it says nothing.
    """

    id: str
    path: Path
    lat: float
    lon: float
    place: str = ""
    split: str = ""

    def load(self) -> bytes:
        """The file's bytes; raises OSError."""
        return self.path.read_bytes()


@dataclass(frozen=True)
class LeftOut:
    """Something that looked like a photo and cannot be imported; `reason` is worded to be counted."""

    id: str
    reason: str


class Scanner(Protocol):
    """What every source offers."""

    path: Path

    def scan(self) -> Iterator[Photo | LeftOut]:
        """Everything in the source, in a fixed order. Raises GeotuneError for a source that cannot be used at all."""
        ...


def position_fault(lat: float, lon: float) -> str:
    """Why a position cannot be one, or "" where it can."""
    if not (abs(lat) <= 90 and abs(lon) <= 180):  # NaN too
        return "position outside the Earth"
    if lat == 0 and lon == 0:
        return "position 0°, 0°: the camera had none"
    return ""
