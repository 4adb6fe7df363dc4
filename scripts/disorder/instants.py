"""When what is killed: drawn before anything starts, as a function of the seed alone."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

IN_THE_START = 0.25
"""Share of the kills that wait for nothing: they fall into the start of what was killed before."""
DELAY_SECONDS = 2.0
LATEST = 0.7
"""Share of the trials that have begun when the last kill is due: stopping may leave little to do for the others."""


@dataclass(frozen=True)
class Instant:
    """One kill: its kind, and when it is due."""

    kind: str
    begun: float
    """More trials than this have begun, and an epoch has ended since the kill before; of all trials, in the full
    training; below zero at once."""
    delay_seconds: float
    """And so long after."""


def draw(kinds: Sequence[str], kills: int, trials: int, chance: random.Random) -> list[Instant]:
    """As many kills of each kind, over a whole search; of four or more, the last of a driver in the full training."""
    drawn = [kinds[number % len(kinds)] for number in range(kills)]
    chance.shuffle(drawn)
    begun = sorted(chance.uniform(0, LATEST * (trials - 1)) for _ in drawn)
    found = []
    for kind, at in zip(drawn, begun, strict=True):
        early = chance.random() < IN_THE_START
        found.append(Instant(kind, -1.0 if early else at, chance.uniform(0, DELAY_SECONDS)))
    if kills >= 4 and "driver" in drawn:
        last = max(number for number, instant in enumerate(found) if instant.kind == "driver")
        found.append(Instant("driver", trials, found.pop(last).delay_seconds / DELAY_SECONDS))
    return found
