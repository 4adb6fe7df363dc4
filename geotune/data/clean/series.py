"""Photos taken one after the other: bursts of a few seconds, sessions of one outing."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geotune.geo.sphere import distance_km

if TYPE_CHECKING:
    from pandas import DataFrame

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BURST_SECONDS, BURST_METRES = 3.0, 30.0
"""A photo belongs to the burst of the one before it when it is no later and no further away than this."""
SESSION_MINUTES = 30.0
"""A session ends where a camera rests for longer than this."""
STRANGER_METRES = 500.0
"""A photo whose camera is unknown continues a session only within this distance: it may be somebody else's."""
TRAVEL_METRES_PER_SECOND = 40.0
"""A known camera may travel so fast besides, 144 km/h: phones of one model without serial numbers are many cameras."""


def bursts(catalogue: "DataFrame") -> Ints:
    """The burst of each photo of a catalogue, numbers from 0, shape (N,); a photo without a time is one of its own.

    A burst is a chain: each photo within BURST_SECONDS and BURST_METRES of the same camera's photo before it.
    """
    order, seconds, metres = neighbours(catalogue)
    return chains(order, (seconds <= BURST_SECONDS) & (metres <= BURST_METRES))


def sessions(catalogue: "DataFrame") -> Ints:
    """The session of each photo of a catalogue, numbers from 0, shape (N,); one without a time is one of its own.

    A session is a chain: each photo within SESSION_MINUTES of the same camera's photo before it, and in its reach.
    """
    order, seconds, metres = neighbours(catalogue)
    known = catalogue["camera"].to_numpy(np.int64)[order][1:] != 0
    soon = seconds <= 60 * SESSION_MINUTES
    reach = STRANGER_METRES + np.multiply(TRAVEL_METRES_PER_SECOND, seconds, out=np.zeros_like(seconds), where=known)
    return chains(order, soon & (metres <= reach))


def neighbours(catalogue: "DataFrame") -> tuple[Ints, Floats, Floats]:
    """Photos in the order in which they were taken, camera by camera: (order (N,), seconds (N-1,), metres (N-1,)).

    Seconds and metres lie between a photo and the next in that order; infinite where the next is another camera's or
    either has no time.
    """
    time, camera = catalogue["time"].to_numpy(np.float64), catalogue["camera"].to_numpy(np.int64)
    order = np.lexsort((np.arange(len(time)), time, camera)).astype(np.int64)
    time, camera = time[order], camera[order]
    lat, lon = (catalogue[name].to_numpy(np.float64)[order] for name in ("lat", "lon"))
    linked = (camera[1:] == camera[:-1]) & np.isfinite(time[1:]) & np.isfinite(time[:-1])
    seconds = np.full(max(0, len(time) - 1), np.inf)
    seconds[linked] = np.diff(time)[linked]
    metres = np.where(linked, 1000 * distance_km(lat[:-1], lon[:-1], lat[1:], lon[1:]), np.inf)
    return order, seconds, metres


def chains(order: Ints, linked: npt.NDArray[np.bool_]) -> Ints:
    """Groups of neighbours in `order` that are linked, as numbers of the photos in their own order."""
    number = np.zeros(len(order), np.int64)
    if len(order):
        number[order] = np.concatenate([[0], np.cumsum(~linked)])
    return number
