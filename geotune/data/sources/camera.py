"""What a photo's own EXIF adds to what a table, an archive or a shard says of it: when, which way, with what."""

import io
import math
from dataclasses import replace

from geotune.data.exif import Exif, exif_of, quiet_pillow
from geotune.data.sources.found import LeftOut, Photo

HEAD_BYTES = 2**16 + 2**12
"""A JPEG's EXIF is one segment of at most 64 KiB near its beginning."""
SAME_DEG = 1e-4
"""A GPS error belongs to the GPS position: it counts where that is within some 10 m of the table's."""


def exif_in(head: bytes) -> Exif | None:
    """What the EXIF of a JPEG that begins with `head` says; None where it has none."""
    if head[:2] != b"\xff\xd8" or head.find(b"Exif\0\0", 0, HEAD_BYTES) < 0:
        return None
    from PIL import Image

    quiet_pillow()
    try:
        with Image.open(io.BytesIO(head[:HEAD_BYTES])) as opened:
            return exif_of(opened)
    except Exception:  # a damaged photo is named when it is decoded
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
