"""Trials in simulated time: workers replay learning curves, and the record decides as it does for real ones.

For questions about a search that would take days to answer by training: which stopping rule, how many workers, how
fast is the record with 10,000 trials. A search of hours takes seconds.
"""

import heapq
import itertools
from collections.abc import Generator, Iterator

from geotune.errors import GeotuneError
from geotune.record.outcome import Outcome
from geotune.record.record import Record
from geotune.record.trial import Assignment, Decision
from geotune.search.executors.curves import Curves
from geotune.search.machine import Shape

Worker = Iterator[float | None]
"""Runs up to the next instant at which something happens to it, and gives that; None: once another trial has ended."""


class Simulated:
    """So many workers, and their clock. The record goes by it: `Record(run, now=simulated.now, background=False)`.

    A trial costs its worker the wait for the proposal, `start_seconds`, and the seconds of its epochs. Proposals are
    made one after another, each in the time that it really took, or in `proposal_seconds`. An attempt begins with its
    first epoch.
    """

    def __init__(
        self,
        curves: Curves,
        workers: int = 1,
        start_seconds: float = 0.0,
        *,
        proposal_seconds: float | None = None,
        began: float = 0.0,
    ) -> None:
        self.curves, self.workers, self.start_seconds = curves, workers, start_seconds
        self.proposal_seconds = proposal_seconds
        self.busy_seconds = 0.0
        """Seconds within epochs, of all workers together."""
        self.waits: list[float] = []
        """Of each new trial: seconds that its worker waited for the proposal."""
        self._now = self._issued = began
        self._ended = 0

    def now(self) -> float:
        """Simulated seconds; `began` at first."""
        return self._now

    def run(self, record: Record, one: Shape) -> None:
        """Run all that the record issues, whatever its shape; what happens at one instant, in the order of asking."""
        order = itertools.count()
        events: list[tuple[float, int, Worker]] = []
        idle = [self._worker(record) for _ in range(self.workers)]
        ended = -1
        while True:
            if ended != self._ended:  # one may be due again, or all be over
                ended, waited, idle = self._ended, idle, []
                for worker in waited:
                    self._go_on(worker, events, idle, order)
            if not events:
                return
            at, _, worker = heapq.heappop(events)
            self._now = at
            self._go_on(worker, events, idle, order)

    def _go_on(
        self, worker: Worker, events: list[tuple[float, int, Worker]], idle: list[Worker], order: Iterator[int]
    ) -> None:
        until = next(worker, "gone")
        if until is None:
            idle.append(worker)
        elif until != "gone":
            heapq.heappush(events, (float(until), next(order), worker))

    def _worker(self, record: Record) -> Worker:
        while not record.done:
            assignment = record.issue()
            if assignment is None:
                yield None
                continue
            yield self._ready(record, assignment) + self.start_seconds
            outcome, reason = yield from self._attempt(record, assignment)
            record.finish(assignment.number, assignment.attempt, outcome, reason)
            self._ended += 1

    def _ready(self, record: Record, assignment: Assignment) -> float:
        """When a worker that asks now has its trial: its proposal may have been begun before, but after all others."""
        if assignment.attempt > 1:  # proposed long ago
            return self._now
        proposed = record.proposed
        seconds = proposed.seconds if self.proposal_seconds is None else self.proposal_seconds
        self._issued = max(self._now, max(proposed.began, self._issued) + seconds)
        self.waits.append(self._issued - self._now)
        return self._issued

    def _attempt(self, record: Record, assignment: Assignment) -> Generator[float, None, tuple[Outcome, str]]:
        number, attempt = assignment.number, assignment.attempt
        curve = self.curves(assignment.config)
        for epoch, (seconds, metrics) in enumerate(zip(curve.seconds, curve.metrics, strict=True), start=1):
            yield self._now + seconds
            self.busy_seconds += seconds
            if record.report(number, attempt, epoch, metrics) is Decision.STOP:
                return Outcome.STOPPED, ""
        if curve.outcome is Outcome.STOPPED:
            problem = f"trial {number}: it is not recorded how it went on after epoch {len(curve.seconds)}"
            raise GeotuneError(problem, "replay it with the stopping rule that it was recorded with")
        return curve.outcome, curve.reason
