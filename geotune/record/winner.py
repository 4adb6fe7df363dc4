"""`full: {model.start: winner}`: what a search space may say of it."""

from collections.abc import Iterator, Mapping
from typing import Any

from geotune.config import Flat
from geotune.model.settings import SHAPING, WINNER

KEY = "model.start"


def misplaced(base: Flat, pins: Flat, search: Mapping[str, Any], full: Flat) -> Iterator[tuple[str, str]]:
    """What is wrong: the word anywhere else, or beside it settings that its weights cannot have."""
    ranges = search.get(KEY)
    values = [value for spec in ranges.values() for value in _listed(spec)] if isinstance(ranges, dict) else []
    for prefix, found in (("", [pins.get(KEY)]), ("base.", [base.get(KEY)]), ("search.", values)):
        if WINNER in found:
            yield prefix + KEY, f"only the full training can begin with the winner: full: {{{KEY}: {WINNER}}}"
    if full.get(KEY) == WINNER:
        for key in (*SHAPING, "input.sizes"):
            if key in full:
                yield f"full.{key}", f"the full training has it from the winner (full.{KEY}={WINNER}): leave it out"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
