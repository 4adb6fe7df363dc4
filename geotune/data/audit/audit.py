"""Would a result on this split flatter? How near training comes to what is held out, and what it has seen of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from geotune.config import build
from geotune.data.audit.alike import look_alike
from geotune.data.audit.flattery import SAME_M, Flattery, flattery
from geotune.data.split.divide import too_near
from geotune.data.split.near import Bools, Ints, Points
from geotune.data.split.places import Texts, blocks, places
from geotune.data.split.settings import SplitSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pandas import DataFrame

HELD = ("valid", "test")
MOST_TWINS = 1000
"""Pairs that are named; all are counted."""
Twin = tuple[str, str, str, str]
"""Two photos that look the same: id and split of the held-out one, id and split of the other."""


@dataclass(frozen=True)
class Seen:
    """What training has seen of one held-out split. Distances in metres from its photos to the nearest training photo.

    `places` are what was held out, places or blocks; `spots` are places in any case, for photos of one spot err alike.
    `beside` of the `training` photos are within a place's radius of any held-out photo. The rest count this split's
    photos: those that stand exactly where a training photo stands, those that look like a training photo, those of a
    burst or an outing (session) of which training has a part; these two are -1 where no photo has a time.
    """

    photos: int
    places: int
    spots: int
    closest_m: float
    p5_m: float
    median_m: float
    training: int
    beside: int
    same_position: int
    lookalikes: int
    in_bursts: int
    in_sessions: int

    def share(self, count: int) -> float:
        return count / self.photos


@dataclass(frozen=True)
class Audit:
    """What was found of each held-out split that has photos, and what would flatter, the worst first."""

    seen: dict[str, Seen]
    twins: list[Twin]
    flattery: list[Flattery]


def audit(catalogue: "DataFrame", split: "Mapping[str, Any]") -> Audit:
    """The audit of a catalogue whose `split` column is the dataset's; `split` is how it was divided (`dataset.json`).

    Raises ValueError without training photos.
    """
    from geotune.data.clean import bursts, sessions

    name = catalogue["split"].to_numpy().astype(str)
    train = name == "train"
    if not train.any():
        raise ValueError("no training photos")
    alike = _alike(catalogue, name)
    timed = bool(catalogue["time"].notna().any())
    groups = (bursts(catalogue), sessions(catalogue)) if timed else None
    settings = build(SplitSettings, {key: split[key] for key in SplitSettings.model_fields if key in split})
    lat, lon = (catalogue[column].to_numpy(np.float64) for column in ("lat", "lon"))
    beside = int(too_near(lat, lon, name, settings.radius).sum())
    seen = {}
    for held in [held for held in HELD if (name == held).any()]:
        twins = len(np.unique(alike[held, "train"][:, 0]))
        seen[held] = _seen(catalogue, train, name == held, twins, beside, settings, groups)
    ids = catalogue["id"]
    named = [
        (str(ids.iloc[i]), one, str(ids.iloc[j]), other) for (one, other), pairs in alike.items() for i, j in pairs
    ][:MOST_TWINS]
    told = flattery(seen, named, settings, lambda side_m: int(blocks(lat, lon, side_m).max()) + 1)
    return Audit(seen, named, told)


def _seen(
    catalogue: "DataFrame", train: Bools, held: Bools, twins: int, beside: int, settings: SplitSettings,
    groups: tuple[Ints, Ints] | None,
) -> Seen:  # fmt: skip
    lat, lon = (catalogue[name].to_numpy(np.float64) for name in ("lat", "lon"))
    metres, _ = Points(lat[train], lon[train]).nearest(lat[held], lon[held])
    held_out = int(catalogue["place"][held].nunique())
    # photos of groups of which training has a part
    shared = [int(np.isin(group[held], group[train]).sum()) for group in groups] if groups else [-1, -1]
    return Seen(
        photos=int(held.sum()),
        places=held_out,
        spots=int(places(lat[held], lon[held], settings.radius).max()) + 1 if settings.by == "block" else held_out,
        closest_m=float(metres.min()),
        p5_m=float(np.quantile(metres, 0.05)),
        median_m=float(np.median(metres)),
        training=int(train.sum()),
        beside=beside,
        same_position=int((metres < SAME_M).sum()),
        lookalikes=twins,
        in_bursts=shared[0],
        in_sessions=shared[1],
    )


def _alike(catalogue: "DataFrame", name: Texts) -> dict[tuple[str, str], Ints]:
    """Rows of photos (held out, other) that look the same, (M, 2), for every two splits."""
    found = {}
    for held, other in (("test", "train"), ("valid", "train"), ("test", "valid")):
        mine, theirs = np.flatnonzero(name == held), np.flatnonzero(name == other)
        pairs = look_alike(catalogue.iloc[mine], catalogue.iloc[theirs])
        found[held, other] = np.column_stack([mine[pairs[:, 0]], theirs[pairs[:, 1]]])
    return found
