"""The place or the block that each photo belongs to."""

import numpy as np
import numpy.typing as npt

from geotune.data.split.near import RADIUS_M, Floats, Ints, Points

Texts = npt.NDArray[np.str_]


def places(lat: Floats, lon: Floats, radius_m: float, known: Texts | None = None) -> Ints:
    """Number of the place of each photo: greedy leaders, so that a place is never wider than twice the radius.

    Each photo further than the radius from all leaders becomes one; then each photo joins its nearest leader. With
    `known` place names, their mean points are grouped instead of the photos; a photo without one takes that of the
    nearest photo within the radius that has one.
    """
    if known is not None:
        mean_lat, mean_lon, of_photo = middles(lat, lon, _named(lat, lon, known, radius_m))
        return places(mean_lat, mean_lon, radius_m)[of_photo] if len(mean_lat) else np.zeros(0, np.int64)
    if not len(lat):
        return np.zeros(0, np.int64)
    points, of_photo = np.unique(np.column_stack([lat, lon]), axis=0, return_inverse=True)
    leaders = Points(points[:, 0], points[:, 1]).leaders(radius_m)
    _, nearest = Points(*points[leaders].T).nearest(points[:, 0], points[:, 1])
    return nearest[of_photo.ravel()]


def _named(lat: Floats, lon: Floats, known: Texts, radius_m: float) -> Ints:
    """A number for the name of each photo, and for the place of each that neither has one nor is beside one."""
    number = np.unique(known, return_inverse=True)[1].ravel().astype(np.int64)
    bare, named = np.flatnonzero(known == ""), np.flatnonzero(known != "")
    if len(bare):
        metres, which = Points(lat[named], lon[named]).nearest(lat[bare], lon[bare])
        own = number.max() + 1 + places(lat[bare], lon[bare], radius_m)
        number[bare] = np.where(metres <= radius_m, number[named][which], own) if len(named) else own
    return number


def middles(lat: Floats, lon: Floats, group: Ints) -> tuple[Floats, Floats, Ints]:
    """Mean latitude and longitude (G,) of each group of photos, and the row there of each photo (N,)."""
    _, first, of_photo = np.unique(group, return_index=True, return_inverse=True)
    of_photo = np.asarray(of_photo, np.int64).ravel()
    count = np.bincount(of_photo)
    # the mean about a member of the group: right at the antimeridian too
    east = (lon - lon[first][of_photo] + 180) % 360 - 180
    return np.bincount(of_photo, lat) / count, lon[first] + np.bincount(of_photo, east) / count, of_photo


def blocks(lat: Floats, lon: Floats, side_m: float) -> Ints:
    """Number of the block of each photo: rows of `side_m`, each cut into columns of about as much."""
    step = np.degrees(side_m / RADIUS_M)
    row = np.floor((lat + 90) / step)
    middle = np.radians(np.clip((row + 0.5) * step - 90, -90, 90))
    columns = np.maximum(1, np.round(360 * np.cos(middle) / step))
    column = np.floor((lon + 180) % 360 / 360 * columns)
    pairs = np.column_stack([row, column])
    return np.asarray(np.unique(pairs, axis=0, return_inverse=True)[1], np.int64).ravel()
