"""A search at an instant, told by its run folder alone: whether it runs, was killed or has ended."""

import math
from collections import Counter
from collections.abc import Iterable
from functools import partial

from geotune.config import parse_duration
from geotune.config.written import load_written
from geotune.record.driver import is_running
from geotune.record.folder import read_json
from geotune.record.history import History, TrialHistory
from geotune.record.runs import most_trials
from geotune.search.glance import Cost, Glance, Row, Rungs, progress_of, running
from geotune.search.waiting import waiting


def glance_at(history: History) -> Glance:
    """What the search has come to; which of its trials run is told only while its driver does."""
    alive = is_running(history.run)
    at_work = [trial for trial in history.trials if not trial.outcome]
    best = next(iter(history.ranked()), None)
    stopping = Rungs(history.asked.get("settings", {}).get("stopping") or {})
    shown = []
    for trial in at_work if alive else []:
        shown.append(running(row_of(history, trial, alive), trial.files, stopping, partial(_photos, trial)))
    return Glance(
        name=history.run.name,
        metrics=tuple(metric for metric, _ in history.goals),
        counts=Counter(_state(trial, alive) for trial in history.trials),
        most_trials=most_trials(history.run, dict(history.asked)),
        cost=_cost(history, alive),
        best=row_of(history, best, alive) if best else None,
        running=shown,
        final=progress_of(history.run.final)[0] if alive and history.final and not history.test else "",
        note=waiting(history.run) if alive else "",
    )


def row_of(history: History, trial: TrialHistory, alive: bool = False) -> Row:
    """A trial as it is shown."""
    return Row(
        number=int(trial.name),
        state=_state(trial, alive),
        drawn=history.drawn(trial),
        values=history.values(trial),
        epochs=len(trial.epochs),
        seconds=trial.seconds,
        reason=str(trial.outcome.get("reason") or ""),
        breaks=history.breaks(trial),
    )


def rows_of(history: History, trials: Iterable[TrialHistory]) -> list[Row]:
    alive = is_running(history.run)
    return [row_of(history, trial, alive) for trial in trials]


def _state(trial: TrialHistory, alive: bool) -> str:
    return "unfinished" if not (trial.outcome or alive) else trial.state


def _photos(trial: TrialHistory) -> float | None:
    """Photos of an epoch."""
    last = trial.epochs[-1]["metrics"] if trial.epochs else {}
    speed, seconds = last.get("train/photos_per_second"), last.get("train/seconds")
    return round(speed * seconds) if speed and seconds else None


def _cost(history: History, alive: bool) -> Cost:
    """From spend.json, and the limits as they were asked or changed since (geotune.record.budget)."""
    run, spend = history.run, read_json(history.run.spend_json)
    changed = load_written(run.budget_yaml) if run.budget_yaml.is_file() else {}
    limits = dict(history.asked.get("settings", {})) | changed
    time, gpu_hours = limits.get("time"), limits.get("gpu_hours")
    left = spend.get("left_seconds") if alive else None
    return Cost(
        seconds=spend.get("seconds") or 0.0,
        gpu_hours=spend.get("gpu_hours") or 0.0,
        left_seconds=math.nan if left is None else left,
        most_seconds=parse_duration(time) if time and time != "none" else None,
        most_gpu_hours=gpu_hours if isinstance(gpu_hours, int | float) else None,
    )
