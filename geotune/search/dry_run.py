"""`geotune search --dry-run`: what a search would do. Only caches are written; no weights are fetched."""

import math
from collections.abc import Iterator
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial
from rich.console import Console

from geotune.config import Flat
from geotune.data.dataset import Dataset
from geotune.data.words import counted
from geotune.model.weights import Weights
from geotune.record.plan import Plan
from geotune.record.proposals import Proposer
from geotune.record.words import drawn_text
from geotune.search.forecast import Row, Timed, about, forecast, print_rows, time_steps
from geotune.search.machine import shape, slots, this_machine
from geotune.search.preflight import check_optimisers, find_all_weights
from geotune.search.provenance import lines, provenance

DRAWS = 5
"""Trials that are shown."""


def show_dry_run(plan: Plan, dataset: Dataset, console: Console) -> None:
    """Print the search with its forecast, its first trials, and where each setting comes from.

    Raises what would keep the search from starting. A cluster is not asked: its trials are not timed.
    """
    check_optimisers(plan.space)
    with console.status("looking for weights and timing a few steps"):
        weights = find_all_weights(plan.space, fetch=False)
        rows = [*about(plan, dataset, weights), *_forecast(plan), ("downloads", _downloads(weights))]
    print_rows(rows, console)
    draws = list(first_trials(plan, min(DRAWS, plan.trials)))
    console.print(f"\n{counted(len(draws), 'trial')} to begin with:" if len(draws) > 1 else "\nthe trial:")
    for number, drawn in enumerate(draws):
        plan.config(drawn)
        origin = "  (known good)" if number < len(plan.space.first) else ""
        console.print(f"  {number}: {drawn_text(drawn)}{origin}", highlight=False, soft_wrap=True, markup=False)
    console.print("\nsettings, and where each comes from:")
    for line in lines(provenance(plan), console.width):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def first_trials(plan: Plan, count: int) -> Iterator[Flat]:
    """The searched settings of the trials that the search would begin with, as long as none has ended."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    proposer, begun = Proposer(plan), list[FrozenTrial]()
    distributions = {parameter.key: parameter.distribution for parameter in plan.space.parameters}
    for number in range(count):
        first = number < len(plan.space.first)
        params = plan.space.encode(plan.space.first[number]) if first else proposer.propose(number, begun)
        own = {key: distributions[key] for key in params}
        begun.append(create_trial(state=TrialState.RUNNING, params=params, distributions=own))
        begun[-1].number = number
        yield {p.key: p.decode(params[p.key]) for p in plan.space.parameters if p.key in params}


def _forecast(plan: Plan) -> list[Row]:
    if plan.settings.address:
        return [("machine", f"the cluster at {plan.settings.address}; it is not asked, and no trial is timed")]
    offer = this_machine()
    one = shape(plan.settings, offer)
    at_once = 1 if plan.settings.executor == "inline" else slots(one, offer)
    timed: Timed = time_steps(plan, one, at_once, trained=False)
    runs = Path(plan.settings.runs).absolute()
    folder = next(path for path in (runs, *runs.parents) if path.exists())
    return forecast(plan, timed, one, at_once, plan.settings.time or math.inf, folder)


def _downloads(weights: list[Weights]) -> str:
    """Which weights are still to be fetched, and how many megabytes that is."""
    missing = {found.tag: found.missing_mb for found in weights if found.missing_mb}
    if not missing:
        return "none, all weights are here"
    known = sum(size for size in missing.values() if not math.isnan(size))
    unknown = sum(map(math.isnan, missing.values()))
    size = f"{known:,.0f} MB" + (f", and {counted(unknown, 'file')} of unknown size" if unknown else "")
    return f"{size}: {', '.join(missing)}"
