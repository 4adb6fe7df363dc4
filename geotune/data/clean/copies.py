"""Photos that are there twice: the same file, or a picture that looks the same."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geotune.data.audit.flattery import ground
from geotune.data.clean.finding import CONTRADICTORY, DUPLICATE, ELSEWHERE, NEAR_DUPLICATE, Finding, findings
from geotune.data.clean.hashes import near_duplicates, popcount
from geotune.data.clean.settings import CleanSettings
from geotune.geo.sphere import Floats, distance_km

if TYPE_CHECKING:
    from pandas import DataFrame

Ints = npt.NDArray[np.int64]


def same_file(catalogue: "DataFrame", settings: CleanSettings) -> tuple[list[Finding], Ints]:
    """Photos whose files are equal byte by byte (`sha`), and the rows to leave out: the first of each stays.

    Where any lies further than `settings.apart` from the first all are left out, for nobody knows which position is
    right. With `keep_duplicates` all are only noted.
    """
    import pandas as pd

    sha = catalogue["sha"]
    number = np.asarray(pd.factorize(sha)[0], np.int64)
    number[(sha == "").to_numpy(bool)] = -1
    number = np.where(number < 0, number.max(initial=0) + 1 + np.arange(len(number)), number)
    _, first_of, group, size = np.unique(number, return_index=True, return_inverse=True, return_counts=True)
    first = first_of[group]
    many = size[group] > 1
    metres = metres_between(catalogue, first, np.arange(len(number)))
    torn = np.zeros(len(size), bool)
    torn[group[many & (metres > settings.apart)]] = True
    gone = not settings.keep_duplicates
    torn_rows = rows = np.flatnonzero(many & torn[group])
    # the first of a group contradicts its next one as much as the others contradict the first
    furthest = np.zeros(len(size), np.int64)
    by_distance = rows[np.argsort(metres[rows], kind="stable")]
    furthest[group[by_distance]] = by_distance
    other = np.where(rows == first[rows], furthest[group[rows]], first[rows])
    found = findings(
        catalogue, rows, CONTRADICTORY, _apart(metres_between(catalogue, rows, other)), other, left_out=gone
    )
    rows = np.flatnonzero(many & ~torn[group] & (first != np.arange(len(number))))
    found += findings(catalogue, rows, DUPLICATE, _apart(metres[rows]), first[rows], left_out=gone)
    return found, np.concatenate([torn_rows, rows]) if gone else rows[:0]


def same_picture(catalogue: "DataFrame", keep: npt.NDArray[np.bool_], settings: CleanSettings) -> list[Finding]:
    """Photos among those of `keep` that look the same as one before them, each with the twin that is most alike.

    Copies of a file are not told again. Nothing is left out: two streets may look the same.
    """
    rows = np.flatnonzero(keep)
    hashes = catalogue["phash"].to_numpy(np.uint64)[rows]
    pairs = near_duplicates(hashes)
    shas = catalogue["sha"].to_numpy()[rows]
    pairs = pairs[shas[pairs[:, 0]] != shas[pairs[:, 1]]]
    bits = popcount(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]).astype(np.int64)
    metres = metres_between(catalogue, rows[pairs[:, 0]], rows[pairs[:, 1]])
    best = np.lexsort((metres, bits, pairs[:, 1]))
    best = best[np.unique(pairs[best, 1], return_index=True)[1]]
    first, second = rows[pairs[best].T]
    bits, metres = bits[best], metres[best]
    details = np.array([f"{b} of 64 bits differ, {m}" for b, m in zip(bits, _apart(metres), strict=True)], object)
    found = []
    for reason, chosen in ((ELSEWHERE, metres > settings.apart), (NEAR_DUPLICATE, metres <= settings.apart)):
        found += findings(catalogue, second[chosen], reason, details[chosen], first[chosen])
    return found


def metres_between(catalogue: "DataFrame", a: Ints, b: Ints) -> Floats:
    """Distance between photos of rows `a` and `b`, (N,) metres."""
    lat, lon = (catalogue[name].to_numpy(np.float64) for name in ("lat", "lon"))
    return 1000 * distance_km(lat[a], lon[a], lat[b], lon[b])


def _apart(metres: Floats) -> list[str]:
    return [f"{ground(float(length))} apart" for length in metres]
