"""Splits that the source itself names: read, checked, never changed."""

import numpy as np

from geotune.data.sources.files import SPLIT_WORDS
from geotune.data.split.groups import ALONE
from geotune.data.split.near import Floats, Ints, Points
from geotune.data.split.places import Texts
from geotune.data.split.settings import SPLITS, SplitSettings
from geotune.errors import GeotuneError


def given_splits(given: Texts | None, *, whole_set: bool = True) -> Texts:
    """The source's words as train, valid and test; raises GeotuneError for others, and for a part that is missing."""
    if given is None:
        raise GeotuneError("the source has no split column", "split by place: --split place")
    words, of_photo = np.unique(np.asarray(given, str), return_inverse=True)
    known = np.array([SPLIT_WORDS.get(str(word).strip().lower(), "") for word in words], dtype="<U5")
    odd = [str(word) for word, name in zip(words, known, strict=True) if not name]
    if odd:
        told = ", ".join(repr(word) if word.strip() else "empty fields" for word in odd[:3])
        raise GeotuneError(
            f"the split column has {told}; known are train, valid, test",
            "correct the column, or split by place: --split place",
        )
    missing = [name for name in SPLITS if name not in known]
    if missing and whole_set:
        raise GeotuneError(
            f"the split column names no {' and no '.join(missing)} photos", "split by place: --split place"
        )
    return known[of_photo.ravel()]


def known_spots(lat: Floats, lon: Floats, split: Texts, radius_m: float) -> float:
    """The share of the held-out photos that are within `radius_m` of a training photo."""
    held, train = (split == "valid") | (split == "test"), split == "train"
    return float((Points(lat[train], lon[train]).nearest(lat[held], lon[held])[0] <= radius_m).mean())


def check_groups(split: Texts, group: Ints | None, settings: SplitSettings) -> None:
    """Raise GeotuneError where the source's splits divide a group; `split` and `group` are (N,)."""
    if group is None:
        return
    tied = np.flatnonzero(group != ALONE)
    number = np.unique(group[tied], return_inverse=True)[1].ravel()
    pairs = np.unique(np.column_stack([number, np.unique(split[tied], return_inverse=True)[1].ravel()]), axis=0)
    torn = int((np.bincount(pairs[:, 0]) > 1).sum()) if len(pairs) else 0
    if torn:
        raise GeotuneError(
            f"--group {settings.group}: the source's own splits divide {torn:,} of its groups",
            f"let geotune divide: --split place --group {settings.group}; or leave --group out",
        )
