"""What the budget leaves to trials: whether an epoch more would end in time, and the first epoch of a new one."""

from collections import deque
from collections.abc import Callable
from statistics import median

RECENT = 20
"""So many of the latest epochs, of all trials, say how long one of a new trial takes."""


class Allowance:
    """Kept by the record, whose mutex guards it; the clock of the search sets the limits.

    Before any epoch is known, one is taken to end in time as long as any is left.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        """Seconds by the clock of the search: where suspended time is not spent, it makes no epoch longer either."""
        self.too_late: Callable[[float], str] = lambda seconds: ""
        """Which limit (`time`, `gpu_hours`) leaves trials less than so many seconds, or empty."""
        self._last: dict[int, float] = {}  # running trial -> when it was issued or last reported
        self._epoch: dict[int, float] = {}  # running trial -> seconds of its latest epoch, start-up left out
        self._epochs: deque[float] = deque(maxlen=RECENT)
        self._starts: deque[float] = deque(maxlen=RECENT)  # from the issue to the first epoch's end

    def issued(self, number: int) -> None:
        """A trial begins now, or goes on."""
        self._last[number] = self.now()
        self._epoch.pop(number, None)

    def reported(self, number: int) -> None:
        """A running trial has ended an epoch."""
        now = self.now()
        passed = now - self._last.get(number, now)
        if number in self._epoch:
            self._epoch[number] = passed
            self._epochs.append(passed)
        else:  # its start-up is in this one, and waiting for a free slot maybe
            self._epoch[number] = min([passed, *self._epochs])
            self._starts.append(passed)
        self._last[number] = now

    def ended(self, number: int) -> None:
        """A trial no longer runs."""
        self._last.pop(number, None)
        self._epoch.pop(number, None)

    def late(self, number: int, before: float) -> str:
        """Which limit would end before another epoch of a trial, or empty; `before`: seconds of its earlier epochs."""
        return self.too_late(self._epoch.get(number, before))

    def late_to_begin(self) -> str:
        """Which limit would end before the first epoch of a trial that begins now, or empty."""
        return self.too_late(max(median(self._epochs or [0.0]), min(self._starts, default=0.0)))
