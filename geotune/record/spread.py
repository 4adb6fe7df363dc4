"""A spread design: points that cover a space evenly, where chance would leave gaps and clusters.

Scrambled Sobol points (Owen 1998) over the quantiles of every parameter; where a condition does not hold, the parameter
is left out afterwards. Point k depends on the space, the seed and k alone.
"""

from collections.abc import Callable
from typing import Any

from scipy.stats import qmc

from geotune.record.parameter import Parameter
from geotune.record.space import Space


def spread(space: Space, seed: int, k: int) -> dict[str, Any]:
    """Point k (0, 1, …) as Optuna sees it."""
    engine = qmc.Sobol(d=max(1, len(space.parameters)), scramble=True, seed=seed)
    if k:  # scipy cannot go forward by none
        engine.fast_forward(k)
    quantiles = engine.random(1)[0].tolist()
    at = dict(zip((parameter.key for parameter in space.parameters), quantiles, strict=False))
    return walk(space, lambda parameter: parameter.at(at[parameter.key]))


def walk(space: Space, choose: Callable[[Parameter], Any]) -> dict[str, Any]:
    """The values that `choose` gives to each parameter that applies, in their order, as Optuna sees them."""
    seen: dict[str, Any] = {}
    drawn: dict[str, Any] = {}
    for parameter in space.parameters:
        if space.applies(parameter, drawn):
            seen[parameter.key] = choose(parameter)
            drawn[parameter.key] = parameter.decode(seen[parameter.key])
    return seen
