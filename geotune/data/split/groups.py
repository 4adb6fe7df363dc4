"""What is never divided: the photos of a burst, an outing, a camera or an owner, and all that these tie together."""

from typing import TYPE_CHECKING

import numpy as np

from geotune.data.split.near import Ints
from geotune.errors import GeotuneError

if TYPE_CHECKING:
    from pandas import DataFrame

    from geotune.data.split.places import Texts
    from geotune.data.split.settings import SplitSettings

ALONE = -1
"""The group of a photo that belongs to none."""
TORN = "torn"
"""Instead of a split: that of a group of which the photos are in several."""


def groups_of(catalogue: "DataFrame", settings: "SplitSettings") -> Ints | None:
    """The group of each photo (N,) that `settings.group` asks for, or None; photos that say nothing stand alone.

    Raises GeotuneError where no photo says what is needed: a capture time, a camera, the column.
    """
    if not settings.group:
        return None
    if settings.group in ("burst", "session"):
        from geotune.data.clean import bursts, sessions

        if not catalogue.time.notna().any():
            raise _unknown(settings.group, "a capture time")
        found = bursts(catalogue) if settings.group == "burst" else sessions(catalogue)
        return np.asarray(found, np.int64)
    if settings.group == "camera":
        camera = catalogue.camera.to_numpy(np.int64)
        if not camera.any():
            raise _unknown("camera", "its camera")
        return np.where(camera > 0, camera, ALONE)
    names = catalogue.group.to_numpy().astype(str)
    if not (names != "").any():
        raise _unknown(settings.group, f"its {settings.group}")
    return np.where(names != "", np.unique(names, return_inverse=True)[1].ravel(), ALONE)


def ties(group: Ints, old_group: Ints, old_split: "Texts") -> "Texts":
    """The split of the old photos (N,) of the group of each newcomer (M,): "" for none, TORN for several."""
    names, code = np.unique(old_split, return_inverse=True)
    number, at = np.unique(old_group, return_inverse=True)
    first, last = np.full(len(number), len(names)), np.full(len(number), -1)
    np.minimum.at(first, at.ravel(), code.ravel())
    np.maximum.at(last, at.ravel(), code.ravel())
    found = np.full(len(group), "", "<U5")
    if len(number):
        row = np.minimum(np.searchsorted(number, group), len(number) - 1)
        known = (number[row] == group) & (group != ALONE)
        found[known] = np.where(first == last, names[first], TORN)[row[known]]
    return found


def _unknown(group: str, what: str) -> GeotuneError:
    return GeotuneError(
        f"--group {group}: no photo says {what}",
        "name a column of the source: --group COLUMN; or leave --group out",
    )


def whole(*kinds: Ints) -> Ints:
    """Number of the piece of each photo: photos that share a number (ALONE apart) in any of the `kinds` are one piece.

    The connected components of photos and their places and groups; each of `kinds` is (N,).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    photos = len(kinds[0])
    rows, columns, nodes = [], [], photos
    for kind in kinds:
        tied = np.flatnonzero(kind != ALONE)
        if len(tied):
            number = np.unique(kind[tied], return_inverse=True)[1].ravel()
            rows.append(tied)
            columns.append(nodes + number)
            nodes += int(number.max()) + 1
    row, column = (np.concatenate(x) if x else np.zeros(0, np.int64) for x in (rows, columns))
    edges = coo_array((np.ones(len(row), bool), (row, column)), shape=(nodes, nodes))
    piece = connected_components(edges, directed=False)[1][:photos]
    return np.asarray(np.unique(piece, return_inverse=True)[1], np.int64).ravel()
