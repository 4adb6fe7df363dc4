"""What a run folder says about its search, as plain values: for everything that shows a search and decides nothing.

Only the plain files are read (search.yaml, trials/, final/), never the study: any process may read them while the
search goes on.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from geotune.config import Flat, flatten, load_yaml
from geotune.record.folder import RunFolder, TrialFolder, read_json
from geotune.record.outcome import FAILED
from geotune.train.selection import standing


@dataclass(frozen=True)
class TrialHistory:
    """One training run as its folder tells it."""

    name: str
    """`7` for a trial, `final` for the full training."""
    folder: Path
    config: Flat
    """Every setting by its dotted key; empty until the trial has begun."""
    epochs: tuple[Mapping[str, Any], ...]
    """`{"epoch", "time": unix seconds, "metrics"}`, each epoch once, in order; of an epoch told twice, the first."""
    outcome: Mapping[str, Any]
    """`{"state", "value", "time", "reason"}`; empty while it runs."""

    @property
    def state(self) -> str:
        """running | complete | stopped | diverged | infeasible | crashed."""
        return str(self.outcome.get("state", "running"))

    def curve(self, metric: str) -> tuple[list[int], list[float]]:
        """Epochs and the metric's values in them; epochs without a finite value are left out."""
        pairs = [(int(e["epoch"]), e["metrics"].get(metric)) for e in self.epochs]
        finite = [(e, float(v)) for e, v in pairs if isinstance(v, int | float) and math.isfinite(v)]
        return [e for e, _ in finite], [v for _, v in finite]

    def best(self, metric: str, minimize: bool = True) -> float | None:
        """What the run has reached by its `train.selection`, None where nothing."""
        values = {int(e["epoch"]): e["metrics"].get(metric) for e in self.epochs}
        known = {e: float(v) if isinstance(v, int | float) else math.nan for e, v in values.items()}
        rule = self.config.get("train.selection", "best")  # what was trained before there was a choice
        found = standing(known, rule, larger_is_better=not minimize).value
        return None if math.isnan(found) else found


@dataclass(frozen=True)
class History:
    """A whole search: what was asked, every trial, the full training and its one look at the test split."""

    run: RunFolder
    asked: Mapping[str, Any]
    """search.yaml as it stands."""
    trials: tuple[TrialHistory, ...]
    final: TrialHistory | None
    test: Mapping[str, Any]
    """final.json: `{"number", "metrics", "low", "high", "baseline", "seconds"}`; empty until the test is done."""

    @property
    def goal(self) -> str:
        """The metric that the search goes by under its full name, as in `valid/median_km`."""
        goal = self.asked.get("goal", {})
        return str(goal.get("minimize") or goal.get("maximize") or "valid/median")

    @property
    def minimize(self) -> bool:
        return not self.asked.get("goal", {}).get("maximize")

    @property
    def searched(self) -> list[str]:
        """Dotted keys of the searched settings: those that the space names, less those pinned on the command line."""
        pins = self.asked.get("pins") or {}
        return [key for key in (self.asked.get("space", {}).get("file", {}).get("search") or {}) if key not in pins]

    def ranked(self) -> list[TrialHistory]:
        """The trials that have a value, best first; those that failed in the end come last, as in the record."""
        sign = 1 if self.minimize else -1
        scored = [(sign * value, t) for t in self.trials if (value := t.best(self.goal, self.minimize)) is not None]
        return [trial for _, trial in sorted(scored, key=lambda pair: (pair[1].state in FAILED, pair[0]))]


def read_history(path: Path) -> History:
    """Read a run folder; GeotuneError where it is none. Files that are missing or torn count as not yet written."""
    run = RunFolder.open(path)
    final = read_trial(run.final) if run.final.path.is_dir() else None
    trials = tuple(read_trial(folder) for folder in run.trials())
    return History(run, load_yaml(run.search_yaml), trials, final, read_json(run.final_json))


def read_trial(folder: TrialFolder) -> TrialHistory:
    """One trial's folder (or `final/`); files that have not changed since the last call are not read again."""
    return _read(folder, tuple(_stamp(path) for path in (folder.config, folder.metrics, folder.outcome)))


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)


@lru_cache(maxsize=20_000)  # a search is read every few seconds, and YAML is slow
def _read(folder: TrialFolder, stamps: tuple[tuple[int, int, int], ...]) -> TrialHistory:
    config: Flat = {}
    if folder.config.is_file():
        config = flatten(load_yaml(folder.config))
    name = str(int(folder.path.name)) if folder.path.name.isdigit() else folder.path.name
    return TrialHistory(name, folder.path, config, tuple(folder.epochs()), read_json(folder.outcome))
