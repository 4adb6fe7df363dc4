"""New photos come to a divided dataset: old ones keep their split, and none trains beside what is held out.

The old photos alone decide where a newcomer belongs; newcomers that belong nowhere make new places among themselves.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geotune.data.split.given import given_splits
from geotune.data.split.groups import ALONE, TORN, whole
from geotune.data.split.near import Bools, Floats, Ints, Points
from geotune.data.split.places import Texts, blocks, middles, places
from geotune.data.split.settings import SplitSettings, metres

HELD = ("valid", "test")
BESIDE = "too near a held-out place to train, too far to join it"
TIED = "its {group} is in another split"
GAP = "within {gap} of a {other} photo (--gap)"


class Joined(NamedTuple):
    """Split and place of each newcomer, and for a split "" the reason why it is left out; each (M,)."""

    split: Texts
    place: Ints
    reason: npt.NDArray[Any]

    def leave_out(self, which: Bools, reason: str) -> None:
        """Leave out what is not left out already."""
        self.reason[which & (self.split != "")] = reason
        self.split[which] = ""


def join(
    lat: Floats,
    lon: Floats,
    old_lat: Floats,
    old_lon: Floats,
    old_place: Ints,
    old_split: Texts,
    settings: SplitSettings,
    *,
    given: Texts | None = None,
    group: Ints | None = None,
    tied: Texts | None = None,
    name: Texts | None = None,
    known: Ints | None = None,
) -> Joined:
    """Split and place of newcomers (M,) at `lat`, `lon` degrees to the old photos (N,).

    By place: within the radius of a held-out photo a newcomer joins that photo's place, or is left out where it would
    make the place wider than four radii; within the radius of a training photo it joins that one. By block: it joins
    its block's photos. By given: `given` names its split. Others make new places, which fill what the old split lacks
    of its shares, the training split last. Newcomers of one number in `group` (-1: alone) get one split, that which
    `tied` says (of the old photos of the group, by `ties`); those that belong elsewhere are left out. With a gap,
    newcomers to training within it of a held-out photo are left out, and so are newcomers to a held-out place within it
    of an old training photo.

    Blocks apart, newcomers of one place `name` ("": none) are never torn: they are where their middle is, or in the old
    place `known` (-1: in none). Those of a new name that are near an old photo of another split are left out.
    """
    where = lat, lon
    fresh = np.zeros(len(lat), bool)
    if name is not None and known is not None and settings.by != "block":
        fresh = (name != "") & (known < 0)
        where = _middles_of(lat, lon, name, fresh)
    if settings.by == "given":
        split = given_splits(given, whole_set=False)
        place = _places(*where, old_lat, old_lon, old_place, settings.radius)
    elif settings.by == "photo":
        split, place = np.full(len(lat), "new", "<U5"), _places(*where, old_lat, old_lon, old_place, settings.radius)
    elif settings.by == "block":
        split, place = _by_block(lat, lon, old_lat, old_lon, old_place, old_split, settings.block)
    else:
        split, place = _by_place(*where, old_lat, old_lon, old_place, old_split, settings.radius)
    if known is not None and settings.by != "block":
        named, host = _hosts(known, old_place, old_split)
        place = np.where(named, known, place)
        if settings.by == "place":
            split = np.where(named, old_split[host], split).astype("<U5")
    joined = Joined(split, place, np.where(split == "", BESIDE, "").astype(object))
    piece = np.arange(len(lat)) if settings.by in ("photo", "given") else place
    if group is not None:
        tied = np.full(len(lat), "", "<U5") if tied is None else tied
        why = TIED.format(group=settings.group)
        joined.leave_out((tied == TORN) | ((tied != "") & (split != "new") & (split != tied)), why)
        piece = whole(np.where(split == "new", piece, ALONE), np.where(split == "new", group, ALONE))
        found = _whole_groups(split, piece, group, tied)
        joined.leave_out(found == "", why)
        split[:] = found
    beside_training = _within(lat, lon, old_lat, old_lon, old_split == "train", settings.gap)
    new = split == "new"
    trains = new & np.isin(piece, piece[new & beside_training])  # too near an old training photo to be held out
    split[trains] = "train"
    new &= ~trains
    if new.any():
        split[new] = _fill(np.unique(piece[new], return_inverse=True)[1].ravel(), split, old_split, settings)
    if settings.by == "place":
        _leave_torn(joined, fresh, lat, lon, old_lat, old_lon, old_split, settings.radius)
    gap = metres(settings.gap)
    joined.leave_out(np.isin(split, HELD) & beside_training, GAP.format(gap=gap, other="training"))
    beside_held = _within(lat, lon, old_lat, old_lon, np.isin(old_split, HELD), settings.gap)
    beside_held |= _within(lat, lon, lat, lon, np.isin(split, HELD), settings.gap)
    joined.leave_out((split == "train") & beside_held, GAP.format(gap=gap, other="held-out"))
    return joined


def _middles_of(lat: Floats, lon: Floats, name: Texts, which: Bools) -> tuple[Floats, Floats]:
    """Positions, of `which` photos that of the middle of all of the same name."""
    lat, lon = lat.copy(), lon.copy()
    if which.any():
        number = np.unique(name[which], return_inverse=True)[1].ravel()
        mean_lat, mean_lon, row = middles(lat[which], lon[which], number)
        lat[which], lon[which] = mean_lat[row], mean_lon[row]
    return lat, lon


def _leave_torn(
    joined: Joined, which: Bools, lat: Floats, lon: Floats, old_lat: Floats, old_lon: Floats, old_split: Texts,
    radius_m: float,
) -> None:  # fmt: skip
    """Leave out newcomers of new names that are held out within the radius of a training photo, or train beside one."""
    if not which.any():
        return
    held = np.isin(old_split, HELD)
    near_held, near_training = (
        Points(old_lat[old], old_lon[old]).nearest(lat, lon)[0] <= radius_m for old in (held, ~held)
    )
    split = joined.split
    joined.leave_out(which & ((split == "train") & near_held | np.isin(split, HELD) & near_training), BESIDE)


def _by_place(
    lat: Floats, lon: Floats, old_lat: Floats, old_lon: Floats, old_place: Ints, old_split: Texts, radius_m: float
) -> tuple[Texts, Ints]:
    split, place = np.full(len(lat), "new", "<U5"), np.full(len(lat), -1, np.int64)
    mean_lat, mean_lon, row = middles(old_lat, old_lon, old_place)
    for names in (("train",), HELD):  # held out last: near both, a newcomer is held out
        rows = np.flatnonzero(np.isin(old_split, names))
        near_m, which = Points(old_lat[rows], old_lon[rows]).nearest(lat, lon)
        joins = np.flatnonzero(near_m <= radius_m)
        host = rows[which[joins]]
        split[joins], place[joins] = old_split[host], old_place[host]
        if names == HELD:  # a held-out place does not creep along a street from one import to the next
            wide = _metres(lat[joins], lon[joins], mean_lat[row[host]], mean_lon[row[host]]) > 2 * radius_m
            split[joins[wide]] = ""
    return split, _new_places(lat, lon, place, old_place, radius_m)


def _by_block(
    lat: Floats, lon: Floats, old_lat: Floats, old_lon: Floats, old_place: Ints, old_split: Texts, side_m: float
) -> tuple[Texts, Ints]:
    block = blocks(np.concatenate([lat, old_lat]), np.concatenate([lon, old_lon]), side_m)
    mine, theirs = block[: len(lat)], block[len(lat) :]
    joins, host = _hosts(mine, theirs, old_split)
    split = np.where(joins, old_split[host], "new").astype("<U5")
    fresh = np.unique(mine, return_inverse=True)[1].ravel() + old_place.max() + 1
    return split, np.where(joins, old_place[host], fresh)


def _hosts(mine: Ints, theirs: Ints, old_split: Texts) -> tuple[Bools, Ints]:
    """Which newcomers have an old photo of their number, and one (M,): held out where it has several splits."""
    order = np.argsort(old_split == "train", kind="stable")
    known, first = np.unique(theirs[order], return_index=True)
    at = np.minimum(np.searchsorted(known, mine), len(known) - 1)
    return known[at] == mine, order[first[at]]


def _places(lat: Floats, lon: Floats, old_lat: Floats, old_lon: Floats, old_place: Ints, radius_m: float) -> Ints:
    """The place of the nearest old photo within the radius, or a new one."""
    near_m, which = Points(old_lat, old_lon).nearest(lat, lon)
    return _new_places(lat, lon, np.where(near_m <= radius_m, old_place[which], -1), old_place, radius_m)


def _new_places(lat: Floats, lon: Floats, place: Ints, old_place: Ints, radius_m: float) -> Ints:
    """`place` with new numbers where it is -1."""
    new = place < 0
    place[new] = places(lat[new], lon[new], radius_m) + old_place.max(initial=-1) + 1
    return place


def _whole_groups(split: Texts, piece: Ints, group: Ints, old: Texts) -> Texts:
    """New pieces follow the photos of their groups, `old` ones or newcomers, test before valid before train.

    Newcomers of such a group that old photos tie to another split are left out.
    """
    ranks = np.array(["", "new", "train", "valid", "test"])
    rank, of_old = (np.argmax(one[:, None] == ranks, axis=1) for one in (split, old))
    tied = group != ALONE
    number = np.unique(group[tied], return_inverse=True)[1].ravel()

    def strongest(rank: Ints) -> Ints:
        """The strongest rank in each photo's group."""
        top, found = np.zeros(number.max(initial=-1) + 1, np.int64), rank.copy()
        np.maximum.at(top, number, np.maximum(rank, of_old)[tied])
        found[tied] = top[number]
        return found

    new = rank == 1
    of_piece = np.zeros(piece.max(initial=-1) + 1, np.int64)
    np.maximum.at(of_piece, piece[new], strongest(rank)[new])
    rank[new] = of_piece[piece[new]]
    rank[(of_old > 0) & (rank > of_old)] = 0
    rank[(rank > 0) & (rank < strongest(rank))] = 0
    named: Texts = ranks[rank]
    return named


