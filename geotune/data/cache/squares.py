"""Photos as uint8 squares, decoded once a node and shared by all trials."""

import io
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geotune.data.cache.layout import open_stored
from geotune.data.cache.store import OnProgress, Photos
from geotune.data.scans import endless
from geotune.errors import GeotuneError

if TYPE_CHECKING:
    from geotune.data.dataset import Split

Bytes = npt.NDArray[np.uint8]


RECIPE = 2
"""Part of the cache's key: raise it when `square` gives other pixels than before."""


def decoded(split: "Split", size: int, on_progress: OnProgress | None = None) -> Photos:
    """All photos of a split as squares (N, size, size, 3) uint8 RGB, decoded when they are first read.

    Kept under cache_root(), keyed by the content of the split and the size, for all processes of this machine; a
    subset of a split shares what the whole one has. `on_progress(photos in the store, photos)` after some were added.
    Reading raises GeotuneError naming a photo that cannot be decoded.
    """
    name = f"{split.fingerprint[:16]}-{size}-{RECIPE}"
    stored = open_stored(name, split.full, size, dataset=str(split._files[0].folder.parent), split=split.name)
    rows = None if len(split) == split.full else split.rows
    return Photos(len(split), size, lambda i: decode(split, i, size), stored, rows, on_progress)


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
