"""One screen that says what is about to happen: seconds a trial, trials that fit the budget, disk."""

import json
import math
import platform
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from rich.console import Console

from geotune import __version__
from geotune.data.cache.entries import cache_root
from geotune.data.dataset import Dataset, open_dataset
from geotune.data.words import counted
from geotune.model.settings import WINNER
from geotune.model.weights import Weights
from geotune.record.folder import RunFolder, read_json, write_atomic
from geotune.record.plan import Plan
from geotune.record.record import Record
from geotune.record.words import duration_text
from geotune.search.budget import MOST_FOR_FINAL, Clock, final_seconds
from geotune.search.machine import Shape
from geotune.search.preflight import check_optimisers, find_all_weights
from geotune.train.probe import Forecast, probe
from geotune.train.settings import TrainConfig

Row = tuple[str, str]
FILE = "forecast.json"
"""In the run folder: what the first start has timed."""


@dataclass(frozen=True)
class Timed:
    """What a trial and an epoch of the full training take; None where nobody could tell."""

    trial: Forecast | None
    full: Forecast | None

    def final_seconds(self, plan: Plan) -> float:
        """Of the full training; 0 where unknown."""
        if self.full is None:
            return 0.0
        once = self.full.seconds_features if plan.full_is_other_work else 0.0
        return once + final_seconds(self.full.seconds_epoch, _typical_full(plan).train.epochs)


def show_forecast(plan: Plan, record: Record, one: Shape, at_once: int, clock: Clock, console: Console) -> float:
    """Find the weights, time a few steps, and print the screen -> the full training's seconds, 0 where unknown.

    The steps are timed once a search. Raises what keeps every trial from starting.
    """
    check_optimisers(plan.space)
    with console.status("finding weights and timing a few steps"):
        weights = find_all_weights(plan.space)
        plan.tree["weights"] = [{"backbone": found.backbone} | found.about() for found in weights]
        plan.write(record.run)
        timed = _as_before(plan, record.run, one) or _kept(plan, record.run, one, time_steps(plan, one, at_once))
    rows = [("run", str(record.run.path)), *about(plan, open_dataset(plan.data), weights)]
    print_rows(rows + forecast(_limited(plan, clock), timed, one, at_once, clock.left, record.run.path), console)
    return timed.final_seconds(plan)


def _as_before(plan: Plan, run: RunFolder, one: Shape) -> Timed | None:
    """What an earlier start of the search has timed: one that is resumed begins at once."""
    stored = read_json(run.path / FILE)
    if stored.get("of") != _basis(plan, one):
        return None
    return Timed(Forecast(**stored["trial"]), Forecast(**stored["full"]))


def _kept(plan: Plan, run: RunFolder, one: Shape, timed: Timed) -> Timed:
    if timed.trial and timed.full:
        content = {"of": _basis(plan, one), "trial": asdict(timed.trial), "full": asdict(timed.full)}
        write_atomic(run.path / FILE, json.dumps(content) + "\n")
    return timed


def _basis(plan: Plan, one: Shape) -> dict[str, Any]:
    """On what the steps were timed; otherwise they are timed anew."""
    data = plan.tree["dataset"]["fingerprint"]
    return {"cpus": one.cpus, "gpus": one.gpus, "host": platform.node(), "data": data, "geotune": __version__}


def _limited(plan: Plan, clock: Clock) -> Plan:
    """The plan under the limits that hold now: `geotune budget` may have changed them since it was written."""
    own = {"trials": clock.limits.trials or plan.trials, "time": clock.limits.time, "gpu_hours": clock.limits.gpu_hours}
    return replace(plan, settings=plan.settings.model_copy(update=own))


def about(plan: Plan, dataset: Dataset, weights: list[Weights]) -> list[Row]:
    """What is searched, on what."""
    photos = ", ".join(f"{count:,} {name}" for name, count in dataset.counts.items())
    goals = ", then ".join(f"{goal.direction} {goal.metric}" for goal in plan.goals)
    return [
        ("data", f"{dataset.folder} ({photos}; {dataset.extent})"),
        ("asks", dataset.split_question),
        ("goal", goals),
        ("searched", ", ".join(parameter.key for parameter in plan.space.parameters)),
        ("space", f"{_count(plan.space.size)}, {len(plan.space.first)} known-good first"),
        ("weights", ", ".join(dict.fromkeys(str(found.tag) for found in weights))),
    ]


def forecast(plan: Plan, timed: Timed, one: Shape, at_once: int, left: float, folder: Path) -> list[Row]:
    """What it will take: `left` seconds of the time limit (may be infinite), on the disk of `folder`."""
    rows = [("machine", f"{counted(at_once, 'trial')} at once, {one} each ({plan.settings.executor})")]
    if timed.trial is None:
        return [*rows, ("a trial", "not timed: no worker is free yet")]
    trial = timed.trial
    rows.append(("a trial", f"about {_about(trial.seconds)} for all {trial.epochs} epochs{_once(trial)}"))
    rows.append(("trials", _fitting(plan, trial, timed.final_seconds(plan), one, at_once, left)))
    return [*rows, ("disk", _disk(trial, at_once, folder))]


