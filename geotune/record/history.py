"""What a run folder says about its search, as plain values: for everything that shows a search and decides nothing.

Only the plain files are read (search.yaml, trials/, final/), never the study: any process may read them while the
search goes on. Each file is read when it is first asked for.
"""

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from geotune.config import Flat, flatten
from geotune.config.written import load_written
from geotune.record.folder import RunFolder, TrialFolder, read_json
from geotune.record.limits import Limit, limits
from geotune.record.outcome import FAILED, Outcome
from geotune.train.selection import Standing, standing


@dataclass(frozen=True)
class TrialHistory:
    """One training run as its folder tells it."""

    files: TrialFolder

    @property
    def name(self) -> str:
        """`7` for a trial, `final` for the full training."""
        name = self.files.path.name
        return str(int(name)) if name.isdigit() else name

    @property
    def folder(self) -> Path:
        return self.files.path

    @cached_property
    def config(self) -> Flat:
        """Every setting by its dotted key; empty until the trial has begun."""
        try:
            found = self.files.config.stat()
        except FileNotFoundError:
            return {}
        return dict(_config(self.files.config, (found.st_mtime_ns, found.st_size, found.st_ino)))

    @cached_property
    def epochs(self) -> tuple[Mapping[str, Any], ...]:
        """`{"epoch", "time": unix seconds, "metrics"}`, each epoch once, in order; of one told twice, the first."""
        return tuple(self.files.epochs())

    @cached_property
    def outcome(self) -> Mapping[str, Any]:
        """`{"state", "value", "time", "reason"}`; empty while it runs."""
        return read_json(self.files.outcome)

    @property
    def state(self) -> str:
        """running | complete | stopped | diverged | infeasible | crashed."""
        return str(self.outcome.get("state", "running"))

    @property
    def seconds(self) -> float:
        """Seconds of training, validation not counted."""
        return sum(_number(e["metrics"].get("train/seconds"), 0.0) for e in self.epochs)

    def curve(self, metric: str) -> tuple[list[int], list[float]]:
        """Epochs and the metric's values in them; epochs without a finite value are left out."""
        pairs = [(int(e["epoch"]), _number(e["metrics"].get(metric))) for e in self.epochs]
        finite = [(e, v) for e, v in pairs if math.isfinite(v)]
        return [e for e, _ in finite], [v for _, v in finite]

    def standing(self, metric: str, minimize: bool = True) -> Standing:
        """What the run has reached by its `train.selection`, and the epoch that is kept."""
        values = {int(e["epoch"]): _number(e["metrics"].get(metric)) for e in self.epochs}
        rule = self.config.get("train.selection", "best")  # what was trained before there was a choice
        return standing(values, rule, larger_is_better=not minimize)

    def best(self, metric: str, minimize: bool = True) -> float | None:
        """What the run has reached, None where nothing."""
        found = self.standing(metric, minimize).value
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

    @cached_property
    def goals(self) -> tuple[tuple[str, bool], ...]:
        """Each goal: its metric under its full name, as in `valid/median_km`, and whether it is minimised."""
        given = self.asked.get("goals") or [self.asked.get("goal") or {}]
        found = [(str(metric), side == "minimize") for one in given for side, metric in one.items() if metric]
        return tuple(found) or (("valid/median", True),)

    @cached_property
    def where(self) -> tuple[Limit, ...]:
        """What a trial must keep to."""
        texts = self.asked.get("settings", {}).get("where") or []
        return limits(texts, self.asked["dataset"]["extent"]) if texts else ()

    @property
    def goal(self) -> str:
        """The metric that the search goes by: the first goal's."""
        return self.goals[0][0]

    @property
    def minimize(self) -> bool:
        return self.goals[0][1]

    @property
    def searched(self) -> list[str]:
        """Dotted keys of the searched settings: those that the space names, less those pinned on the command line."""
        pins = self.asked.get("pins") or {}
        return [key for key in (self.asked.get("space", {}).get("file", {}).get("search") or {}) if key not in pins]

    def drawn(self, trial: TrialHistory) -> Flat:
        """The searched settings that a trial has."""
        return {key: trial.config[key] for key in self.searched if key in trial.config}

    def value(self, trial: TrialHistory) -> float | None:
        """What a trial has reached of the first goal; of one that has ended, without reading its epochs."""
        if "value" in trial.outcome and trial.name != "final":
            found = _number(trial.outcome["value"])
            return None if math.isnan(found) else found
        return trial.best(self.goal, self.minimize)

    def values(self, trial: TrialHistory) -> tuple[float, ...]:
        """What a trial has reached of each goal: of the first its value, of the others theirs at the epoch kept."""
        value = self.value(trial)
        kept = self._kept(trial) if len(self.goals) > 1 else {}
        return (math.nan if value is None else value, *(_number(kept.get(metric)) for metric, _ in self.goals[1:]))

    def breaks(self, trial: TrialHistory) -> tuple[str, ...]:
        """The limits of `where` that a trial does not keep, as in `seconds_per_epoch < 60`."""
        if not self.where or not trial.epochs:
            return ()
        epochs = {int(e["epoch"]): e["metrics"] for e in trial.epochs}
        kept = trial.standing(self.goal, self.minimize).epoch
        return tuple(str(limit) for limit in self.where if limit.excess(limit.value(epochs, kept)) > 0)

    def ranked(self) -> list[TrialHistory]:
        """The trials that have a value, best first, as in the record.

        Those that failed in the end come after all others, and of either those that break a limit come last.
        """
        sign = 1 if self.minimize else -1
        scored = [(sign * value, t) for t in self.trials if (value := self.value(t)) is not None]
        order = sorted(scored, key=lambda pair: (pair[1].state in FAILED, bool(self.breaks(pair[1])), pair[0]))
        return [trial for _, trial in order]

    def front(self) -> list[TrialHistory]:
        """The complete trials that keep `where` and that no other one beats in every goal; by the first goal."""
        signs = [1 if minimize else -1 for _, minimize in self.goals]
        whole = [trial for trial in self.trials if trial.state == Outcome.COMPLETE and not self.breaks(trial)]
        points = [(tuple(s * v for s, v in zip(signs, self.values(t), strict=True)), t) for t in whole]
        found: list[tuple[tuple[float, ...], TrialHistory]] = []
        for point, trial in sorted((p for p in points if not any(map(math.isnan, p[0]))), key=lambda pair: pair[0]):
            if not any(other != point and all(map(operator.le, other, point)) for other, _ in found):
                found.append((point, trial))
        return [trial for _, trial in found]

    def _kept(self, trial: TrialHistory) -> Mapping[str, Any]:
        """The metrics of the epoch that is kept."""
        kept = trial.standing(self.goal, self.minimize).epoch
        return next((e["metrics"] for e in trial.epochs if e["epoch"] == kept), {})


def read_history(path: Path) -> History:
    """Read a run folder; GeotuneError where it is none. Files that are missing or torn count as not yet written."""
    run = RunFolder.open(path)
    final = TrialHistory(run.final) if run.final.path.is_dir() else None
    trials = tuple(TrialHistory(folder) for folder in run.trials())
    return History(run, load_written(run.search_yaml), trials, final, read_json(run.final_json))


def _number(value: Any, missing: float = math.nan) -> float:
    return float(value) if isinstance(value, int | float) else missing


@lru_cache(maxsize=2000)  # a search that runs is read every few seconds
def _config(path: Path, stamp: tuple[int, int, int]) -> Flat:
    """A config file, read again when its time, size or inode has changed."""
    return flatten(load_written(path))
