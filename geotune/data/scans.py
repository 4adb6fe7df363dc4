"""JPEGs that are decoded again and again: five kilobytes in four hundred scans take as many seconds as a film.

A progressive JPEG repeats its scans over all pixels as often as it likes; cameras and editors write about ten.
"""

from typing import Any

SCAN = b"\xff\xda"
"""The marker of a scan; the header that follows it says in its third byte how many components the scan has."""
MOST = 100
"""Scans of one photo; 178 megapixels take a second or two in so many."""


def endless(opened: Any, data: bytes) -> bool:
    """Whether a picture that Pillow has opened, not yet decoded, is a JPEG of more scans than an honest one has."""
    if opened.format not in ("JPEG", "MPO"):
        return False
    first = data.rfind(SCAN, 0, opened.fp.tell())  # Pillow has read up to the end of the first scan's header
    whole = first >= 0 and data[first + 4] >= getattr(opened, "layers", 0)
    if whole and not opened.info.get("progressive"):
        return False  # all in the first scan: a decoder looks at no other, and nothing needs to be counted
    return data.count(SCAN) > MOST
