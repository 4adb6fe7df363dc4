"""Keeps a search within its budget while trials run: ends it in time, heeds a changed budget, forecasts its end."""

import math
import threading
from dataclasses import dataclass
from types import TracebackType

from geotune.record.budget import LIMITS
from geotune.record.record import Record
from geotune.record.space_file import BudgetSettings
from geotune.search.budget import Clock, final_seconds
from geotune.search.machine import Shape
from geotune.search.packing import shared
from geotune.search.progress import Progress


@dataclass(frozen=True)
class Reserve:
    """What is kept for the full training until a trial shows what it will really take."""

    seconds: float
    gpus: float = 0.0
    """GPUs that it will hold."""


class Steward:
    """Of one executor's run: from entering to leaving it the record's allowance and the clock's GPUs are its own."""

    def __init__(self, record: Record, clock: Clock, one: Shape, at_once: int, final: Reserve) -> None:
        self._record, self._clock, self._one, self._final = record, clock, one, final
        self._progress = Progress(record, clock, at_once)
        self._limits: BudgetSettings | None = None  # those that the record was told of
        self._mutex = threading.Lock()

    def __enter__(self) -> "Steward":
        self._clock.keep(self._final_forecast(), self._final.gpus)
        self._clock.gpus = lambda: self._progress.gpus(self._one)
        self._record.allowance.now = lambda: self._clock.spent
        self._record.allowance.too_late = lambda seconds: self._clock.too_late(seconds, self._one.gpus)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._record.allowance.too_late = lambda seconds: ""
        self._clock.tick()
        self._clock.gpus = lambda: 0.0
        self._clock.left_seconds = math.nan

    def look(self) -> None:
        """Heed the budget as it is now; to be called every half second or so."""
        with self._mutex:
            clock, record = self._clock, self._record
            self._one = shared(record.run, self._one)
            clock.keep(self._final_forecast(), self._final.gpus)
            if clock.limits is not self._limits:
                record.limit_trials(clock.limits.trials or record.plan.trials)
                self._limits = clock.limits
            if not record.ending and (limit := clock.too_late(0.0, self._one.gpus)):
                record.end(limit)
            clock.left_seconds = self._progress.left_seconds(record.limit, self._final_forecast())
            clock.slots = self._progress.slots

    def reopened(self) -> bool:
        """Whether there is more to run: asked when an executor has ended."""
        with self._mutex:
            return reopen(self._record, self._clock)

    def _final_forecast(self) -> float:
        """Seconds that the full training of the best trial so far would take, where its epochs tell it."""
        best = self._record.best()
        if best is None or not best.epochs or self._record.plan.full_is_other_work:
            return self._final.seconds
        epochs = self._record.plan.full_config(best.drawn).train.epochs
        return final_seconds(best.seconds / best.epochs, epochs)


def reopen(record: Record, clock: Clock) -> bool:
    """Whether trials are left to run once a budget that was changed is heeded; to be asked while no executor runs."""
    if record.ending not in ("", *LIMITS):
        return False
    if not (limit := clock.too_late(0.0)):
        record.open_budget(clock.limits.trials or record.plan.trials)
    elif not record.done:
        record.end(limit)
    return not record.done
