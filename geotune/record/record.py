"""The record of a search: it issues trials, takes epochs, decides who stops, and knows after any kill what is due.

The Optuna study in the run folder's journal is the only state. Executors run what `issue` gives and do what `report`
answers; none of them decides anything. Before each proposal the sampler is seeded from (seed, trial number), so the
same record gives the same proposal.
"""

import json
import math
import threading
import time
from collections.abc import Mapping

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from geotune.config import dump_yaml, flatten, nest
from geotune.record.folder import RunFolder, append_line, write_atomic
from geotune.record.keeping import CANDIDATES, Keeping
from geotune.record.plan import Plan
from geotune.record.standings import BASELINE
from geotune.record.study import ENDED, TrialStudy
from geotune.record.trial import FAILED, STATES, Assignment, Decision, Outcome, TrialView, view_of

__all__ = ["CANDIDATES", "Record"]

HOPELESS = 3
"""So many trials that crashed for good, and no result at all, end a search."""
RETRIES = 2
"""A trial that crashed is run again so many times before it counts as failed."""


class Record:
    """Open for one driver until `close()`. Thread-safe: Ray's callbacks and the display come from several threads."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.plan = Plan.read(run)
        self.space = self.plan.space
        self._mutex = threading.RLock()
        self._study = TrialStudy(run, self.plan)
        self.study = self._study.study
        self._sign = -1.0 if self.study.direction == StudyDirection.MAXIMIZE else 1.0
        self.ending: str = self.study.user_attrs.get(ENDED, "")
        """Why no further trial is issued (`time` for good, `interrupted` until it is opened again), or empty."""
        self._live: dict[int, int] = {}  # trial number -> its attempt that is running now
        self._began: dict[int, tuple[int, int]] = {}  # trial number -> where that attempt began
        self._epochs: dict[int, int] = {}  # trial number -> epochs that it is to have
        self._due = sorted(t.number for t in self._study.trials(TrialState.RUNNING))
        self._view = {t.number: view_of(t, run.trial(t.number), self.plan) for t in self._study.trials(*STATES)}
        self._keeping = Keeping(run, self.plan, self.ranked())

    # ------------------------------------------------------------------------------ what executors call

    def issue(self) -> Assignment | None:
        """The next attempt to run: a trial that was lost first, else a new one; None when nothing is due (now)."""
        with self._mutex:
            if self.ending:
                return None
            self._stop_overdue()
            if self._due:
                number = self._due.pop(0)
                trial = self._study.trial(number)
            elif self._study.started() < self.plan.trials:
                trial = self._study.ask()
                number = trial.number
            else:
                return None
            frozen = self._study.frozen(number)
            attempt = frozen.user_attrs.get("attempt", 0) + 1
            drawn = self.space.draw(trial)
            config = self.plan.config(drawn)
            folder = self.run.trial(number)
            if attempt == 1:
                write_atomic(folder.config, dump_yaml(nest(flatten(config))))
            trial.set_user_attr("attempt", attempt)
            folder.progress.unlink(missing_ok=True)
            self._live[number], self._began[number] = attempt, self._reached(frozen)
            self._epochs[number] = config.train.epochs
            view = self._view.setdefault(number, TrialView(number, "running", drawn))
            view.state, view.drawn = "running", drawn
            return Assignment(number, attempt, config, folder.path, folder.latest_checkpoint())

    def report(self, number: int, attempt: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        """Take an epoch's metrics and decide. A stale attempt is told to stop.

        An epoch seen before changes nothing: a run that goes on tells all of its history again, where the record may
        lack the end of it.
        """
        with self._mutex:
            if self._live.get(number) != attempt:
                return Decision.STOP
            frozen = self._study.frozen(number)
            if epoch not in frozen.intermediate_values:
                self._take(number, epoch, metrics)
                frozen = self._study.frozen(number)
            if epoch >= self._epochs[number]:  # trained to its end: nothing is left to stop
                return Decision.GO_ON
            newest = epoch == frozen.last_step  # what came of the others was decided when they were
            if self.ending or (newest and self.study.pruner.prune(self.study, frozen)):
                return Decision.STOP
            return Decision.GO_ON

    def finish(self, number: int, attempt: int, outcome: Outcome, reason: str = "") -> None:
        """End an attempt. A crash makes the trial due again until its retries are used up."""
        with self._mutex:
            if self._live.get(number) != attempt:
                return
            if outcome is Outcome.STOPPED and self.ending == "interrupted":
                self._make_due(number)  # it was told to stop by Ctrl-C: a resumed search goes on with it
            elif outcome is Outcome.CRASHED:
                self.lost(number, attempt, reason)
            else:
                self._close(number, outcome, reason)

    def lost(self, number: int, attempt: int, reason: str = "its worker died") -> None:
        """An attempt crashed, or its process or node is gone: the trial is due again, from its last checkpoint.

        After RETRIES attempts in a row that came no farther it has crashed for good: what kills a worker each time
        (the system's out-of-memory killer, say) would else be tried for ever. The last one starts anew, for what the
        others went on from may be what is wrong.
        """
        with self._mutex:
            if self._live.get(number) != attempt:
                return
            frozen = self._study.frozen(number)
            fruitful = self._reached(frozen) > self._began[number]
            fruitless = 0 if fruitful else frozen.user_attrs.get("fruitless", 0) + 1
            if fruitless > RETRIES:
                self._close(number, Outcome.CRASHED, reason)
                return
            if fruitless == RETRIES:
                self.run.trial(number).drop_checkpoints()
            self._study.trial(number).set_user_attr("fruitless", fruitless)
            self._view[number].reason = reason
            self._make_due(number)

    def give_back(self) -> None:
        """Make all that runs due again, because the search was interrupted; it counts as nobody's fault."""
        with self._mutex:
            for number in list(self._live):
                self._make_due(number)

    # ------------------------------------------------------------------------------ what others read

    def end(self, why: str) -> None:
        """Issue nothing more; running trials stop after their current epoch. Only `interrupted` is not for good."""
        with self._mutex:
            if not self.ending and why != "interrupted":
                self.study.set_user_attr(ENDED, why)
            self.ending = self.ending or why

    @property
    def done(self) -> bool:
        """Whether nothing runs and nothing will."""
        with self._mutex:
            waiting = self._due or self._study.started() < self.plan.trials
            return not self._live and (bool(self.ending) or not waiting)

    def trials(self) -> list[TrialView]:
        """Every started trial, by number."""
        with self._mutex:
            return [self._view[number] for number in sorted(self._view)]

    def ranked(self) -> list[TrialView]:
        """Trials by their value, stopped and running ones included; those that failed in the end come last."""
        views = [view for view in self.trials() if not math.isnan(view.best)]
        return sorted(views, key=lambda view: (view.state in FAILED, self._sign * view.best))

    def best(self) -> TrialView | None:
        """The first of `ranked`."""
        return next(iter(self.ranked()), None)

    def drop_kept(self) -> None:
        """The full training is done: delete the checkpoints that it could have begun with."""
        self._keeping.drop_kept()

    def close(self) -> None:
        """Let another driver open the run."""
        self._study.close()

    # ------------------------------------------------------------------------------ inside

    def _stop_overdue(self) -> None:
        """Stop due trials whose last epoch had them stopped, when a kill came between that answer and its record."""
        for number in list(self._due):
            frozen = self._study.frozen(number)
            if frozen.intermediate_values and self.study.pruner.prune(self.study, frozen):
                self._due.remove(number)
                self._live[number] = 0
                self._close(number, Outcome.STOPPED, "")

    def _reached(self, trial: FrozenTrial) -> tuple[int, int]:
        """The epoch that a trial is at, and its steps that are saved."""
        return max(((trial.last_step or 0) + 1, 0), self.run.trial(trial.number).within_epoch())

    def _make_due(self, number: int) -> None:
        del self._live[number]
        self._view[number].state = "due"
        self._due = sorted([*self._due, number])

    def _close(self, number: int, outcome: Outcome, reason: str) -> None:
        """Tell the study how a trial ended, for good."""
        del self._live[number]
        view, folder, trial = self._view[number], self.run.trial(number), self._study.trial(number)
        view.state, view.reason = outcome.value, reason
        states = [view.state for view in self._view.values()]
        if self.best() is None and states.count(Outcome.CRASHED) >= HOPELESS:
            self.ending = self.ending or "crashed"
        ended = {"state": outcome.value, "value": _plain(view.best), "time": time.time(), "reason": reason}
        write_atomic(folder.outcome, json.dumps(ended) + "\n")
        if outcome is not Outcome.CRASHED:
            trial.set_constraint("fits", 1.0 if outcome is Outcome.INFEASIBLE else -1.0)
            trial.set_constraint("finite", 1.0 if outcome is Outcome.DIVERGED else -1.0)
        if outcome is Outcome.COMPLETE and not math.isnan(view.best):
            self._study.tell(number, TrialState.COMPLETE, view.best)
        else:
            self._study.tell(number, TrialState.FAIL if outcome is Outcome.CRASHED else TrialState.PRUNED)
        self._keeping.drop_checkpoints(number, self.ranked())
        self._keeping.write_best(self.ranked())  # a trial that failed in the end no longer leads

    def _take(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        if BASELINE not in self.study.user_attrs and self.plan.baseline_key in metrics:
            self.study.set_user_attr(BASELINE, metrics[self.plan.baseline_key])
        value = float(metrics.get(self.plan.goal, math.nan))
        folder = self.run.trial(number)
        plain = {key: _plain(metric) for key, metric in metrics.items()}
        append_line(folder.metrics, {"epoch": epoch, "time": time.time(), "metrics": plain})
        view = self._view[number]
        view.values[epoch] = value
        view.seconds += float(metrics.get("train/seconds", 0.0))
        view.best = self.plan.value(view.values)
        # The run's value so far, not the epoch's: so ASHA, Optuna's rules and its sampler compare what decides.
        self._study.trial(number).report(value if math.isnan(value) else view.best, epoch)
        self._keeping.write_best(self.ranked())
        folder.drop_checkpoints(keep=2)


def _plain(value: float) -> float | None:
    """JSON knows no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)
