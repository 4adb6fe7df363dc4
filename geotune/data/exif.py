"""What a photo's EXIF says of where, when and with what it was taken.

Tags as in the Exif standard (CIPA DC-008), values as phones and cameras really write them.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geotune.data.exif_bytes import in_png
from geotune.data.sources.heic import reads_heic

if TYPE_CHECKING:
    from PIL import Image

EXIF, GPS = 0x8769, 0x8825
MAKE, MODEL, SERIAL = 0x010F, 0x0110, 0xA431
TAKEN, TAKEN_ZONE, TAKEN_FRACTION = 0x9003, 0x9011, 0x9291
LATITUDE_REF, LATITUDE, LONGITUDE_REF, LONGITUDE = 1, 2, 3, 4
GPS_TIME, GPS_DATE, HEADING_REF, HEADING, GPS_ERROR = 7, 29, 16, 17, 31

ZONES, FIX_AHEAD = timedelta(minutes=30), timedelta(minutes=2)
WIDEST_ZONE = timedelta(hours=14)


@dataclass(frozen=True, slots=True)
class Exif:
    """What EXIF says; None, NaN or "" where it says nothing. Units as in `geotune.data.sources.found.Photo`."""

    position: tuple[float, float] | None = None
    time: float = math.nan
    heading: float = math.nan
    gps_error_m: float = math.nan
    camera: str = ""
    magnetic_heading: float = math.nan
    """Degrees clockwise from magnetic north, where the camera knew no true north."""


# ------------------------------------------------------------------------------------------ reading


def read_exif(path: Path) -> Exif:
    """What the EXIF of a photo file says. Reads its header only.

    Raises OSError, SyntaxError, ValueError or Pillow's DecompressionBombError for a file that is no picture.
    """
    from PIL import Image

    quiet_pillow()
    reads_heic()  # a phone's HEIC is often called .jpg
    with path.open("rb") as stream:
        try:
            picture = Image.open(stream)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            raise
        except Exception as error:  # a reader that trusted a damaged header
            raise ValueError(f"no picture ({error})") from None
        with picture:
            return exif_of(picture)


def quiet_pillow() -> None:
    """Pillow warns of odd tags, which is our normal case; `catch_warnings` does not work in several threads."""
    import logging
    import warnings

    if not any(getattr(module, "pattern", "") == "PIL" for *_, module, _ in warnings.filters):
        warnings.filterwarnings("ignore", module="PIL")
        logging.getLogger("PIL").setLevel(logging.CRITICAL)  # damage is named by us


def exif_of(picture: "Image.Image") -> Exif:
    """What the EXIF of an open picture says, which is not decoded for it; damaged EXIF says nothing."""
    from PIL import Image

    try:
        if picture.format != "PNG":
            return said_by(picture.getexif())
        if "exif" not in picture.info and (late := in_png(picture.fp)):  # type: ignore[attr-defined]
            picture.info["exif"] = late
        return said_by(Image.Image.getexif(picture))  # a PNG's own would decode it, to come to what stands behind
    except Exception:  # Pillow's reader of damaged EXIF raises whatever it stumbles over
        return Exif()


def said_by(exif: "Image.Exif") -> Exif:
    """What Pillow's EXIF says; raises whatever Pillow does where it is damaged."""
    base, taken, gps = dict(exif), dict(exif.get_ifd(EXIF)), dict(exif.get_ifd(GPS))
    magnetic = _text(gps.get(HEADING_REF))[:1].upper() == "M"
    heading = heading_of(gps.get(HEADING))
    return Exif(
        position=position_of(gps),
        time=time_of(taken, gps),
        heading=math.nan if magnetic else heading,
        gps_error_m=_at_least_zero(gps.get(GPS_ERROR)),
        camera=" ".join(filter(None, (_text(base.get(MAKE)), _text(base.get(MODEL)), _text(taken.get(SERIAL))))),
        magnetic_heading=heading if magnetic else math.nan,
    )


# ------------------------------------------------------------------------------------------ where


def position_of(gps: Any) -> tuple[float, float] | None:
    """Latitude and longitude in degrees of an EXIF GPS directory (tag number -> value), or None."""
    lat = _degrees(gps.get(LATITUDE), gps.get(LATITUDE_REF), "N", "S")
    lon = _degrees(gps.get(LONGITUDE), gps.get(LONGITUDE_REF), "E", "W")
    return None if lat is None or lon is None else (lat, lon)


