"""What a camera's own series of photos gives away: bursts, positions that froze, jumps that nobody can make."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geotune.data.audit.flattery import ground
from geotune.data.clean.copies import metres_between
from geotune.data.clean.finding import BURST, JUMP, STALE, Finding, findings
from geotune.data.clean.hashes import popcount
from geotune.data.clean.series import bursts, chains, neighbours
from geotune.data.clean.settings import CleanSettings

if TYPE_CHECKING:
    from pandas import DataFrame

Bools = npt.NDArray[np.bool_]

DIFFERENT_BITS = 10
"""Neighbours of a series whose hashes differ in more bits than this on average show different things."""
CLOCK_SECONDS = 1.0
"""A camera's clock counts whole seconds: two photos may lie this much further apart than it says."""
JUMP_METRES = 100.0
"""Below this a jump may be the jitter of the position."""
MANY_JUMPS, SHARE_OF_JUMPS = 10, 0.1
"""With more jumps, and a larger share of them, a camera is many: phones of one model that write no serial number."""


def in_bursts(catalogue: "DataFrame", keep: Bools) -> list[Finding]:
    """Photos of a burst of two or more, all but its first."""
    rows = np.flatnonzero(keep)
    part = catalogue.iloc[rows]
    _, group, size = np.unique(bursts(part), return_inverse=True, return_counts=True)
    order, _, _ = neighbours(part)
    first = np.zeros(len(size), np.int64)
    first[group[order[::-1]]] = order[::-1]  # the last one written is the first one taken
    chosen = np.flatnonzero((size[group] > 1) & (first[group] != np.arange(len(group))))
    time = part["time"].to_numpy(np.float64)
    details = [
        f"{size[group[row]]:,} photos; {time[row] - time[first[group[row]]]:.3g} s after the first" for row in chosen
    ]
    return findings(catalogue, rows[chosen], BURST, details, rows[first[group[chosen]]])


def stale(catalogue: "DataFrame", keep: Bools, settings: CleanSettings) -> list[Finding]:
    """Photos of a known camera that stand exactly where the one before stands, `settings.stale` long, yet differ.

    The first of such a series is not told: its position was fresh when it was taken.
    """
    rows = _known(catalogue, keep)
    part = catalogue.iloc[rows]
    order, seconds, metres = neighbours(part)
    group = chains(order, (metres == 0) & np.isfinite(seconds))[order]  # in order of time from here on
    hashes, time = part["phash"].to_numpy(np.uint64)[order], part["time"].to_numpy(np.float64)[order]
    size, start = np.bincount(group), np.flatnonzero(np.diff(group, prepend=-1))
    same = np.flatnonzero(group[1:] == group[:-1])
    changes = np.bincount(group[same], popcount(hashes[same] ^ hashes[same + 1]).astype(float), len(size))
    lasts = time[start + size - 1] - time[start]
    frozen = (size > 2) & (lasts >= settings.stale) & (changes > DIFFERENT_BITS * (size - 1))
    chosen = np.flatnonzero(frozen[group] & (start[group] != np.arange(len(group))))
    details = [f"{size[group[at]]:,} photos within {_span(lasts[group[at]])} stand on one point" for at in chosen]
    return findings(catalogue, rows[order[chosen]], STALE, details, rows[order[start[group[chosen]]]])


def jumps(catalogue: "DataFrame", keep: Bools, settings: CleanSettings) -> list[Finding]:
    """Photos of a known camera that it cannot have reached in time from the photo before.

    Where it is back at once, the one in between is told; else the later one, though the earlier may be the wrong one.
    A camera that jumps all the time is many cameras of one model, and none of its jumps is told.
    """
    rows = _known(catalogue, keep)
    part = catalogue.iloc[rows]
    order, seconds, metres = neighbours(part)
    linked = np.isfinite(seconds)
    limit = settings.speed_kmh / 3.6
    jump = linked & (metres > JUMP_METRES) & (metres > limit * (seconds + CLOCK_SECONDS))
    if not jump.any():
        return []
    out_and_back = np.flatnonzero(jump[:-1] & jump[1:])  # the jump to a photo and the one from it
    around = metres_between(part, order[out_and_back], order[out_and_back + 2])
    in_time = seconds[out_and_back] + seconds[out_and_back + 1] + CLOCK_SECONDS
    away = out_and_back[around <= np.maximum(JUMP_METRES, limit * in_time)]
    jump[away + 1] = False  # the way back is no case of its own
    camera = part["camera"].to_numpy(np.int64)[order][1:]
    _, camera, photos = np.unique(camera, return_inverse=True, return_counts=True)
    jumped = np.bincount(camera, jump)
    to = np.flatnonzero(jump & ~((jumped > MANY_JUMPS) & (jumped > SHARE_OF_JUMPS * photos))[camera])
    details = [f"{ground(float(metres[at]))} in {_span(seconds[at])}" for at in to]
    return findings(catalogue, rows[order[to + 1]], JUMP, details, rows[order[to]])


def _known(catalogue: "DataFrame", keep: Bools) -> npt.NDArray[np.int64]:
    """Rows of photos of which camera and time are known: strangers' photos are no journey."""
    camera, time = catalogue["camera"].to_numpy(np.int64), catalogue["time"].to_numpy(np.float64)
    return np.flatnonzero(keep & (camera != 0) & np.isfinite(time))


def _span(seconds: float) -> str:
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:,.3g} {name}"
    return f"{seconds:.3g} s"