def print_rows(rows: list[Row], console: Console) -> None:
    for name, text in rows:
        console.print(f"{name:<9} {text}", highlight=False)


def time_steps(plan: Plan, one: Shape, at_once: int, *, trained: bool = True) -> Timed:
    """A few steps of a typical trial and, where it is other work, of the full training.

    Where they are not `trained`, the weights are random ones: as fast, and nothing has to be fetched.
    """
    trial = _timed(plan, _begun(typical(plan), trained), one, at_once)
    if not plan.full_is_other_work:
        return Timed(trial, trial)
    full = _timed(plan, _begun(before_start(_typical_full(plan)), trained), one, 1)
    return Timed(trial, full or trial)


def before_start(config: TrainConfig) -> TrainConfig:
    """The config for timing a few steps: there is no winner yet whose weights it could begin with."""
    if config.model.start != WINNER:
        return config
    return config.model_copy(update={"model": config.model.model_copy(update={"start": ""})})


def _begun(config: TrainConfig, trained: bool) -> TrainConfig:
    if trained or config.model.start:
        return config
    return config.model_copy(update={"model": config.model.model_copy(update={"weights": "none"})})


def _timed(plan: Plan, wanted: TrainConfig, one: Shape, at_once: int) -> Forecast | None:
    """A few steps on the machine that is to run the trials; None where a cluster has no worker yet, or none free."""
    config = wanted.model_dump_json()
    if plan.settings.address:
        from geotune.search.executors.ray_cluster import on_worker
        from geotune.search.executors.ray_nodes import Nodes

        free = at_once and Nodes().free(one)  # else it would wait for others here, and the search says that it does
        timed = on_worker(one, _probe, config, one.threads, one.gpus) if free else None
    else:
        timed = _probe(config, one.threads, one.gpus)
    # trials that start together share the work on the features
    return timed and replace(timed, seconds_features=timed.seconds_features / max(1, at_once))


def _probe(config: str, threads: int, gpus: float) -> Forecast:
    checked = TrainConfig.model_validate_json(config)
    return probe(checked, open_dataset(checked.data), threads=threads, gpus=gpus)


def typical(plan: Plan) -> TrainConfig:
    """The first known-good point, else a random draw."""
    if plan.space.first:
        return plan.config(plan.space.first[0])
    return plan.config(plan.space.draw(optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()))


def _typical_full(plan: Plan) -> TrainConfig:
    return plan.full_config(plan.space.first[0] if plan.space.first else {})


def _fitting(plan: Plan, trial: Forecast, final: float, one: Shape, at_once: int, left: float) -> str:
    """How many of the trials fit into the limits that there are."""
    settings, once = plan.settings, trial.seconds_features
    fits: dict[str, float] = {}
    if settings.time is not None:
        kept = min(final, MOST_FOR_FINAL * settings.time)
        seconds = max(0.0, left - kept - once)
        fits[f"{duration_text(settings.time)}, {_about(kept)} kept for the full training"] = (
            seconds * at_once / max(0.1, trial.seconds)
        )
    if settings.gpu_hours is not None and one.gpus:
        gpu_seconds = settings.gpu_hours * 3600
        gpu_seconds -= min(final, MOST_FOR_FINAL * gpu_seconds)
        fits[f"{settings.gpu_hours:g} GPU hours"] = gpu_seconds / one.gpus / max(0.1, trial.seconds)
    if not fits:
        rounds = math.ceil(plan.trials / max(1, at_once))
        return f"{plan.trials}, at most about {_about(once + rounds * trial.seconds)}"
    limit, count = min(fits.items(), key=lambda item: item[1])
    said = f"about {int(count)} of {plan.trials}" if count < plan.trials else f"all {plan.trials}"
    return f"{said} fit into {limit}"


def _disk(timed: Forecast, at_once: int, folder: Path) -> str:
    need = (2 * (at_once + 1) * timed.checkpoint_mb + timed.cache_mb) / 1000
    free = shutil.disk_usage(folder).free / 1e9
    warning = "  [bold red]too little" if free < need + 0.5 else ""
    cache = f"{timed.cache_mb:,.0f} MB of it the cache in {cache_root()}"
    return f"about {need:.1f} GB ({cache}), {free:,.0f} GB free{warning}"


def _once(timed: Forecast) -> str:
    return f", once up to {_about(timed.seconds_features)} to make the photos ready" if timed.seconds_features else ""


def _about(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else duration_text(seconds)


def _count(size: float) -> str:
    return "more configs than can be counted" if math.isinf(size) else counted(int(size), "config")
