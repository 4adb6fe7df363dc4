"""The clock of a search: what it has spent, and until when trials may run so that the final training still fits."""

import math
import threading
import time
from collections.abc import Callable
from typing import Literal

from geotune.record.budget import LIMITS, Limit, Spend
from geotune.record.space_file import BudgetSettings

LONGEST_TICK_SECONDS = 5.0
"""More than so long between two ticks, and the process was suspended (a sleeping laptop, SIGSTOP): that costs nothing.

Linux stops the monotonic clock while a machine sleeps, other systems do not; none stops it for a stopped process.
"""
MOST_FOR_FINAL = 0.4
"""The share of a limit that is kept for the final training at the most."""
UNLIMITED = BudgetSettings()
NOTHING = Spend()


class Clock:
    """Adds up seconds and GPU seconds from tick to tick, on top of what earlier processes spent on the run.

    Thread-safe. Without a limit it never runs out; what is spent is counted all the same.
    """

    def __init__(
        self,
        limits: BudgetSettings = UNLIMITED,
        before: Spend = NOTHING,
        *,
        now: Callable[[], float] = time.monotonic,
        longest_tick: float = LONGEST_TICK_SECONDS,
    ) -> None:
        self.limits = limits
        """May be replaced at any time by others."""
        self.gpus: Callable[[], float] = lambda: 0.0
        """How many GPUs, or fractions, the search's trainings hold now."""
        self.slots = before.slots
        """Trials that run at once."""
        self.left_seconds = math.nan
        """Forecast of the seconds to the end; NaN where unknown."""
        self._final_seconds, self._final_gpus = before.final_seconds, 1.0
        self._now, self._longest, self._last = now, longest_tick, now()
        self._seconds, self._gpu_seconds = before.seconds, before.gpu_seconds
        self._lock = threading.Lock()

    def tick(self) -> None:
        """Count what has passed since the last tick."""
        gpus = self.gpus()  # outside the lock: it asks the record, which may be asking this clock
        with self._lock:
            now = self._now()
            passed = min(max(0.0, now - self._last), self._longest)
            self._last = now
            self._seconds += passed
            self._gpu_seconds += passed * gpus

    @property
    def spent(self) -> float:
        """Seconds so far, of all processes that worked on the run."""
        self.tick()
        return self._seconds

    @property
    def spend(self) -> Spend:
        """All that is spent so far, and the forecast of the rest."""
        return Spend(
            seconds=self.spent,
            gpu_hours=self._gpu_seconds / 3600.0,
            slots=self.slots,
            left_seconds=self.left_seconds,
            final_seconds=self._final_seconds,
            written=time.time(),
        )

    @property
    def left(self) -> float:
        """Seconds left of the whole time limit; infinite without one."""
        return math.inf if self.limits.time is None else self.limits.time - self.spent

    def keep(self, final_seconds: float, gpus: float) -> None:
        """Keep time for a final training of so many seconds on so many GPUs; of each limit at most MOST_FOR_FINAL."""
        self._final_seconds, self._final_gpus = final_seconds, gpus

    def for_trials(self, gpus: float = 0.0) -> tuple[float, Limit]:
        """Seconds that trials may still run while they hold so many GPUs (at least those held now); the first limit."""
        left = self._left()
        rate = max(gpus, self.gpus())
        seconds = {
            "time": left["time"] - self._kept("time"),
            "gpu_hours": (left["gpu_hours"] - self._kept("gpu_hours")) / rate if rate else math.inf,
        }
        first = min(LIMITS, key=seconds.__getitem__)
        return seconds[first], first

    def too_late(self, seconds: float, gpus: float = 0.0) -> Limit | Literal[""]:
        """Which limit leaves trials less than so many seconds, or empty."""
        left, first = self.for_trials(gpus)
        return first if left <= seconds else ""

    def for_final(self) -> float:
        """Seconds that the final training may take.

        An interruption or a lowered budget may have used up what was kept for it: then it has that anew, since a model
        trained for one epoch helps nobody.
        """
        left = self._left()
        seconds = {
            key: max(left[key], self._kept(key)) if left[key] < self._kept(key) / 2 else left[key] for key in LIMITS
        }
        return min(seconds["time"], seconds["gpu_hours"] / self._final_gpus if self._final_gpus else math.inf)

    def _left(self) -> dict[Limit, float]:
        """What is left of each limit, in seconds and in GPU seconds."""
        self.tick()
        hours = self.limits.gpu_hours
        gpu_seconds = math.inf if hours is None else hours * 3600.0 - self._gpu_seconds
        return {"time": self.left, "gpu_hours": gpu_seconds}

    def _kept(self, key: Limit) -> float:
        """What of a limit is kept for the final training, in its unit; 0 of none."""
        if key == "time":
            return min(self._final_seconds, MOST_FOR_FINAL * self.limits.time) if self.limits.time else 0.0
        hours = self.limits.gpu_hours
        return min(self._final_seconds * self._final_gpus, MOST_FOR_FINAL * hours * 3600.0) if hours else 0.0


def final_seconds(epoch_seconds: float, epochs: int, start_seconds: float = 15.0) -> float:
    """Forecast of the full training: a fifth more than its epochs took in the search, plus loading and the test."""
    return start_seconds + 1.2 * epoch_seconds * epochs
