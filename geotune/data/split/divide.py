"""A set of photos is divided into train, valid and test."""

from dataclasses import dataclass

import numpy as np

from geotune.data.split.given import check_groups, given_splits, known_spots
from geotune.data.split.groups import whole
from geotune.data.split.near import Bools, Floats, Ints, Points
from geotune.data.split.places import Texts, blocks, places
from geotune.data.split.settings import SplitSettings, metres
from geotune.data.words import counted
from geotune.errors import GeotuneError


@dataclass(frozen=True)
class Division:
    """The split and the place (or block) of each photo, arrays of shape (N,), and what the held-out ones then ask.

    A split "" is a training photo that the gap leaves out.
    """

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
    group: Ints | None = None,
) -> Division:
    """Divide photos at `lat`, `lon` degrees; `place` names places known beforehand ("": none), `given` own splits.

    Places known beforehand are never torn apart, and those within `radius` of one another are one. Photos of one
    number in `group` (-1: alone) stay together, and with them all places that they share. Raises GeotuneError for fewer
    than three pieces to hold out, for a piece that leaves too little to hold out, for a given split that lacks a part
    or divides a group, and for a gap that leaves no training photo.
    """
    of_photo = blocks(lat, lon, settings.block) if settings.by == "block" else places(lat, lon, settings.radius, place)
    if settings.by == "given":
        split = given_splits(given)
        check_groups(split, group, settings)
    else:
        kept = [np.arange(len(lat)) if settings.by == "photo" else of_photo]
        piece = whole(*kept, group) if group is not None else kept[0]
        if int(piece.max(initial=-1)) + 1 < 3:
            raise _too_few(lat, lon, piece, settings)
        if group is not None:
            _check_largest(piece, settings)
        split = assign(piece, settings.valid, settings.test, settings.seed)
    question = settings.question
    if settings.by == "given":
        question += f" ({known_spots(lat, lon, split, settings.radius):.0%} of them at spots that training knows)"
    near = too_near(lat, lon, split, settings.gap)
    split[near] = ""
    if not (split == "train").any():
        asked = f"--gap {metres(settings.gap).replace(' ', '')}"
        raise GeotuneError(
            f"{asked}: every training photo is nearer than that to a held-out one",
            "take a smaller gap, or hold out larger pieces: --split block --block 200m",
        )
    return Division(split, of_photo, question)


def assign(group: Ints, valid: float, test: float, seed: int) -> Texts:
    """The split of each photo: groups in random order fill test, then valid, then train by their count of photos.

    A group larger than test and valid together trains. Every split gets at least one of three or more groups.
    """
    sizes = np.bincount(group)
    order = np.random.default_rng(seed).permutation(len(sizes))
    drawn = order[sizes[order] <= max(1, (valid + test) * sizes.sum())]
    middle = (np.cumsum(sizes[drawn]) - sizes[drawn] / 2) / sizes.sum()
    of_group = np.full(len(sizes), "train", dtype="<U5")
    of_group[drawn[middle < test + valid]] = "valid"
    of_group[drawn[middle < test]] = "test"
    for name in ("test", "valid", "train"):  # few or very unequal groups: take the smallest of a split that has several
        if name not in of_group:
            smallest = order[np.argsort(sizes[order], kind="stable")]
            spare = [g for g in smallest if np.count_nonzero(of_group == of_group[g]) > 1]
            of_group[spare[0]] = name
    return of_group[group]


def too_near(lat: Floats, lon: Floats, split: Texts, gap_m: float) -> Bools:
    """(N,) True for the training photos that are nearer than `gap_m` to a held-out one."""
    near = np.zeros(len(split), bool)
    held, train = (split == "valid") | (split == "test"), np.flatnonzero(split == "train")
    if gap_m and len(train):
        near[train] = Points(lat[held], lon[held]).nearest(lat[train], lon[train])[0] < gap_m
    return near


# ------------------------------------------------------------------------------------------ refusals


def _check_largest(piece: Ints, settings: SplitSettings) -> None:
    sizes = np.bincount(piece)
    largest, total = int(sizes.max()), len(piece)
    if total - largest >= (settings.valid + settings.test) / 2 * total:
        return
    tied = f"the same {settings.group or 'group'}"
    if settings.by != "photo":
        tied += f", or a {settings.by} in common"
    raise GeotuneError(
        f"{largest:,} of {counted(total, 'photo')} hang together ({tied}) and cannot be divided; what is left is "
        "too little to hold out",
        _looser(settings),
    )


def _looser(settings: SplitSettings) -> str:
    """Ways to tie fewer photos together."""
    mends = [f"other groups: --group {'burst' if settings.group != 'burst' else 'COLUMN'}"]
    if settings.by == "block":
        mends.append(f"smaller blocks: --block {_smaller(settings.block)}")
    elif settings.by == "place":
        mends.append(f"smaller places: --radius {_smaller(settings.radius)}")
    if settings.by != "photo":
        mends.append(f"whole groups whose spots may be known: --split photo --group {settings.group}")
    return "take " + "; ".join(mends) + "; or no groups: leave --group out"


def _too_few(lat: Floats, lon: Floats, piece: Ints, settings: SplitSettings) -> GeotuneError:
    pieces, spots = int(piece.max(initial=-1)) + 1, len(np.unique(np.column_stack([lat, lon]), axis=0))
    usable = counted(len(lat), "usable photo")
    if settings.group and pieces < len(lat):
        noun = "piece" if settings.by != "photo" else "group"
        return GeotuneError(
            f"{usable} in {counted(pieces, noun)} (--group {settings.group}); train, valid and test need at least "
            f"three {noun}s, one each",
            _looser(settings) if spots >= 3 else "add photos from elsewhere",
        )
    if settings.by == "photo":
        return GeotuneError(f"{usable}; train, valid and test need at least three, one each", "add photos")
    option, size = ("--block", settings.block) if settings.by == "block" else ("--radius", settings.radius)
    return GeotuneError(
        f"{usable} in {counted(pieces, settings.by)} of {metres(size)}; train, valid and test need at least three "
        f"{settings.by}s, one each",
        f"add photos from elsewhere, or take smaller ones: {option} {_smaller(size)}"
        if spots >= 3
        else "add photos from elsewhere",
    )


def _smaller(length: float) -> str:
    return metres(max(1, length // 5)).replace(" ", "")