def _fill(piece: Ints, split: Texts, old_split: Texts, settings: SplitSettings) -> Texts:
    """Splits of the pieces that belong nowhere: in random order they fill what test and valid lack of their shares."""
    total = len(old_split) + int((split != "").sum())
    test, valid = (
        max(0.0, share * total - int((old_split == name).sum()) - int((split == name).sum()))
        for name, share in (("test", settings.test), ("valid", settings.valid))
    )
    sizes = np.bincount(piece)
    order = np.random.default_rng([settings.seed, len(old_split)]).permutation(len(sizes))
    middle = np.cumsum(sizes[order]) - sizes[order] / 2
    of_piece = np.full(len(sizes), "train", "<U5")
    of_piece[order[middle < test + valid]] = "valid"
    of_piece[order[middle < test]] = "test"
    return of_piece[piece]


def _within(lat: Floats, lon: Floats, old_lat: Floats, old_lon: Floats, which: Bools, gap_m: float) -> Bools:
    if not gap_m:
        return np.zeros(len(lat), bool)
    return Points(old_lat[which], old_lon[which]).nearest(lat, lon)[0] < gap_m


def _metres(lat: Floats, lon: Floats, to_lat: Floats, to_lon: Floats) -> Floats:
    from geotune.geo.sphere import distance_km

    return distance_km(lat, lon, to_lat, to_lon) * 1000
