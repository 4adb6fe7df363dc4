"""The trials of a search: each stands in the study, in its folder and in the ranking, and here the three go together.

An epoch or an end is written to the trial's folder and to the study in an order that a kill in between cannot spoil:
what the folder has too much is told again, what it lacks is made good at the next opening.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from geotune.config import dump_yaml, flatten, nest
from geotune.record.folder import RunFolder, append_line, write_atomic
from geotune.record.keeping import Keeping
from geotune.record.plan import Plan
from geotune.record.ranking import Ranking
from geotune.record.reported import Reported
from geotune.record.rungs import rungs_of
from geotune.record.standings import BASELINE, BREAKS, PACE, breaks
from geotune.record.study import TrialStudy
from geotune.record.trial import (
    OUTCOME,
    REASON,
    SECONDS,
    STATES,
    STOP,
    Assignment,
    Outcome,
    drawn_of,
    view_of,
    view_of_running,
)

HOPELESS = 3
"""So many trials that crashed for good, and no result at all, end a search."""


class Trials:
    """Every started trial of a run. `now` stamps what is written."""

    def __init__(self, run: RunFolder, plan: Plan, study: TrialStudy, now: Callable[[], float]) -> None:
        self.run, self.plan, self.study, self._now = run, plan, study, now
        self.ranking = Ranking(plan.goals)
        self.reported: dict[int, Reported] = {}
        """What the trials that have not ended have reported."""
        self._rungs = rungs_of(plan.stopping, plan.longest)
        self._has_baseline = BASELINE in study.study.user_attrs
        newest: FrozenTrial | None = None
        for trial in study.trials(*STATES):
            if trial.state is TrialState.RUNNING:
                self.reported[trial.number] = Reported.read(plan, trial, run.trial(trial.number))
                self.show(trial.number, "due")
                continue
            self.ranking.put(view_of(trial, run.trial(trial.number), plan))
            newest = max(newest or trial, trial, key=_ended)
        self._keeping = Keeping(run, plan, self.ranking)
        if newest is not None and not run.trial(newest.number).outcome.is_file():
            self._clear_up(newest.number)  # a kill came right after its end had been told
        if (told := study.told_last) in self.reported and told is not None:
            trial = study.trial(told)  # a kill may have torn off what was decided; nothing has come since
            if (trial.last_step or 0) < plan.config(drawn_of(trial, plan)).train.epochs:
                self._decide(told)

    def begin(self, params: Mapping[str, Any], attrs: Mapping[str, Any]) -> int:
        """A new trial with these parameters, as Optuna sees them; its number."""
        number = self.study.add(params, attrs)
        self.reported[number] = Reported(self.plan)
        return number

    def assignment(self, number: int, attempt: int) -> Assignment:
        """What an attempt is to run, with the trial's folder ready for it."""
        folder = self.run.trial(number)
        config = self.plan.config(drawn_of(self.study.trial(number), self.plan))
        if not folder.config.is_file():
            write_atomic(folder.config, dump_yaml(nest(flatten(config))))
        folder.progress.unlink(missing_ok=True)
        return Assignment(number, attempt, config, folder.path, folder.latest_checkpoint())

    def show(self, number: int, state: str, reason: str = "") -> None:
        """Have a trial that has not ended shown, and ranked, as it now stands."""
        self.ranking.put(view_of_running(self.study.trial(number), self.reported[number], state, reason))

    def take(self, number: int, epoch: int, metrics: Mapping[str, float], *, decide: bool) -> None:
        """Write down a new epoch of a running trial and, where it is to `decide`, what the stopping rule says of it."""
        folder, reported = self.run.trial(number), self.reported[number]
        plain = {key: _plain(metric) for key, metric in metrics.items()}
        append_line(folder.metrics, {"epoch": epoch, "time": self._now(), "metrics": plain})
        reported.epochs[epoch] = dict(metrics)
        value, standing = reported.values[epoch], reported.standing.value
        with self.study.together():
            if not self._has_baseline and self.plan.baseline_key in metrics:
                self.study.study.set_user_attr(BASELINE, metrics[self.plan.baseline_key])
                self._has_baseline = True
            if pace := reported.pace if len(reported.epochs) == 1 or self._at_grace(number, epoch) else {}:
                self.study.attribute(number, PACE, pace)
            broken = any(excess > 0 for excess in reported.excess.values())
            if broken != breaks(self.study.trial(number)):
                self.study.attribute(number, BREAKS, broken)
            # The run's value so far, not the epoch's: so ASHA, Optuna's rules and its sampler compare what decides.
            self.study.report(number, epoch, value if math.isnan(value) else standing)
            if decide:
                self._decide(number)
        self.show(number, "running")
        self._keeping.write_best(self.ranking)
        folder.drop_checkpoints(keep=2)

    def why_stopped(self, number: int) -> str:
        """Why a trial's last epoch had it stopped, as it was decided then; empty where it was not."""
        return str(self.study.trial(number).user_attrs.get(STOP, ""))

    def close(self, number: int, outcome: Outcome, reason: str) -> None:
        """Write down how a trial ended, for good."""
        reported = self.reported[number]
        if outcome is Outcome.STOPPED:
            reason = reason or self.why_stopped(number)
        values = reported.objectives
        # No sampler reads a crashed one, but its limits count where it is ranked.
        constraints = {limit: excess for limit, excess in reported.excess.items() if excess > 0}
        if outcome is not Outcome.CRASHED:
            constraints = {
                "fits": 1.0 if outcome is Outcome.INFEASIBLE else -1.0,
                "finite": 1.0 if outcome is Outcome.DIVERGED else -1.0,
                **reported.excess,
            }
        state = TrialState.FAIL if outcome is Outcome.CRASHED else TrialState.PRUNED
        if outcome is Outcome.COMPLETE and not any(map(math.isnan, values)):
            state = TrialState.COMPLETE
        with self.study.together():
            for key, value in ((OUTCOME, outcome.value), (REASON, reason), (SECONDS, reported.seconds)):
                self.study.attribute(number, key, value)
            self.study.close_trial(number, state, values if state is TrialState.COMPLETE else None, constraints)
        del self.reported[number]
        self.ranking.put(view_of(self.study.trial(number), self.run.trial(number), self.plan))
        self._clear_up(number)
        self._keeping.write_best(self.ranking)  # a trial that failed in the end no longer leads

    @property
    def hopeless(self) -> bool:
        """Whether trials crash, and none has given a result: the next would crash as well."""
        if self.ranking.best is not None:
            return False
        return sum(view.state == Outcome.CRASHED for view in self.ranking.by_number()) >= HOPELESS

    def drop_kept(self) -> None:
        self._keeping.drop_kept()

    def _clear_up(self, number: int) -> None:
        """What follows in the folders when a trial has ended; its outcome comes last, as a sign that all is done."""
        self._keeping.drop_checkpoints(number, self.ranking)
        view = self.ranking[number]
        ended = {"state": view.state, "value": _plain(view.best), "time": self._now(), "reason": view.reason}
        write_atomic(self.run.trial(number).outcome, json.dumps(ended) + "\n")

    def _decide(self, number: int) -> None:
        """Write down what the stopping rule says of a trial's last epoch, where it stops it."""
        if why := self.study.why_stopped(number):
            self.study.attribute(number, STOP, why)

    def _at_grace(self, number: int, epoch: int) -> bool:
        return epoch == self._rungs.epoch(self.study.trial(number), 0)


def _ended(trial: FrozenTrial) -> float:
    return trial.datetime_complete.timestamp() if trial.datetime_complete else 0.0


def _plain(value: float) -> float | None:
    """JSON knows no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)
