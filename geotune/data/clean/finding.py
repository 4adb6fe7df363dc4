"""One case of the cleaning report, and every reason of a case: worded to be counted, with its cause and what to do."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pandas import DataFrame

Ints = npt.NDArray[np.int64]

DUPLICATE = "the same file as another photo"
CONTRADICTORY = "the same file at different positions"
FAR = "far from all others"
OUTLYING = "far out, for a region of this size"
NEAR_DUPLICATE = "looks the same as another photo"
ELSEWHERE = "looks the same as a photo elsewhere"
BURST = "one of a burst"
STALE = "stale position: the camera moved on, its position did not"
JUMP = "impossible jump"
SHARED_POSITION = "shares its exact position with many photos"
INACCURATE = "inaccurate position"

WHY = {
    DUPLICATE: "a copy teaches nothing, and in another split it gives the answer away. Import keeps the first alone, "
    "unless --keep-duplicates is given",
    CONTRADICTORY: "one of the positions is wrong and nothing says which: mend the table, or remove the wrong copies. "
    "Import leaves all of them out, unless --keep-duplicates is given",
    FAR: "a wrong position, or a photo of a holiday: it stretches the region that a model has to cover. Import leaves "
    "it out of a region, unless --keep-far is given",
    OUTLYING: "often a wrong sign, a swapped digit or a photo taken on the way: it stretches the region that a model "
    "has to cover. Look at it on the map, and remove it if it is wrong",
    NEAR_DUPLICATE: "a smaller copy, an edited one, or two shots from one spot: together in training it does no harm, "
    "across splits it flatters (geotune data check)",
    ELSEWHERE: "one of the two positions is probably wrong; or it is a poster, a screenshot, or two streets that look "
    "alike: look at the pair",
    BURST: "shots seconds apart show one thing: keep them in one split with --group burst",
    STALE: "indoors and just after a start a phone writes its last known position: these can be far off. Look at them "
    "on the map and remove those that are wrong",
    JUMP: "no one travels so fast: one of the two positions, or the camera's clock, is wrong; or there are two "
    "cameras of one model",
    SHARED_POSITION: "probably not measured but looked up: the middle of a town, a park or a country. True positions "
    "of many photos seldom agree to the last digit, unless a tripod or an album stands behind them",
    INACCURATE: "the camera itself says how far off its position may be: a model learns nothing finer from it",
}


SPLIT_WHY = {
    "within ": "a photo next to a held-out one trains for the test: you asked for this gap",
    "belongs to two splits": "its group and its place are in different splits, so it is in none",
    "too near a held-out place": "training with it would flatter, and it is no part of that place",
    "its ": "a group is never divided, so it would have to be in two splits",
}
"""What a split leaves out, by the beginning of its reason: why."""


def why(reason: str) -> str:
    """What usually causes a reason of any case, and the mend; "" for one that is not known."""
    from geotune.data.sources.why import why as why_of_source

    ours = WHY.get(reason) or next((text for start, text in SPLIT_WHY.items() if reason.startswith(start)), "")
    return ours or why_of_source(reason)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a photo: `left_out` or only noted, `detail` in figures, `other` the photo that it is due to.

    Its position in degrees is NaN where it has none.
    """

    id: str
    reason: str
    left_out: bool
    detail: str
    other: str = ""
    lat: float = math.nan
    lon: float = math.nan


def findings(
    catalogue: "DataFrame",
    rows: Ints,
    reason: str,
    details: Iterable[str],
    others: Ints | None = None,
    *,
    left_out: bool = False,
) -> list[Finding]:
    """A finding for each of `rows` of a catalogue; `others` are the rows of the photos that these are due to."""
    part = catalogue.iloc[rows]
    twins = [""] * len(rows) if others is None else [str(name) for name in catalogue["id"].iloc[others]]
    columns = zip(part["id"], details, twins, part["lat"], part["lon"], strict=True)
    return [
        Finding(str(name), reason, left_out, detail, twin, float(lat), float(lon))
        for name, detail, twin, lat, lon in columns
    ]
