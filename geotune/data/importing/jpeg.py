"""A JPEG file without its metadata: the coded picture stays bit for bit, so nothing is lost by decoding it twice."""

import io
import re
from collections.abc import Mapping, Sequence
from functools import cache

_START, _END = b"\xff\xd8", 0xD9
_SCAN = 0xDA
_JFIF, _ADOBE = 0xE0, 0xEE
_PICTURE = (0xC0, 0xC1, 0xC2, 0xC4, 0xDA, 0xDB, 0xDD)
"""Frames that every decoder knows, Huffman tables, scans, quantisation tables, restart intervals: decoders check the
length of each, so nothing else fits in."""
_ODD = ({*range(0xC0, 0xD0), *range(0xD0, 0xD9), 0x01, 0x00}) - {*_PICTURE}
"""Other frames, arithmetic coding, and markers without a length."""
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""What ends coded data: a marker that is neither a stuffed byte nor a restart."""


def stripped(data: bytes) -> bytes | None:
    """The file up to its end marker without EXIF, XMP, comments, profiles and thumbnails, or None where it is odd.

    Segments are those of ITU-T T.81, annex B: those that make the picture stay, and JFIF's and Adobe's, which say how
    colours are coded. What stands in the coded data itself behind its last block stays unseen.
    """
    if data[:2] != _START:
        return None
    kept, at = [_START], 2
    while True:
        while data[at : at + 2] == b"\xff\xff":  # fill bytes
            at += 1
        if len(data) < at + 2 or data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == _END:
            kept.append(b"\xff\xd9")
            return b"".join(kept)
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + size
        if marker in _ODD or size < 2 or end > len(data):
            return None
        kept.append(_kept(marker, data[at:end]))
        if marker == _SCAN:
            following = _MARKER.search(data, end)
            if following is None:
                return None
            kept.append(data[end : following.start()])
            end = following.start()
        at = end


def _kept(marker: int, segment: bytes) -> bytes:
    if marker == _JFIF and segment[4:9] == b"JFIF\0" and len(segment) >= 18:
        return b"\xff\xe0\x00\x10" + segment[4:16] + b"\0\0"  # without its thumbnail
    if marker == _ADOBE and segment[4:9] == b"Adobe" and len(segment) >= 16:
        return b"\xff\xee\x00\x0e" + segment[4:16]
    return segment if marker in _PICTURE else b""


def as_coarse(tables: Mapping[int, Sequence[int]], quality: int) -> bool:
    """Whether a JPEG with these quantisation tables is coded at most as finely as Pillow does at a quality."""
    return bool(tables) and sum(tables[min(tables)]) >= _sum(quality)


@cache
def _sum(quality: int) -> int:
    from PIL import Image, JpegImagePlugin

    coded = io.BytesIO()
    Image.new("RGB", (8, 8)).save(coded, "JPEG", quality=quality)
    with Image.open(coded) as picture:
        assert isinstance(picture, JpegImagePlugin.JpegImageFile)
        return sum(picture.quantization[0])
