"""Photos as uint8 squares, decoded once a node and shared by all trials."""

import hashlib
import io
import logging
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geotune.data.cache.layout import open_stored
from geotune.data.cache.store import Photos
from geotune.data.scans import endless
from geotune.errors import GeotuneError

if TYPE_CHECKING:
    from geotune.data.dataset import Split

Bytes = npt.NDArray[np.uint8]

log = logging.getLogger(__name__)

RECIPE = 2
"""Part of the cache's key: raise it when `square` gives other pixels than before."""


def decoded(split: "Split", size: int) -> Photos:
    """All photos of a split as squares (N, size, size, 3) uint8 RGB, decoded when they are first read.

    Kept under cache_root(), keyed by the content of the split and the size, for all processes of this machine; a
    subset of a split shares what the whole one has, or has a store of its own where there is no room for the whole.
    Without room for either all is decoded anew whenever it is read, after a warning. Reading raises GeotuneError
    naming a photo that cannot be decoded.
    """
    name = f"{split.fingerprint[:16]}-{size}-{RECIPE}"
    dataset = str(split._files[0].folder.parent)
    rows = None if len(split) == split.full else split.rows
    stored = open_stored(name, split.full, size, dataset=dataset, split=split.name)
    if stored is None and rows is not None:
        part = hashlib.sha256(rows.astype(np.int64).tobytes()).hexdigest()[:8]
        stored = open_stored(f"{name}-part-{part}", len(split), size, dataset=dataset, split=f"{split.name} (part)")
        rows = None
    if stored is None:
        _warn_no_room(f"{dataset}: the {len(split):,} {split.name} photos at {size} px")
    return Photos(len(split), size, lambda i: decode(split, i, size), stored, rows)


@cache
def _warn_no_room(photos: str) -> None:
    """Once a process: every trial opens its photos again."""
    log.warning(
        f"{photos} are decoded anew in every epoch: there is no room for them in the cache. Free some space "
        "(geotune data cache), let it take more (export GEOTUNE_CACHE_LIMIT=50GB), or name another disk: "
        "export GEOTUNE_CACHE=/path/with/space"
    )


def square(jpeg: bytes, size: int) -> Bytes:
    """The centre square of a photo as (size, size, 3) uint8 RGB: its short edge fits, its EXIF orientation holds.

    A large JPEG is decoded at half, a quarter or an eighth of its size as long as that is not below `size`. Raises
    ValueError for bytes that are no picture.
    """
    from PIL import Image, UnidentifiedImageError

    cv2 = _opencv()
    try:
        with Image.open(io.BytesIO(jpeg)) as header:
            short = min(header.size)
            if endless(header, jpeg):
                raise ValueError("a JPEG of too many scans")
    except UnidentifiedImageError:
        raise ValueError("no picture") from None
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from None
    flags = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
    flag = next((flags[n] for n in (8, 4, 2) if short // n >= size), cv2.IMREAD_COLOR)
    try:
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), flag)
    except cv2.error as error:  # a size that it will not even try
        raise ValueError(f"not a picture that OpenCV can decode ({error.err})") from None
    if picture is None:
        raise ValueError("not a picture that OpenCV can decode")
    height, width = picture.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    picture = picture[top : top + edge, left : left + edge]
    if size < edge < 2 * size:
        # Averages of 2 x 2 interpolated points: as sharp and free of moiré as the average over the area, which takes
        # longer than decoding: 0.3 and 0.8 ms for 375 px to 224; 38.5 and 38.7 dB from Lanczos on real photos.
        picture = cv2.resize(picture, (2 * size, 2 * size), interpolation=cv2.INTER_LINEAR)
        edge = 2 * size
    if edge != size:
        shrink = cv2.INTER_AREA if edge > size else cv2.INTER_CUBIC
        picture = cv2.resize(picture, (size, size), interpolation=shrink)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


@cache
def _opencv() -> Any:
    """OpenCV without threads of its own: with them a photo costs a sixth more, and photos are decoded side by side."""
    import cv2

    cv2.setNumThreads(1)
    return cv2


def decode(split: "Split", i: int, size: int) -> Bytes:
    """Photo `i` of a split as a square, past the cache. GeotuneError naming a photo that cannot be decoded."""
    try:
        return square(split.photo(i), size)
    except ValueError as error:
        raise GeotuneError(
            f"photo {str(split.ids[i])!r} of the {split.name} split cannot be decoded ({error})",
            "import the photos again: geotune data import leaves such photos out and counts them",
        ) from None
