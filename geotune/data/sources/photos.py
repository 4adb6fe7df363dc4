"""A folder of photos whose position stands in their EXIF, as phones and cameras write it."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from geotune.config import Settings
from geotune.data.diagnose import PHOTO_SUFFIXES
from geotune.data.sources.found import LeftOut, Photo, position_fault
from geotune.data.threads import in_threads
from geotune.errors import GeotuneError

UNREADABLE_SUFFIXES = {".heic", ".heif", ".avif", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"}
NO_POSITION = "no GPS position in EXIF"

GPS = 0x8825
LATITUDE_REF, LATITUDE, LONGITUDE_REF, LONGITUDE = 1, 2, 3, 4


class PhotosSource(Settings):
    """A folder of photos with GPS in EXIF, searched with all folders below it."""

    name: Literal["photos"] = "photos"
    path: Path
    """The folder."""

    def scan(self) -> Iterator[Photo | LeftOut]:
        """Every file below the folder, in the order of names; hidden ones are passed over."""
        if not self.path.is_dir():
            raise GeotuneError(f"{self.path}: no such folder", "give a folder of photos, or a CSV file")
        yield from in_threads(self._look, self._files())

    def _files(self) -> Iterator[Path]:
        for folder, below, names in os.walk(self.path):
            below[:] = sorted(name for name in below if not name.startswith("."))
            yield from (Path(folder) / name for name in sorted(names) if not name.startswith("."))

    def _look(self, path: Path) -> Photo | LeftOut:
        name, suffix = path.relative_to(self.path).as_posix(), path.suffix.lower()
        if suffix in UNREADABLE_SUFFIXES:
            return LeftOut(name, f"{suffix} file: convert it to JPEG first")
        if suffix not in PHOTO_SUFFIXES:
            return LeftOut(name, "not a photo")
        try:
            position = exif_position(path)
        except OSError as error:  # a read error has a number; Pillow's "no picture" has none
            return LeftOut(name, f"cannot be read ({error.strerror})" if error.errno else "cannot be decoded")
        except (SyntaxError, ValueError):
            return LeftOut(name, "cannot be decoded")
        if position is None:
            return LeftOut(name, NO_POSITION)
        fault = position_fault(*position)
        return LeftOut(name, fault) if fault else Photo(name, *position, path.read_bytes)


def exif_position(path: Path) -> tuple[float, float] | None:
    """Latitude and longitude in degrees of a photo file, or None where its EXIF has none.

    Raises OSError, SyntaxError or ValueError for a file that is no picture.
    """
    import warnings

    from PIL import Image

    with warnings.catch_warnings(), path.open("rb") as stream:
        warnings.simplefilter("ignore")  # Pillow warns of odd tags, which is our normal case
        with Image.open(stream) as picture:
            gps = picture.getexif().get_ifd(GPS)
    return position_of(gps)


def position_of(gps: Any) -> tuple[float, float] | None:
    """Latitude and longitude in degrees of an EXIF GPS directory (tag number -> value), or None."""
    lat = _degrees(gps.get(LATITUDE), gps.get(LATITUDE_REF), "N", "S")
    lon = _degrees(gps.get(LONGITUDE), gps.get(LONGITUDE_REF), "E", "W")
    return None if lat is None or lon is None else (lat, lon)


def _degrees(parts: Any, ref: Any, positive: str, negative: str) -> float | None:
    """Degrees, minutes, seconds and a hemisphere -> signed degrees; parts may be missing, whole or a lone number.

    A part with the denominator 0 means "not given" in EXIF: 0 for minutes and seconds, no position for degrees.
    """
    if parts is None:
        return None
    try:
        numbers = [float(part) for part in (parts if isinstance(parts, list | tuple) else [parts])]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not numbers or len(numbers) > 3 or not math.isfinite(numbers[0]):
        return None
    degrees, minutes, seconds = (*(n if math.isfinite(n) else 0.0 for n in numbers), 0.0, 0.0)[:3]
    size = abs(degrees) + minutes / 60 + seconds / 3600
    letter = (ref.decode("ascii", "replace") if isinstance(ref, bytes) else str(ref or "")).strip("\0 ").upper()[:1]
    if letter not in ("", positive, negative):
        return None
    if not letter and degrees >= 0 and len(numbers) == 3:
        return None  # without a hemisphere half of the Earth is as likely as the other
    below = degrees < 0 or letter == negative
    return -size if below else size
