"""Photos decoded once a node: uint8 squares in one memory-mapped file that all trials share."""

import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geotune.data.shared_array import OnProgress, shared_array
from geotune.errors import GeotuneError

if TYPE_CHECKING:
    from geotune.data.dataset import Split

Bytes = npt.NDArray[np.uint8]

RECIPE = 1
"""Part of the cache's key: raise it when `square` gives other pixels than before."""


def cache_root() -> Path:
    """The folder of everything that can be made again: $GEOTUNE_CACHE, else the user's cache folder."""
    named = os.environ.get("GEOTUNE_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("geotune", appauthor=False))


def decoded(split: "Split", size: int, on_progress: OnProgress | None = None) -> Bytes:
    """All photos of a split as a read-only memory map (N, size, size, 3), uint8 RGB.

    Built once under cache_root(), keyed by the split's fingerprint and the size; processes that ask at the same time
    share the work. `on_progress(photos done, photos)`. Raises GeotuneError naming a photo that cannot be decoded.
    """

    def fill(start: int, stop: int) -> Bytes:
        # OpenCV decodes outside the interpreter's lock: threads are enough
        return np.stack(list(pool.map(lambda i: _photo(split, i, size), range(start, stop))))

    folder = cache_root() / "photos" / f"{split.fingerprint[:32]}-{size}-{RECIPE}"
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return shared_array(folder, (len(split), size, size, 3), np.uint8, fill, on_progress=on_progress)  # type: ignore[return-value]


def square(jpeg: bytes, size: int) -> Bytes:
    """The centre square of a photo as (size, size, 3) uint8 RGB: its short edge fits, its EXIF orientation holds.

    A large JPEG is decoded at half, a quarter or an eighth of its size as long as that is not below `size`. Raises
    ValueError for bytes that are no picture.
    """
    import cv2
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(jpeg)) as header:
            short = min(header.size)
    except UnidentifiedImageError:
        raise ValueError("no picture") from None
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from None
    flags = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
    flag = next((flags[n] for n in (8, 4, 2) if short // n >= size), cv2.IMREAD_COLOR)
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), flag)
    if picture is None:
        raise ValueError("not a picture that OpenCV can decode")
    height, width = picture.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    picture = picture[top : top + edge, left : left + edge]
    if edge != size:
        shrink = cv2.INTER_AREA if edge > size else cv2.INTER_CUBIC
        picture = cv2.resize(picture, (size, size), interpolation=shrink)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _photo(split: "Split", i: int, size: int) -> Bytes:
    try:
        return square(split.photo(i), size)
    except ValueError as error:
        raise GeotuneError(
            f"photo {str(split.ids[i])!r} of the {split.name} split cannot be decoded ({error})",
            "import the photos again: geotune data import leaves such photos out and counts them",
        ) from None
