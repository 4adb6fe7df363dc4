"""The clock of a search: when trials must end so that the final training still fits into `time=`."""

import time
from collections.abc import Callable


class Clock:
    """Counts monotonic time from the start of the command; without a limit it never runs out."""

    def __init__(self, limit_seconds: float | None, now: Callable[[], float] = time.monotonic) -> None:
        self.limit_seconds = limit_seconds
        self._now = now
        self._start = now()

    @property
    def spent(self) -> float:
        return self._now() - self._start

    @property
    def left(self) -> float:
        """Seconds left of the whole limit."""
        return float("inf") if self.limit_seconds is None else self.limit_seconds - self.spent

    def search_over(self, final_seconds: float) -> bool:
        """Whether the trials must end now, to leave the final training its time (at most 40 % of the whole)."""
        if self.limit_seconds is None:
            return False
        return self.left <= min(final_seconds, 0.4 * self.limit_seconds)


def final_seconds(epoch_seconds: float, epochs: int, start_seconds: float = 15.0) -> float:
    """Forecast of the full training: a fifth more than its epochs took in the search, plus loading and the test."""
    return start_seconds + 1.2 * epoch_seconds * epochs
