"""How much the cache may take, and what goes when more is needed."""

import os
import shutil
from collections.abc import Sequence

from geotune.data.cache.entries import cache_root, entries, free, remove
from geotune.errors import GeotuneError

LIMIT = "GEOTUNE_CACHE_LIMIT"
SHARE = 0.5
"""Of what the disk has for the cache, unless the limit is said."""


def limit(taken: int) -> int:
    """Bytes that the cache may take: $GEOTUNE_CACHE_LIMIT, else half of what it has `taken` and the disk still has."""
    root = cache_root()
    while not root.exists():
        root = root.parent
    there = taken + shutil.disk_usage(root).free
    named = os.environ.get(LIMIT, "").strip()
    if not named:
        return int(SHARE * there)
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        return min(there, int(TypeAdapter(ByteSize).validate_python(named)))
    except ValidationError:
        raise GeotuneError(
            f"{LIMIT}={named}: expected a size such as 50GB or 800MB", f"export {LIMIT}=50GB, or unset {LIMIT}"
        ) from None


def make_room(needs: Sequence[int]) -> int | None:
    """Remove what was not used for longest until one of `needs` bytes fits: the number of the first that can, or None.

    Call it under `locked()`. What is in use stays. All is counted with what it may come to take: what is half filled
    is filled on without asking for room again.
    """
    _tidy()
    known = entries()
    total = limit(sum(entry.size for entry in known))
    idle = [entry for entry in known if entry.used and free(entry.folder)]
    busy = [entry for entry in known if entry not in idle]
    taken = sum(entry.promised for entry in busy)
    for number, need in enumerate(needs):
        if taken + need > total:
            continue
        kept = sum(entry.promised for entry in idle)
        for entry in idle:
            if taken + kept + need <= total:
                break
            promised = entry.promised
            if remove(entry.folder):
                kept -= promised
        return number
    return None


def fits(need: int) -> bool:
    """Whether there is room for so many bytes, all removed that is not in use."""
    known = entries()
    busy = [entry for entry in known if not entry.used or not free(entry.folder)]
    return sum(entry.promised for entry in busy) + need <= limit(sum(entry.size for entry in known))


def _tidy() -> None:
    """What a kill in the middle of a removal left."""
    for folder in cache_root().glob(".trash-*"):
        shutil.rmtree(folder, ignore_errors=True)
