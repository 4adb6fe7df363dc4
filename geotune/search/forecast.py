"""One screen that says what is about to happen: seconds a trial, trials that fit the budget, disk."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import optuna
from rich.console import Console

from geotune.data.cache.entries import cache_root
from geotune.data.dataset import Dataset, open_dataset
from geotune.data.words import counted
from geotune.model.settings import WINNER
from geotune.record.plan import Plan
from geotune.record.record import Record
from geotune.search.budget import Clock, final_seconds
from geotune.search.display import drawn_text, duration_text
from geotune.search.machine import Shape
from geotune.search.preflight import check_optimisers, find_all_weights
from geotune.train.probe import Forecast, probe
from geotune.train.settings import TrainConfig


def show_forecast(plan: Plan, record: Record, one: Shape, at_once: int, clock: Clock, console: Console) -> float:
    """Find the weights, time a few steps, and print the screen -> the full training's seconds, 0 where unknown.

    Raises what keeps every trial from starting.
    """
    check_optimisers(plan.space)
    with console.status("finding weights and timing a few steps"):
        weights = find_all_weights(plan.space)
        plan.tree["weights"] = [{"backbone": found.backbone} | found.about() for found in weights]
        plan.write(record.run)
        dataset = open_dataset(plan.data)
        timed = _timed(plan, typical(plan), one, at_once)
        full = _timed(plan, before_start(_typical_full(plan)), one, 1) if plan.full_is_other_work else timed
    rows: list[tuple[str, str]] = []
    photos = ", ".join(f"{count:,} {name}" for name, count in dataset.counts.items())
    rows.append(("run", str(record.run.path)))
    rows.append(("data", f"{dataset.folder} ({photos}; {dataset.extent})"))
    rows.append(("asks", dataset.split_question))
    rows.append(("goal", f"{'maximize' if plan.maximize else 'minimize'} {plan.goal}"))
    rows.append(("searched", ", ".join(parameter.key for parameter in plan.space.parameters)))
    rows.append(("space", f"{_count(plan.space.size)}, {len(plan.space.first)} known-good first"))
    rows.append(("weights", ", ".join(dict.fromkeys(str(found.tag) for found in weights))))
    rows.append(("machine", f"{counted(at_once, 'trial')} at once, {one} each ({plan.settings.executor})"))
    if timed is None:
        rows.append(("a trial", "not timed: no worker is there yet"))
    else:
        rows.append(("a trial", f"about {_about(timed.seconds)} for all {timed.epochs} epochs{_once(timed)}"))
        rows.append(("trials", _fitting(plan, timed, full or timed, at_once, clock)))
        rows.append(("disk", _disk(timed, at_once, record.run.path)))
    for name, text in rows:
        console.print(f"{name:<9} {text}", highlight=False)
    return _final_seconds(plan, full) if full else 0.0


def before_start(config: TrainConfig) -> TrainConfig:
    """The config for timing a few steps: there is no winner yet whose weights it could begin with."""
    if config.model.start != WINNER:
        return config
    return config.model_copy(update={"model": config.model.model_copy(update={"start": ""})})


def _timed(plan: Plan, wanted: TrainConfig, one: Shape, at_once: int) -> Forecast | None:
    """A few steps on the machine that is to run the trials; None where a cluster has no worker yet."""
    config = wanted.model_dump_json()
    if plan.settings.address:
        from geotune.search.executors.ray_cluster import on_worker

        timed = on_worker(one, _probe, config, one.threads, one.gpus) if at_once else None
    else:
        timed = _probe(config, one.threads, one.gpus)
    # trials that start together share the work on the features
    return timed and replace(timed, seconds_features=timed.seconds_features / max(1, at_once))


def _probe(config: str, threads: int, gpus: float) -> Forecast:
    checked = TrainConfig.model_validate_json(config)
    return probe(checked, open_dataset(checked.data), threads=threads, gpus=gpus)


def show_draws(plan: Plan, dataset: Dataset) -> None:
    """What `--dry-run` prints: the weights are looked for, five configs drawn, nothing is written."""
    console = Console()
    check_optimisers(plan.space)
    find_all_weights(plan.space)
    console.print(f"{plan.space.name} on {dataset.folder}: {_count(plan.space.size)}, goal {plan.goal}")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=plan.settings.seed))
    for point in plan.space.first:
        study.enqueue_trial(plan.space.encode(point))
    for number in range(int(min(5, plan.trials, plan.space.size))):
        drawn = plan.space.draw(study.ask())
        plan.config(drawn)
        console.print(f"  {number}: {drawn_text(drawn)}", highlight=False, soft_wrap=True)


def typical(plan: Plan) -> TrainConfig:
    """The first known-good point, else a random draw."""
    if plan.space.first:
        return plan.config(plan.space.first[0])
    return plan.config(plan.space.draw(optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()))


def _fitting(plan: Plan, timed: Forecast, full: Forecast, at_once: int, clock: Clock) -> str:
    if plan.settings.time is None:
        rounds = math.ceil(plan.trials / max(1, at_once))
        return f"{plan.trials}, at most about {_about(timed.seconds_features + rounds * timed.seconds)}"
    final = min(_final_seconds(plan, full), 0.4 * plan.settings.time)
    left = max(0.0, clock.left - final - timed.seconds_features)
    fitting = int(left * at_once / max(0.1, timed.seconds))
    fits = f"about {min(fitting, plan.trials)} of {plan.trials}" if fitting < plan.trials else f"all {plan.trials}"
    return f"{fits} fit into {duration_text(plan.settings.time)}, {_about(final)} kept for the full training"


def _typical_full(plan: Plan) -> TrainConfig:
    return plan.full_config(plan.space.first[0] if plan.space.first else {})


def _final_seconds(plan: Plan, full: Forecast) -> float:
    once = full.seconds_features if plan.full_is_other_work else 0.0
    return once + final_seconds(full.seconds_epoch, _typical_full(plan).train.epochs)


def _disk(timed: Forecast, at_once: int, run: Path) -> str:
    need = (2 * (at_once + 1) * timed.checkpoint_mb + timed.cache_mb) / 1000
    free = shutil.disk_usage(run).free / 1e9
    warning = "  [bold red]too little" if free < need + 0.5 else ""
    cache = f"{timed.cache_mb:,.0f} MB of it the cache in {cache_root()}"
    return f"about {need:.1f} GB ({cache}), {free:,.0f} GB free{warning}"


def _once(timed: Forecast) -> str:
    return f", once up to {_about(timed.seconds_features)} to make the photos ready" if timed.seconds_features else ""


def _about(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else duration_text(seconds)


def _count(size: float) -> str:
    return "more configs than can be counted" if math.isinf(size) else counted(int(size), "config")
