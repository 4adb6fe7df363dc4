"""The record of a search: it issues trials, takes epochs, decides who stops, and knows after any kill what is due.

The Optuna study in the run folder's journal is the only state. Executors run what `issue` gives and do what `report`
answers; none of them decides anything. A proposal sees what the study was at an instant that the journal tells, so the
same record gives the same proposal.
"""

import threading
import time
from collections.abc import Callable, Mapping

from geotune.record.ahead import Ahead, Proposed
from geotune.record.allowance import Allowance
from geotune.record.attempts import Attempts
from geotune.record.folder import RunFolder
from geotune.record.keeping import CANDIDATES
from geotune.record.plan import Plan
from geotune.record.readable import Readable
from geotune.record.study import TrialStudy
from geotune.record.trial import ATTEMPT, SEEN, Assignment, Decision, Outcome
from geotune.record.trials import Trials

__all__ = ["CANDIDATES", "Record"]


class Record(Readable):
    """Open for one driver until `close()`. Thread-safe: Ray's callbacks and the display come from several threads.

    Args:
        now: unix seconds for what is written, or the clock of a simulated search.
        background: whether proposals are prepared in a thread of their own, or in the caller's.
    """

    def __init__(self, run: RunFolder, *, now: Callable[[], float] = time.time, background: bool = True) -> None:
        self.run = run
        self.plan = Plan.read(run)
        self.space = self.plan.space
        self.proposed = Proposed(0, now(), 0.0)
        """How the proposal that was issued last came about."""
        self._study = TrialStudy(run, self.plan)
        self.study = self._study.study
        self.ending = self._study.ended
        """Why no further trial is issued (`time` for good, `interrupted` until it is opened again), or empty."""
        self.allowance = Allowance(now)
        self._paused: set[int] = set()  # told to stop although nothing speaks against them
        self._ahead = Ahead(self._study, self.plan, now, background)
        try:
            self._trials = Trials(run, self.plan, self._study, now)
        except BaseException:
            self._study.close()
            raise
        super().__init__(threading.RLock(), self._trials.ranking)
        self._attempts = Attempts(self._trials)
        self._epochs: dict[int, int] = {}  # trial number -> epochs that it is to have
        self._limit = self.plan.trials

    # ------------------------------------------------------------------------------ what executors call

    def issue(self) -> Assignment | None:
        """The next attempt to run: a trial that was lost first, else a new one; None when nothing is due (now)."""
        with self._mutex:
            if self.ending:
                return None
            self._stop_overdue()
            due = next((due for due in self._attempts.due if not self._late(due)), None)
            if due is not None:
                number, attempt = self._attempts.again(due)
            elif self._left and not self.allowance.late_to_begin():
                number, attempt = self._new(), 1
            else:
                if not self._attempts.live and (limit := self._too_late()):
                    self.end(limit)
                return None
            self._paused.discard(number)
            assignment = self._trials.assignment(number, attempt)
            self._epochs[number] = assignment.config.train.epochs
            self._attempts.begin(number, attempt)
            self.allowance.issued(number)
            if self._left:
                self._ahead.prepare(self._study.count)
            return assignment

    def report(self, number: int, attempt: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        """Take an epoch's metrics and decide. A stale attempt is told to stop.

        An epoch seen before changes nothing: a run that goes on tells all of its history again, where the record may
        lack the end of it.
        """
        with self._mutex:
            if not self._attempts.runs(number, attempt):
                return Decision.STOP
            known, last = self._trials.reported[number].epochs, epoch >= self._epochs[number]
            if epoch not in known:
                self._trials.take(number, epoch, metrics, decide=not last)
                self.allowance.reported(number)
            if last:  # trained to its end: nothing is left to stop
                return Decision.GO_ON
            if epoch == max(known) and self._trials.why_stopped(number):
                return Decision.STOP
            if self.ending or self._late(number):
                self._paused.add(number)  # it goes on from there when the search is resumed, or has more to spend
                return Decision.STOP
            return Decision.GO_ON

    def finish(self, number: int, attempt: int, outcome: Outcome, reason: str = "") -> None:
        """End an attempt. A crash makes the trial due again until its retries are used up."""
        with self._mutex:
            if not self._attempts.runs(number, attempt):
                return
            if outcome is Outcome.STOPPED and number in self._paused:
                self._attempts.make_due(number)
            elif outcome is Outcome.CRASHED:
                self.lost(number, attempt, reason)
            else:
                self._close(number, outcome, reason)

    def lost(self, number: int, attempt: int, reason: str = "its worker died") -> None:
        """An attempt crashed, or its process or node is gone: the trial is due again, from its last checkpoint."""
        with self._mutex:
            if not self._attempts.runs(number, attempt):
                return
            if self._attempts.may_retry(number):
                self._attempts.make_due(number, reason)
            else:
                self._close(number, Outcome.CRASHED, reason)

    def give_back(self, number: int | None = None) -> None:
        """Make one trial, or all that run, due again: it was interrupted, or could not run there. Nobody's fault."""
        with self._mutex:
            for live in list(self._attempts.live):
                if number in (None, live):
                    self._attempts.make_due(live)

    # ------------------------------------------------------------------------------ the budget

    def end(self, why: str) -> None:
        """Issue nothing more; running trials stop after their current epoch. Only `interrupted` is not for good."""
        with self._mutex:
            if not self.ending and why != "interrupted":
                self._study.ended = why
            self.ending = self.ending or why

    def open_budget(self, limit: int) -> None:
        """While no executor runs: what a limit had ended goes on where it has room; up to so many trials in all."""
        with self._mutex:
            self._limit = min(limit, self.plan.most or limit)
            if self._study.ended and not self._too_late():
                self._study.ended = self.ending = ""

    def limit_trials(self, limit: int) -> None:
        """While an executor runs: let so many trials be issued in all; those that there are stay.

        What is done stays so: an executor that has seen it is on its way out.
        """
        with self._mutex:
            if not self.done:
                self._limit = min(limit, self.plan.most or limit)

    def settle(self, why: str) -> None:
        """Nothing will go on any more: end the trials that are due, as stopped."""
        with self._mutex:
            for number in list(self._attempts.due):
                self._close(number, Outcome.STOPPED, why)

    @property
    def limit(self) -> int:
        """Trials at the most."""
        return self._limit

    @property
    def done(self) -> bool:
        """Whether nothing runs and nothing will."""
        with self._mutex:
            return not self._attempts.live and bool(self.ending or not (self._attempts.due or self._left))

    def drop_kept(self) -> None:
        """The full training is done: delete the checkpoints that it could have begun with."""
        self._trials.drop_kept()

    def close(self) -> None:
        """Let another driver open the run."""
        self._ahead.close()
        self._study.close()

    # ------------------------------------------------------------------------------ inside

    @property
    def _left(self) -> bool:
        """Whether the budget has a new trial left."""
        return len(self._ranking) < self._limit

    def _new(self) -> int:
        """Begin a new trial."""
        params, self.proposed = self._ahead.take(self._study.count)
        return self._trials.begin(params, {ATTEMPT: 1, SEEN: self.proposed.seen})

    def _late(self, number: int) -> str:
        """Which limit of the budget would end before another epoch of a trial, or empty."""
        reported = self._trials.reported[number]
        return self.allowance.late(number, reported.seconds / max(1, len(reported.epochs)))

    def _too_late(self) -> str:
        """Which limit leaves an epoch to no trial that waits, due or new; empty where one has it, or none waits."""
        told = [self._late(due) for due in self._attempts.due]
        told += [self.allowance.late_to_begin()] if self._left else []
        return told[0] if told and all(told) else ""

    def _stop_overdue(self) -> None:
        """End due trials that were told to stop, and died before that could be recorded."""
        for number in filter(self._trials.why_stopped, list(self._attempts.due)):
            self._close(number, Outcome.STOPPED, "")

    def _close(self, number: int, outcome: Outcome, reason: str) -> None:
        """A trial has ended, for good."""
        self._attempts.end(number)
        self.allowance.ended(number)
        self._trials.close(number, outcome, reason)
        if self._trials.hopeless:
            self.ending = self.ending or "crashed"
