"""The samplers that a search can name, what each needs of the search, and Optuna's own behind them."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import optuna
from optuna.trial import FrozenTrial

from geotune.record.goals import Objective
from geotune.record.parameter import Parameter
from geotune.record.snapshot import for_gp, for_tpe

SamplerName = Literal["tpe", "random", "grid", "qmc", "gp"]

warnings.filterwarnings("ignore", r"Argument ``group``", optuna.exceptions.ExperimentalWarning)  # it is one since 2.8


@dataclass(frozen=True)
class Learner:
    """One of Optuna's samplers that learn from trials."""

    sampler: Callable[[int], optuna.samplers.BaseSampler]
    """Of a seed. It never draws its own start-up trials: when enough have ended is the proposer's to say."""
    view: Callable[[Sequence[FrozenTrial], Sequence[Objective]], list[FrozenTrial]]
    """Trials as it can read them."""
    limit: int
    """So many trials that have ended it reads at the most: its cost grows with them."""


def _tpe(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=1)


def _gp(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.GPSampler(seed=seed, n_startup_trials=1, warn_independent_sampling=False)


LEARNERS = {"tpe": Learner(_tpe, for_tpe, limit=300), "gp": Learner(_gp, for_gp, limit=200)}


def problems(
    name: SamplerName, parameters: Sequence[Parameter], stopping: str, goals: int
) -> Iterator[tuple[str, str]]:
    """Why the sampler cannot search such parameters under such a stopping rule for so many goals."""
    conditional = [parameter.key for parameter in parameters if parameter.when]
    if name in ("qmc", "gp") and conditional:
        yield "sampler", f"{name} knows no conditions, and {conditional[0]} has a when; take tpe, random or grid"
    if name == "gp" and stopping != "none":
        yield "sampler", "gp learns nothing from trials that are stopped early; say stopping=none, or take tpe"
    if name == "gp" and goals > 1:
        yield "sampler", f"gp has one goal, this search has {goals}; take tpe, random, grid or qmc"
    for parameter in parameters:
        if name == "grid" and parameter.continuous:
            yield "sampler", f"grid needs values to count, {parameter.key} is a range; {_mend(parameter)}, or take qmc"


def _mend(parameter: Parameter) -> str:
    low, high = parameter.values
    middle = (low * high) ** 0.5 if parameter.kind == "log" else (low + high) / 2
    return f"say {{choice: [{low:g}, {middle:.2g}, {high:g}]}}"
