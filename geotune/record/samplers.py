"""The samplers that a search can name, what each needs of the search, and Optuna's own behind them."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Literal

import optuna

from geotune.record.parameter import Parameter

SamplerName = Literal["tpe", "random", "grid", "qmc", "gp"]

warnings.filterwarnings("ignore", r"Argument ``group``", optuna.exceptions.ExperimentalWarning)  # it is one since 2.8


def model(name: SamplerName, seed: int) -> optuna.samplers.BaseSampler:
    """The sampler that learns from trials which ended; when there are enough of them is the proposer's to say."""
    if name == "gp":
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=1, warn_independent_sampling=False)
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=1)


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
