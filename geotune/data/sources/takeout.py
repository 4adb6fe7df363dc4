"""Google Takeout's sidecars: `IMG.jpg.json` and its many other names, with position and time of a photo.

A sidecar is named `<photo>.supplemental-metadata.json`, formerly `<photo>.json`, cut to 46 characters before `.json`.
The number of `IMG(1).jpg` stands before the sidecar's `.json`; an edited copy has its original's sidecar. A name that
was cut may be another photo's: there the title in the sidecar decides.
"""

import json
import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

LONGEST = 46
SUPPLEMENT = ".supplemental-metadata"
MAX_BYTES = 2**20
EDITED = re.compile(
    r"-(edited|bearbeitet|modifié|editado|editada|modificato|bewerkt|redigerad|redigeret|redigert|muokattu|edytowane|"
    r"upraveno|szerkesztett|düzenlendi|изменено|編集済み|已修改|수정됨)(?=(\(\d+\))?$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a sidecar says: degrees or None, seconds since 1970 (UTC) or NaN."""

    position: tuple[float, float] | None = None
    time: float = math.nan


def find_sidecar(folder: Path, photo: str, jsons: frozenset[str]) -> str:
    """The name of a photo's sidecar among the `.json` names of its folder, or ""."""
    if not jsons:
        return ""
    names = ((name, stem) for name, stem in _sidecar_names(photo) if name in jsons)
    return next((name for name, stem in names if not stem or _begins(_title(folder / name), stem)), "")


def _title(path: Path) -> str:
    """The photo's name before Google's disk shortened it, "" where a sidecar does not say it."""
    title = _json_map(path).get("title")
    return title if isinstance(title, str) else ""


def _sidecar_names(photo: str) -> Iterator[tuple[str, str]]:
    """The names that the sidecar of a photo may have, the likeliest first; with how its title must begin, or ""."""
    yield from _names(photo)
    name = PurePath(photo)
    original = EDITED.sub("", name.stem)
    if original != name.stem:
        yield from _names(original + name.suffix)
    yield f"{name.stem}.json", ""  # its title had no suffix


def _names(photo: str) -> Iterator[tuple[str, str]]:
    name = PurePath(photo)
    number = re.search(r"\(\d+\)$", name.stem)
    forms = [(photo, "")]
    if number:  # first: cutting the other form would lose the number
        forms.insert(0, (name.stem.removesuffix(number[0]) + name.suffix, number[0]))
    for whole, counter in forms:
        stem = PurePath(whole).stem
        for cut in range(len(SUPPLEMENT), -1, -1):
            yield f"{(whole + SUPPLEMENT[:cut])[:LONGEST]}{counter}.json", stem if len(whole) > LONGEST else ""
            yield f"{whole}{SUPPLEMENT[:cut]}{counter}.json", ""


def _begins(title: str, stem: str) -> bool:
    """Whether a title begins so: `_` stands for what a disk's names may not have."""
    title, stem = unicodedata.normalize("NFC", title), unicodedata.normalize("NFC", stem)
    pairs = zip(title[: len(stem)], stem, strict=False)
    return len(title) >= len(stem) and all(ours in (theirs, "_") for theirs, ours in pairs)


def read_sidecar(path: Path) -> Sidecar:
    """What a sidecar says; nothing where it is damaged, larger than 1 MiB or some other JSON file."""
    found = _json_map(path)
    # the camera's own first: geoData may be where Google believes that you were
    positions = (_position(found.get(key)) for key in ("geoDataExif", "geoData"))
    return Sidecar(next(filter(None, positions), None), _time(found.get("photoTakenTime")))


def _json_map(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        found = json.loads(data) if len(data) <= MAX_BYTES else None
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _position(value: Any) -> tuple[float, float] | None:
    try:
        lat, lon = float(value["latitude"]), float(value["longitude"])
    except (TypeError, KeyError, ValueError, OverflowError):
        return None
    return (lat, lon) if lat or lon else None


def _time(value: Any) -> float:
    try:
        seconds = float(value["timestamp"])
    except (TypeError, KeyError, ValueError, OverflowError):
        return math.nan
    return seconds if 0 < seconds < 2**33 else math.nan
