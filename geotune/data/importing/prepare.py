"""One photo made ready: decoded whole or refused with a reason, upright, scaled, without a trace of its metadata."""

import hashlib
import io
import warnings
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from geotune.data.importing.jpeg import as_coarse, stripped
from geotune.data.scans import endless
from geotune.data.sources.files import unreadable
from geotune.data.sources.found import LeftOut, Photo
from geotune.data.sources.heic import reads_heic
from geotune.data.sources.why import TOO_MANY_PIXELS, TOO_SMALL, TRUNCATED, UNDECODABLE, UNREADABLE
from geotune.data.threads import Room

if TYPE_CHECKING:
    from PIL import Image

SMALLEST_PX = 32
JPEG_QUALITY = 90
HASH_PX = 32
"""Side of the grey thumbnail that a perceptual hash is made of: imagehash's own size, so it scales nothing again."""
LOOK_PX = 128
"""Longest side that is enough to look at a photo for its hash."""
ZEROS = 1024
"""A JPEG that ends in so many zero bytes was preallocated and never filled; a decoder would paint the rest grey."""
TURNS = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270", 7: "TRANSVERSE",
    8: "ROTATE_90",
}  # fmt: skip
"""EXIF orientation -> what undoes it, as Pillow calls it."""
SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations that change width and height."""
MOST_PIXELS = 2**28
"""Pixels that all threads together decode at a time, at 4 to 8 bytes each: a small file may hold 178 million."""
_pixels = Room(MOST_PIXELS)
BLOCK_BYTES = 2**28
"""Pillow's memory of a picture is of pieces of this size: malloc gives large ones back, of smaller ones every thread
keeps what its largest picture took."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a decoded photo says of itself: size in pixels (upright, as found), sha256 (32 hex digits), 64-bit hash."""

    width: int
    height: int
    sha: str
    phash: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A photo as it is stored (JPEG bytes), and what was seen of it."""

    jpeg: bytes
    look: Look


def prepare(
    photo: Photo, max_side: int = 512, quality: int = JPEG_QUALITY, smallest_px: int = SMALLEST_PX
) -> Prepared | LeftOut:
    """A photo's JPEG: RGB, upright, longest side at most `max_side`; or why there is none. Any thread; never raises.

    A JPEG that needs none of that, and is no finer than `quality`, is stored as it was coded, without its metadata.
    What comes after cut data is never invented: such a photo is left out as truncated.
    """
    data = _loaded(photo)
    if isinstance(data, LeftOut):
        return data
    decoded = _decode(photo.id, data, max_side, smallest_px, quality)
    if isinstance(decoded, LeftOut):
        return decoded
    picture, look, jpeg = decoded
    if jpeg is None:
        stored = io.BytesIO()
        picture.save(stored, "JPEG", quality=quality)
        jpeg = stored.getvalue()
    return Prepared(jpeg, look)


def look_at(photo: Photo, smallest_px: int = SMALLEST_PX) -> Look | LeftOut:
    """Whether a photo decodes to its end, and what it says of itself, at the price of a small decode."""
    data = _loaded(photo)
    if isinstance(data, LeftOut):
        return data
    decoded = _decode(photo.id, data, LOOK_PX, smallest_px)
    return decoded if isinstance(decoded, LeftOut) else decoded[1]


def header_of(photo: Photo, phash: int) -> Look | LeftOut:
    """What a photo says of itself where its hash is known: its header alone is looked at."""
    from PIL import Image

    data = _loaded(photo)
    if isinstance(data, LeftOut):
        return data
    try:
        with Image.open(io.BytesIO(data)) as opened:
            return Look(*opened.size, sha_of(data), phash)
    except Exception:  # as in _decode
        return LeftOut(photo.id, UNDECODABLE)


def sha_of(data: bytes) -> str:
    """The first 32 hex digits of a sha256: two files share them only where they are the same."""
    return hashlib.sha256(data).hexdigest()[:32]


def phash_of(picture: "Image.Image") -> int:
    """imagehash's perceptual hash of an upright picture, as a number of 64 bits."""
    import imagehash
    from PIL import Image

    grey = picture.convert("L").resize((HASH_PX, HASH_PX), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return int.from_bytes(np.packbits(imagehash.phash(grey).hash).tobytes(), "big")


def _loaded(photo: Photo) -> bytes | LeftOut:
    try:
        return photo.load()
    except OSError as error:
        return LeftOut(photo.id, unreadable(error))
    except MemoryError:
        return LeftOut(photo.id, f"{UNREADABLE} (not enough memory)")


def _decode(
    identity: str, data: bytes, max_side: int, smallest_px: int, quality: int = 0
) -> tuple["Image.Image", Look, bytes | None] | LeftOut:
    """The picture, what is seen of it, and with a `quality` its JPEG where that can stay as it is."""
    from PIL import Image

    reads_heic()
    _large_blocks()
    if _unfilled(data):
        return LeftOut(identity, TRUNCATED)
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as opened:
            warnings.simplefilter("ignore")
            width, height = opened.size
            if endless(opened, data):
                return LeftOut(identity, UNDECODABLE)
            jpeg = stripped(data) if quality and _may_stay(opened, max_side, quality) else None
            wanted = max_side if jpeg is None else LOOK_PX
            opened.draft("RGB", (wanted, wanted))  # a large JPEG is decoded at a fraction of its size
            with _pixels.of(opened.width * opened.height):
                picture, turned = _upright(opened, max_side if jpeg is None else max(opened.size))
                if turned:
                    width, height = height, width
                if min(width, height) < smallest_px:
                    return LeftOut(identity, TOO_SMALL.format(px=smallest_px))
                return picture, Look(width, height, sha_of(data), phash_of(picture)), jpeg
    except Image.DecompressionBombError:
        return LeftOut(identity, TOO_MANY_PIXELS)
    except (
        Exception
    ) as error:  # a decoder of damaged bytes raises what it likes: struct.error, IndexError, zlib.error …
        cut = isinstance(error, OSError) and "truncated" in str(error).lower()
        return LeftOut(identity, TRUNCATED if cut else UNDECODABLE)


def _may_stay(opened: "Image.Image", max_side: int, quality: int) -> bool:
    """Whether nothing has to be done to a JPEG's picture."""
    from PIL import ExifTags, JpegImagePlugin

    return (
        isinstance(opened, JpegImagePlugin.JpegImageFile)
        and opened.mode == "RGB"
        and max(opened.size) <= max_side
        and opened.getexif().get(ExifTags.Base.Orientation) not in range(2, 9)
        and as_coarse(opened.quantization, quality)
    )


def _upright(opened: "Image.Image", max_side: int) -> tuple["Image.Image", bool]:
    """The picture as RGB, scaled down, turned as its EXIF says; and whether that swapped width and height."""
    from PIL import ExifTags, Image

    opened.load()
    picture = opened if opened.mode == "RGB" else opened.convert("RGB")  # not copied: it may be half a gigabyte
    orientation = opened.getexif().get(ExifTags.Base.Orientation)
    picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    picture.info.clear()  # Pillow would carry comments over
    if orientation in TURNS:
        picture = picture.transpose(Image.Transpose[TURNS[orientation]])
    return picture, orientation in SIDEWAYS


@cache
def _large_blocks() -> None:
    from PIL import Image

    Image.core.set_block_size(BLOCK_BYTES)  # type: ignore[attr-defined]


def _unfilled(data: bytes) -> bool:
    """Whether a JPEG's last part was never written: zeros to the end, and no end marker before them."""
    if data[:2] != b"\xff\xd8" or data[-ZEROS:].strip(b"\0"):
        return False
    return b"\xff\xd9" not in data.rstrip(b"\0")[-64:]
