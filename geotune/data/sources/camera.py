"""What a photo's own EXIF adds to what a table, an archive or a shard says of it: when, which way, with what."""

import io
import math
from dataclasses import replace
from pathlib import Path

from geotune.data.exif import Exif, exif_of, quiet_pillow, read_exif, said_by
from geotune.data.exif_bytes import in_jpeg
from geotune.data.sources.found import LeftOut, Photo
from geotune.data.sources.heic import reads_heic

HEAD_BYTES = 2**16 + 2**12
"""A JPEG's EXIF is one segment of at most 64 KiB near its beginning."""
JPEG = b"\xff\xd8"
SAME_DEG = 1e-4
"""A GPS error belongs to the GPS position: it counts where that is within some 10 m of the table's."""


def exif_at(path: Path) -> Exif | None:
    """What the EXIF of a photo file says, None where it is no photo; raises OSError where it cannot be read."""
    try:
        return read_exif(path)
    except Exception as error:  # a damaged photo is named when it is decoded
        if isinstance(error, OSError) and error.errno:
            raise
        return None


def exif_in(data: bytes) -> Exif | None:
    """What the EXIF of a photo says; None where it has none. Of a JPEG its first `HEAD_BYTES` are enough."""
    from PIL import Image

    quiet_pillow()
    try:
        if data[:2] == JPEG:
            exif = Image.Exif()
            exif.load(in_jpeg(data[: 2 * HEAD_BYTES]))
            return said_by(exif) if len(exif) else None
        reads_heic()
        with Image.open(io.BytesIO(data)) as opened:
            return exif_of(opened)
    except Exception:  # as above
        return None


def with_exif(found: Photo | LeftOut, said: Exif | None) -> Photo | LeftOut:
    """The photo with what its EXIF says, where its source said nothing."""
    if isinstance(found, LeftOut) or said is None:
        return found
    same = said.position is not None and math.dist(said.position, (found.lat, found.lon)) < SAME_DEG
    return replace(
        found,
        time=said.time if math.isnan(found.time) else found.time,
        heading=said.heading if math.isnan(found.heading) else found.heading,
        gps_error_m=said.gps_error_m if math.isnan(found.gps_error_m) and same else found.gps_error_m,
        camera=found.camera or said.camera,
    )
