"""Where EXIF stands in the bytes of a photo, found without decoding the picture.

JPEG: segments of ITU-T T.81, annex B, with those of the Exif standard. PNG: chunks of its specification, of which eXIf
may stand behind the picture.
"""

from typing import IO

MOST_CHUNKS, LARGEST_CHUNK = 100_000, 2**20
_NAME = b"Exif\0\0"


def in_jpeg(data: bytes) -> bytes:
    """The EXIF before a JPEG's picture, b"" where there is none; what `data` cuts off counts as far as it goes."""
    found, at = b"", 2
    while data[at : at + 1] == b"\xff" and (marker := data[at + 1 : at + 2]) not in (b"", b"\xda"):
        if marker == b"\xff":  # a fill byte
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == b"\xe1" and data[at + 4 : at + 10] == _NAME:
            found += data[at + (10 if found else 4) : end]  # a second segment goes on where the first ends
        at = end
    return found


def in_png(stream: IO[bytes]) -> bytes:
    """The EXIF of a PNG file, b"" where there is none; the stream stays where it is."""
    before = stream.tell()
    stream.seek(8)
    try:
        for _ in range(MOST_CHUNKS):
            head = stream.read(8)
            if len(head) < 8:
                break
            size = int.from_bytes(head[:4], "big")
            if head[4:] == b"eXIf":
                return _NAME + stream.read(min(size, LARGEST_CHUNK))
            stream.seek(size + 4, 1)
    finally:
        stream.seek(before)
    return b""
