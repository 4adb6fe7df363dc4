"""Proposals made ahead: while trials run, the next one's settings are found, so that a free slot need not wait."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from geotune.record.plan import Plan
from geotune.record.proposals import Proposer
from geotune.record.study import TrialStudy

AHEAD = 64
"""Up to so many trials a proposal is made when it is asked for: with few, what ended last counts. From then on each is
begun when the trial before it has been issued, and sees the study of that instant."""


@dataclass(frozen=True)
class Proposed:
    """How a proposal came about."""

    seen: int
    """Events of the journal that it saw."""
    began: float
    """When it was begun, by the record's clock: unix seconds, or simulated ones."""
    seconds: float
    """That it took in truth."""


class Ahead:
    """One proposal at a time, in a thread of its own; without `background` in the caller's."""

    def __init__(self, study: TrialStudy, plan: Plan, now: Callable[[], float], background: bool) -> None:
        self._study, self._now = study, now
        self._proposer = Proposer(plan)
        self._first = [plan.space.encode(point) for point in plan.space.first]
        self._pool = ThreadPoolExecutor(1, "proposal") if background else None
        self._number = -1  # the trial whose proposal was begun last
        self._future: Future[tuple[dict[str, Any], Proposed]] = Future()

    def prepare(self, number: int) -> None:
        """Begin the proposal of the next trial, where it does not depend on what comes until it is issued."""
        if number >= max(AHEAD, len(self._first)) and number != self._number:
            self._begin(number, self._study.before, self._study.seen_before)

    def take(self, number: int) -> tuple[dict[str, Any], Proposed]:
        """The parameters of the next trial as Optuna sees them: a known-good point of the space, or a proposal."""
        if number < len(self._first):
            return self._first[number], Proposed(self._study.seen, self._now(), 0.0)
        if number < AHEAD:
            self._begin(number, self._study.trials(), self._study.seen)
        else:
            self.prepare(number)
        return self._future.result()

    def close(self) -> None:
        """Take no further proposal; one that is being made is left to end by itself."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, number: int, trials: Sequence[FrozenTrial], seen: int) -> None:
        self._number, began = number, self._now()
        if self._pool is not None:
            self._future = self._pool.submit(self._make, number, trials, seen, began)
        else:
            self._future = Future()
            self._future.set_result(self._make(number, trials, seen, began))

    def _make(
        self, number: int, trials: Sequence[FrozenTrial], seen: int, began: float
    ) -> tuple[dict[str, Any], Proposed]:
        start = time.perf_counter()
        params = self._proposer.propose(number, trials)
        return params, Proposed(seen, began, time.perf_counter() - start)
