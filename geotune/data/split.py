"""Which photos train, which choose, which judge: whole places or whole blocks, never single photos.

Two photos of one place in different splits turn a test into a memory exercise (facts: nine times better than it is).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from geotune.config import Length, Settings
from geotune.data.words import counted
from geotune.errors import GeotuneError, SettingsError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.str_]

SPLITS = ("train", "valid", "test")
SPLIT_WORDS = {
    "train": "train", "training": "train",
    "valid": "valid", "val": "valid", "validation": "valid", "dev": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip
METRES_PER_RADIAN = 6_371_008.8
"""The Earth of geo.sphere, which stands on this floor too and so is not imported; a test holds the two together."""


class SplitSettings(Settings):
    """How photos are divided into train, valid and test."""

    by: Literal["place", "block", "given"] = "place"
    """What is held out: places, blocks of a grid, or what the source's own split column says."""
    radius: Length = Field(default="25m", gt=0)  # type: ignore[assignment]
    """Photos within this distance of a place's centre belong to that place (by=place)."""
    block: Length = Field(default="50m", gt=0)  # type: ignore[assignment]
    """Side of a block of the grid (by=block)."""
    valid: float = Field(default=0.15, gt=0, lt=1)
    """Share of the photos that choose between trials."""
    test: float = Field(default=0.15, gt=0, lt=1)
    """Share of the photos that are kept for the one final test."""
    seed: int = Field(default=0, ge=0)
    """Which places or blocks are held out."""

    @model_validator(mode="after")
    def _leaves_training_photos(self) -> "SplitSettings":
        if self.valid + self.test >= 1:
            law = "expected a sum below 1, to leave photos for training"
            raise SettingsError([("valid, test", f"{law}; got {self.valid:g} + {self.test:g}")])
        return self

    @property
    def question(self) -> str:
        """The question that an error on the held-out photos answers."""
        return {
            "place": f"at new places (a place: what lies within {_metres(self.radius)} of its centre)",
            "block": f"in {_metres(self.block)} blocks of which it has seen no photo",
            "given": "on the photos that the source itself holds out",
        }[self.by]


@dataclass(frozen=True)
class Division:
    """The split of each photo, and the group (place or block) that was held out or kept whole; arrays of shape (N,)."""

    split: Texts
    place: Ints
    question: str


def divide(
    lat: Floats,
    lon: Floats,
    settings: SplitSettings,
    *,
    place: Texts | None = None,
    given: Texts | None = None,
) -> Division:
    """Divide photos at `lat`, `lon` degrees; `place` names places known beforehand, `given` the source's own splits.

    Places known beforehand are never torn apart, and those within `radius` of one another are one. Raises GeotuneError
    for fewer than three places or blocks, and for a given split that lacks a part.
    """
    group = blocks(lat, lon, settings.block) if settings.by == "block" else places(lat, lon, settings.radius, place)
    if settings.by == "given":
        return Division(_given(given), group, settings.question)
    if group.max(initial=-1) + 1 < 3:
        smaller, size = ("--block", settings.block) if settings.by == "block" else ("--radius", settings.radius)
        raise GeotuneError(
            f"{counted(len(lat), 'usable photo')} in {counted(int(group.max(initial=-1)) + 1, settings.by)} of "
            f"{_metres(size)}; train, valid and test need at least three {settings.by}s, one each",
            f"add photos from elsewhere, or take smaller ones: {smaller} {_metres(max(1, size // 5)).replace(' ', '')}"
            if len(np.unique(np.column_stack([lat, lon]), axis=0)) >= 3
            else "add photos from elsewhere",
        )
    return Division(assign(group, settings.valid, settings.test, settings.seed), group, settings.question)


def places(lat: Floats, lon: Floats, radius_m: float, known: Texts | None = None) -> Ints:
    """Number of the place of each photo: greedy leaders, so that a place is never wider than twice the radius.

    Each photo further than the radius from all leaders becomes one; then each photo joins its nearest leader. With
    `known` place names, their mean points are grouped instead of the photos.
    """
    from sklearn.neighbors import BallTree

    if known is not None:
        names, of_photo = np.unique(known, return_inverse=True)
        count = np.bincount(of_photo)
        # the mean about a member of the place: right at the antimeridian too
        first = np.unique(of_photo, return_index=True)[1]
        east = (lon - lon[first][of_photo] + 180) % 360 - 180
        mean_lon = lon[first] + np.bincount(of_photo, east) / count
        mean_lat = np.bincount(of_photo, lat) / count
        return places(mean_lat, mean_lon, radius_m)[of_photo] if len(names) else np.zeros(0, np.int64)
    if not len(lat):
        return np.zeros(0, np.int64)
    points, of_photo = np.unique(np.radians(np.column_stack([lat, lon])), axis=0, return_inverse=True)
    tree = BallTree(points, metric="haversine")
    free = np.ones(len(points), bool)
    leaders = []
    for point in range(len(points)):
        if free[point]:
            leaders.append(point)
            free[tree.query_radius(points[point : point + 1], radius_m / METRES_PER_RADIAN)[0]] = False
    nearest = np.asarray(BallTree(points[leaders], metric="haversine").query(points, return_distance=False), np.int64)
    found: Ints = nearest[of_photo.ravel(), 0]
    return found


def blocks(lat: Floats, lon: Floats, side_m: float) -> Ints:
    """Number of the block of each photo: rows of `side_m`, each cut into columns of about as much."""
    step = np.degrees(side_m / METRES_PER_RADIAN)
    row = np.floor((lat + 90) / step)
    middle = np.radians(np.clip((row + 0.5) * step - 90, -90, 90))
    columns = np.maximum(1, np.round(360 * np.cos(middle) / step))
    column = np.floor((lon + 180) % 360 / 360 * columns)
    pairs = np.column_stack([row, column])
    return np.asarray(np.unique(pairs, axis=0, return_inverse=True)[1], np.int64).ravel()


def assign(group: Ints, valid: float, test: float, seed: int) -> Texts:
    """The split of each photo: groups in random order fill test, then valid, then train by their count of photos.

    Every split gets at least one of three or more groups.
    """
    sizes = np.bincount(group)
    order = np.random.default_rng(seed).permutation(len(sizes))
    middle = (np.cumsum(sizes[order]) - sizes[order] / 2) / sizes.sum()
    of_group = np.full(len(sizes), "train", dtype="<U5")
    of_group[order[middle < test + valid]] = "valid"
    of_group[order[middle < test]] = "test"
    for name in ("test", "valid", "train"):  # few or very unequal groups: take the smallest of a split that has several
        if name not in of_group:
            spare = [g for g in np.argsort(sizes, kind="stable") if np.count_nonzero(of_group == of_group[g]) > 1]
            of_group[spare[0]] = name
    return of_group[group]


def _given(given: Texts | None) -> Texts:
    if given is None:
        raise GeotuneError("the source has no split column", "split by place: --split place")
    split = np.array([SPLIT_WORDS.get(word.strip().lower(), "") for word in given], dtype="<U5")
    odd = sorted({str(word) for word, name in zip(given, split, strict=True) if not name})
    if odd:
        raise GeotuneError(
            f"the split column has {', '.join(map(repr, odd[:3]))}; known are train, valid, test",
            "correct the column, or split by place: --split place",
        )
    missing = [name for name in SPLITS if name not in split]
    if missing:
        raise GeotuneError(
            f"the split column names no {' and no '.join(missing)} photos", "split by place: --split place"
        )
    return split


def _metres(length: float) -> str:
    return f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
