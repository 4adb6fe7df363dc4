"""Coordinates as people write them: 52.5083, 52,5083, 52°30'30"N, N 52 30 30, exiftool's 52 deg 30' 30.00" N."""

import math
import re
from typing import Any, Literal

LONGEST = 64
MISSING = ("", "na", "nan", "n/a", "none", "null", "-")
_NUMBER = r"(\d+(?:[.,]\d*)?|[.,]\d+)"
_PARTS = re.compile(rf"([+-]?)\s*{_NUMBER}(?:\s*[°:\s]\s*{_NUMBER}(?:\s*[':\s]\s*{_NUMBER}\s*\"?)?\s*'?)?\s*°?")
_SIGNS = str.maketrans("−–º˚’′´”“″", "--°°'''\"\"\"")


def degrees(value: Any, axis: Literal["latitude", "longitude"]) -> float:
    """A coordinate as a number in degrees, NaN where the value is none at all; its range is not checked.

    Raises ValueError for text that is no coordinate of this axis.
    """
    if isinstance(value, float) or type(value) is int:
        return float(value)
    text = "" if value is None else str(value).strip()
    if text.lower() in MISSING:
        return math.nan
    if len(text) > LONGEST:
        raise ValueError(text[:LONGEST] + "…")
    try:
        return float(text.replace(",", ".").replace("_", "?"))  # 52,5 is 52.5 in half of Europe
    except ValueError:
        return _sexagesimal(text, "NS" if axis == "latitude" else "EW")


def _sexagesimal(text: str, letters: str) -> float:
    plain = re.sub(r"\bdeg\b", "°", text.translate(_SIGNS).replace("''", '"'), flags=re.IGNORECASE).strip()
    letter = ""
    for end in (0, -1):
        if plain and plain[end].upper() in letters:
            letter, plain = plain[end].upper(), (plain[1:] if end == 0 else plain[:-1]).strip()
            break
    found = _PARTS.fullmatch(plain)
    if not found:
        raise ValueError(text)
    sign, *parts = found.groups()
    whole, minutes, seconds = (float(part.replace(",", ".")) if part else 0.0 for part in parts)
    if minutes >= 60 or seconds >= 60 or (sign == "-" and letter):
        raise ValueError(text)
    size = whole + minutes / 60 + seconds / 3600
    return -size if sign == "-" or letter == letters[1] else size
