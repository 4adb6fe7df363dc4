"""A grid: every combination of a space's values, each once; a number names one.

Where a condition does not hold, the parameter is left out, so what differs only there is one combination.
"""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from geotune.config import Flat
from geotune.record.parameter import Parameter

if TYPE_CHECKING:
    from geotune.record.space import Space


def count(space: "Space") -> int:
    """How many combinations there are."""
    return _count(space, space.parameters, {}, {})


def combination(space: "Space", number: int) -> dict[str, Any]:
    """One combination (0 to count - 1) as Optuna sees it, the last parameter changing fastest."""
    seen: dict[str, Any] = {}
    drawn: Flat = {}
    known: dict[Any, int] = {}
    for place, parameter in enumerate(space.parameters):
        if not space.applies(parameter, drawn):
            continue
        for value in parameter.each:
            drawn[parameter.key] = parameter.decode(value)
            below = _count(space, space.parameters[place + 1 :], drawn, known)
            if number < below:
                seen[parameter.key] = value
                break
            number -= below
    return seen


class Order:
    """All combinations in an order that covers the space from the start.

    It steps through them by the golden section of their count: a budget that ends early has seen every value of the
    first parameters, and of the last. Those that were looked at are remembered: each takes a tenth of a millisecond.
    """

    def __init__(self, space: "Space", seed: int) -> None:
        self._space, self._total = space, (total := space.combinations)
        self._step = next(s for s in range(max(1, round(0.618034 * total)), 2 * total + 1) if math.gcd(s, total) == 1)
        self._begin = random.Random(seed).randrange(total)
        self._found: list[tuple[dict[str, Any], frozenset[tuple[str, str]]]] = []

    def untried(self, tried: Iterable[Mapping[str, Any]], number: int) -> dict[str, Any]:
        """The first that is not among those tried; when all are, it begins anew, at the number's place."""
        done = {_frozen(params) for params in tried}
        for place in range(min(self._total, len(done) + 1)):
            if place == len(self._found):
                params = self._at(place)
                self._found.append((params, _frozen(params)))
            params, frozen = self._found[place]
            if frozen not in done:
                return dict(params)
        return self._at(number)

    def _at(self, place: int) -> dict[str, Any]:
        return combination(self._space, (self._begin + place * self._step) % self._total)


def _frozen(params: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    return frozenset((key, repr(value)) for key, value in params.items())


def _count(space: "Space", parameters: Sequence[Parameter], drawn: Flat, known: dict[Any, int]) -> int:
    """Combinations of some parameters under the values drawn above them.

    Only values that a condition below asks for matter: `known` remembers the counts by them, or a grid of a million
    would be walked.
    """
    if not parameters:
        return 1
    asked = {parent for parameter in parameters for parent in parameter.when}
    key = (len(parameters), tuple(sorted((k, repr(v)) for k, v in drawn.items() if k in asked)))
    if key not in known:
        parameter, *rest = parameters
        if space.applies(parameter, drawn):
            values = [parameter.decode(value) for value in parameter.each]
            total = sum(_count(space, rest, drawn | {parameter.key: value}, known) for value in values)
        else:
            total = _count(space, rest, drawn, known)
        known[key] = total
    return known[key]