def heading_of(value: Any) -> float:
    """Degrees from 0 to below 360, NaN for what is no angle."""
    angle = _number(value)
    return angle % 360 if -360 <= angle <= 360 else math.nan


def _degrees(parts: Any, ref: Any, positive: str, negative: str) -> float | None:
    """Degrees, minutes, seconds and a hemisphere -> signed degrees; parts may be missing, whole or a lone number.

    A part with the denominator 0 means "not given" in EXIF: 0 for minutes and seconds, no position for degrees.
    """
    numbers = [_number(part) for part in (parts if isinstance(parts, list | tuple) else [parts])]
    if not numbers or len(numbers) > 3 or not math.isfinite(numbers[0]):
        return None
    degrees, minutes, seconds = (*(n if math.isfinite(n) else 0.0 for n in numbers), 0.0, 0.0)[:3]
    size = abs(degrees) + minutes / 60 + seconds / 3600
    letter = _text(ref).upper()[:1]
    if letter not in ("", positive, negative):
        return None
    if not letter and degrees >= 0 and len(numbers) == 3:
        return None  # without a hemisphere half of the Earth is as likely as the other
    below = degrees < 0 or letter == negative
    return -size if below else size


# ------------------------------------------------------------------------------------------ when


def time_of(taken: Any, gps: Any) -> float:
    """Seconds since 1970 of the Exif and GPS directories (tag number -> value), NaN where both are silent.

    The camera's clock with its zone; without one the zone that brings it nearest after the satellites' time, for a
    fix may be older than the photo, never younger; where they are too far apart, the satellites' time alone; and the
    camera's clock as if it were UTC where that is all there is.
    """
    clock, sky = _clock(taken), _sky(gps)
    if clock is not None:
        zone = _zone(_text(taken.get(TAKEN_ZONE)))
        if zone is None and sky is not None:
            ahead = clock - sky + FIX_AHEAD
            zone = ahead // ZONES * ZONES
            if abs(zone) > WIDEST_ZONE:
                return sky.timestamp()
        return (clock - (zone or timedelta())).timestamp()
    return sky.timestamp() if sky is not None else math.nan


def _clock(taken: Any) -> datetime | None:
    moment = parse_exif_time(_text(taken.get(TAKEN)))
    if moment is None:
        return None
    fraction = _text(taken.get(TAKEN_FRACTION))
    digits = float("0." + fraction) if fraction.isascii() and fraction.isdigit() and len(fraction) <= 9 else 0.0
    return moment + timedelta(seconds=digits)


def _sky(gps: Any) -> datetime | None:
    day, parts = _text(gps.get(GPS_DATE)).replace("-", ":"), gps.get(GPS_TIME)
    moment = parse_exif_time(f"{day} 00:00:00")
    if moment is None or not isinstance(parts, list | tuple) or len(parts) != 3:
        return None
    hours, minutes, seconds = map(_number, parts)
    if not (0 <= hours < 24 and 0 <= minutes < 60 and 0 <= seconds < 61):
        return None
    return moment + timedelta(hours=hours, minutes=minutes, seconds=seconds)


def parse_exif_time(text: str) -> datetime | None:
    """`2024:09:23 16:08:10` as if it were UTC; None for what is no time, as the zeros of an unset clock."""
    try:
        moment = datetime.strptime(text[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment if 1970 < moment.year < 2200 else None


def _zone(text: str) -> timedelta | None:
    """`-04:00` or `Z` as a time ahead of UTC."""
    try:
        return datetime.strptime(text, "%z").utcoffset()
    except ValueError:
        return None


# ------------------------------------------------------------------------------------------ values


def _number(value: Any) -> float:
    """A number of EXIF, a rational or text; NaN for none, and for a denominator of 0."""
    try:
        return float(Fraction(value)) if isinstance(value, str) and "/" in value else float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return math.nan


def _at_least_zero(value: Any) -> float:
    number = _number(value)
    return number if math.isfinite(number) and number >= 0 else math.nan


def _text(value: Any) -> str:
    """Text of EXIF, which may be bytes and is often padded with NULs."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str("" if value is None else value)
    return text.partition("\0")[0].strip()
