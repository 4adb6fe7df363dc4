"""Why a result on a split would look better than it is, in plain words, each with its mend."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geotune.data.split.settings import SplitSettings, metres
from geotune.data.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from geotune.data.audit.audit import Seen, Twin

NOTABLE = 0.005
"""A share of the held-out photos from which on what training has seen of them moves a median's digits."""
MOST_OUTINGS = 0.5
"""A share of the held-out photos from which on the light and the camera of the day are no longer chance."""
SAME_M = 0.01
"""Positions are the same below so many metres: the seventh decimal of a degree."""
SPREAD = 0.8
"""Standard deviation of a photo's error, as a share of the mean error."""
ENOUGH_BLOCKS = 30
"""From so many on a split by block has some to test on: about five."""
FEW_PHOTOS, FEW_PLACES = 30, 5
"""With fewer to test on, a bootstrap interval says little."""


@dataclass(frozen=True)
class Flattery:
    """One reason why a result would look better than it is, in plain words, and the mend."""

    kind: str
    """photo, position, near, lookalikes, bursts, outings or few."""
    words: str
    mend: str


def flattery(
    seen: "Mapping[str, Seen]", twins: "Sequence[Twin]", settings: SplitSettings, blocks_of: "Callable[[float], int]"
) -> list[Flattery]:
    """Why results of a split would flatter, the worst first; `seen` is what training has seen of each held-out split.

    `twins` are pairs of photos in different splits that look the same, for an example. `blocks_of(side in metres)` is
    how many blocks the photos lie in: no advice is given that leaves too few.
    """
    told = []
    timed = any(one.in_bursts >= 0 for one in seen.values())
    spots = (
        "hold out whole places: --split place" if settings.by in ("photo", "given") else _larger(settings, blocks_of)
    )
    on_spot = _worst(seen, "same_position")
    if settings.by == "photo":
        told.append(Flattery(
            "photo",
            "the split is by photo: training has seen the very spots that are held out"
            + (f"; {on_spot} stand exactly where a training photo stands" if on_spot else "")
            + ". A result says how well it knows these spots, and nothing of new ones",
            f"for new spots {spots}",
        ))  # fmt: skip
    elif on_spot:
        told.append(Flattery(
            "position",
            f"{on_spot} stand exactly where a training photo stands: whoever knows that one by heart errs by nothing",
            _or(spots, "leave the training photos there out: --gap 5m"),
        ))  # fmt: skip
    near = {name: one for name, one in seen.items() if SAME_M <= one.median_m < settings.radius}
    if near and settings.by != "photo":
        name, one = min(near.items(), key=lambda item: item[1].median_m)
        told.append(Flattery(
            "near",
            f"half of the {name} photos were taken within {ground(one.median_m)} of a training photo, nearer than a "
            f"place's radius ({metres(settings.radius)}). Whoever knows the nearest training photo by heart errs by "
            "that much: an error of this size says little of new spots",
            _or(spots, f"leave out the {counted(one.beside, 'training photo')} beside them: --gap "
            f"{_round(settings.radius)}" if 2 * one.beside < one.training else ""),
        ))  # fmt: skip
    if alike := _worst(seen, "lookalikes"):
        pair = next((twin for twin in twins if twin[3] == "train" and f" {twin[1]} photo" in alike), None)
        told.append(Flattery(
            "lookalikes",
            f"{alike} look like a training photo" + (f" (such as {pair[0]} like {pair[2]})" if pair else ""),
            _or(spots, "keep bursts whole: --group burst" if timed else ""),
        ))  # fmt: skip
    if apart := _worst(seen, "in_bursts"):
        told.append(Flattery(
            "bursts", f"{apart} belong to a burst of which training has the rest", "keep bursts whole: --group burst"
        ))  # fmt: skip
    if apart := _worst(seen, "in_sessions", MOST_OUTINGS):
        told.append(Flattery(
            "outings",
            f"{apart} were taken on an outing of which training has photos: the same camera, hour and weather. The "
            "result is one for a day that it knows",
            "for other days: --group session",
        ))  # fmt: skip
    told += _few(seen, "block" if settings.by == "block" else "place")
    return told


def _larger(settings: SplitSettings, blocks_of: "Callable[[float], int]") -> str:
    """How to hold out larger pieces, where that leaves enough of them."""
    side = max(8 * settings.radius, 4 * settings.block if settings.by == "block" else 0)
    while side > max(settings.radius, settings.block if settings.by == "block" else 0):
        if blocks_of(side) >= ENOUGH_BLOCKS:
            return f"hold out larger pieces: --split block --block {_round(side)}"
        side /= 2
    return ""


def _or(*mends: str) -> str:
    return "; or ".join(mend for mend in mends if mend) or "add photos from elsewhere: these lie too close together"


def _few(seen: "Mapping[str, Seen]", noun: str) -> list[Flattery]:
    few = {name: one for name, one in seen.items() if not enough(one)}
    if not few:
        return []
    held = " and ".join(
        f"{counted(one.photos, f'{name} photo')} of {counted(one.places, noun)}" for name, one in few.items()
    )
    return [Flattery(
        "few",
        f"only {held}: luck moves such a result more than skill does; from {FEW_PHOTOS} photos of {FEW_PLACES} {noun}s "
        "on its interval means something",
        "add photos from elsewhere, hold out smaller pieces, or a larger share: --test 0.3",
    )]  # fmt: skip


def enough(seen: "Seen") -> bool:
    """Whether a split has enough photos of enough places for its interval to mean something."""
    return seen.photos >= FEW_PHOTOS and seen.places >= FEW_PLACES


def interval(spots: int) -> float:
    """The half-width to expect of a mean error's 95 % interval, as a share of it, with so many spots.

    Single errors spread by about 0.8 of their mean: 301 photos of a campus gave 57 m with a standard error of 2.5 m.
    """
    return 1.96 * SPREAD / math.sqrt(max(spots, 1))


def spots_for(half_width: float) -> int:
    """How many spots make `interval` that narrow, to two digits."""
    return int(float(f"{(1.96 * SPREAD / half_width) ** 2:.2g}"))


def _worst(seen: "Mapping[str, Seen]", what: str, share: float = NOTABLE) -> str:
    """`12 of 430 test photos (2.8 %)` for the split with the largest share, or "" where none is above `share`."""
    counts = {name: int(getattr(one, what)) for name, one in seen.items()}
    name = max(seen, key=lambda name: seen[name].share(counts[name]), default="")
    if not name or seen[name].share(counts[name]) <= share:
        return ""
    of = f"{counts[name]:,} of {counted(seen[name].photos, f'{name} photo')}"
    return f"{of} ({percent(seen[name].share(counts[name]))})"


def percent(share: float) -> str:
    """`85 %`, `2.8 %`, `0.47 %`."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.95 or value == 0 else f"{value:.2g} %"


def ground(length_m: float) -> str:
    """A distance on the ground: `0 m`, `5.7 m`, `430 m`, `2.3 km`, `6,204 km`."""
    value, unit = (length_m, "m") if length_m < 999.5 else (length_m / 1000, "km")
    return f"{value:,.1f} {unit}" if 0 < value < 9.95 else f"{value:,.0f} {unit}"


def _round(length_m: float) -> str:
    """A length as an option takes it: `200m`, `2km`."""
    return metres(float(f"{length_m:.1g}") if length_m >= 100 else round(length_m)).replace(" ", "")
