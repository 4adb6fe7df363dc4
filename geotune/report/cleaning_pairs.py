"""The pictures of a cleaning report: the worst cases of each reason, each beside the photo that it is due to."""

import base64
import html
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from geotune.data.clean import Finding
from geotune.geo.sphere import distance_km

if TYPE_CHECKING:
    from pandas import DataFrame

Thumbnail = Callable[[str], bytes | None]

PER_REASON = 8
"""Cases of a reason that are shown."""
SIDE_PX = 220
"""Longest side of a picture on the page."""

CSS = """
.cases { display: flex; flex-wrap: wrap; gap: 1.2rem; margin-top: .6rem }
.case { border: 1px solid #e3e8ee; border-radius: 8px; padding: .6rem }
.pair { display: flex; gap: .5rem; align-items: flex-start }
figure { margin: 0; width: 220px }
figure img { max-width: 220px; max-height: 220px; border-radius: 4px; display: block }
figcaption { font-size: 12px; color: #57606a; overflow-wrap: anywhere }
.missing { width: 220px; height: 80px; background: #eef1f5; border-radius: 4px }
"""


def worst(catalogue: "DataFrame", cases: Sequence[Finding]) -> dict[str, list[Finding]]:
    """By reason, its worst cases among the photos of a catalogue, PER_REASON at the most.

    The further a photo lies from the one that it is due to the worse; for photos without such a one, the larger the
    error that their camera admits. One case stands for all that are due to the same photo.
    """
    import pandas as pd

    ids = pd.Index(catalogue["id"].to_numpy(object), dtype=object)
    first_row = np.flatnonzero(~ids.duplicated())
    ids = ids[first_row]
    lat, lon, error_m = (catalogue[name].to_numpy(np.float64) for name in ("lat", "lon", "gps_error_m"))
    found: dict[str, list[Finding]] = {}
    for reason in dict.fromkeys(case.reason for case in cases):
        some = [case for case in cases if case.reason == reason]
        named = (pd.Index([getattr(case, name) for case in some], dtype=object) for name in ("id", "other"))
        row, other = map(ids.get_indexer, named)
        here = np.flatnonzero(row >= 0)
        a, b = first_row[row[here]], np.where(other[here] >= 0, first_row[other[here]], -1)
        metres = np.where(b >= 0, 1000 * distance_km(lat[a], lon[a], lat[b], lon[b]), np.nan_to_num(error_m[a]))
        shown: dict[Any, Finding] = {}
        for at in here[np.argsort(-metres, kind="stable")]:
            case = some[at]
            key = min(case.id, case.other) if case.other else case.id
            if shown.setdefault(key, case) is case and len(shown) == PER_REASON:
                break
        if shown:
            found[reason] = list(shown.values())
    return found


def gallery(pairs: Mapping[str, Sequence[Finding]], thumbnail: Thumbnail) -> dict[str, str]:
    """By reason, its cases as HTML with their pictures inside; reasons of which no picture can be had are missing."""
    drawn = {}
    for reason, cases in pairs.items():
        pictures = [[(name, _picture(name, thumbnail)) for name in (case.id, case.other) if name] for case in cases]
        if any(picture for pair in pictures for _, picture in pair):
            drawn[reason] = "".join(map(_case, cases, pictures))
    return drawn


def _case(case: Finding, pictures: Sequence[tuple[str, str]]) -> str:
    figures = []
    for name, picture in pictures:
        drawn = f"<img src='{picture}' alt=''>" if picture else "<div class=missing></div>"
        figures.append(f"<figure>{drawn}<figcaption>{html.escape(name)}</figcaption></figure>")
    detail = f"<p class=hint>{html.escape(case.detail)}</p>" if case.detail else ""
    return f"<div class=case><div class=pair>{''.join(figures)}</div>{detail}</div>"


def _picture(name: str, thumbnail: Thumbnail) -> str:
    """A small JPEG as a data: address, or "" where there is none."""
    from PIL import Image

    data = thumbnail(name)
    if not data:
        return ""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.draft("RGB", (SIDE_PX, SIDE_PX))
            picture = opened.convert("RGB")
    except Exception:  # a decoder of damaged bytes raises what it likes, and a report shows what it can
        return ""
    picture.thumbnail((SIDE_PX, SIDE_PX))
    small = io.BytesIO()
    picture.save(small, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(small.getvalue()).decode()}"
