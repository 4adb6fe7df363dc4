"""How far a search is: what its trials hold of the GPUs now, and how long it will take to its end."""

import math
from collections.abc import Sequence
from statistics import fmean

from geotune.record.record import Record
from geotune.record.trial import TrialView
from geotune.search.budget import Clock
from geotune.search.machine import Shape


def left_seconds(
    ended: Sequence[float], running: Sequence[float], unstarted: int, slots: int, for_trials: float, final: float
) -> float:
    """Forecast of the seconds to the end of a search; NaN until a trial has ended.

    Args:
        ended: slot-seconds that each ended trial took, the stopped ones as well: so many will be stopped again.
        running: slot-seconds that each running trial has taken.
        unstarted: trials that are still to be begun.
        slots: trials at once.
        for_trials: seconds that the budget leaves to them; may be infinite.
        final: seconds of the full training.
    """
    if not ended:
        return math.nan
    mean = fmean(ended)
    rests = [max(mean - seconds, 0.0) for seconds in running]
    work = mean * unstarted + sum(rests)
    trials = max(work / max(1, slots), max(rests, default=0.0))
    return min(trials, max(0.0, for_trials)) + final


class Progress:
    """Follows an open record; slot-seconds count from its making, to know what a trial costs beside its epochs."""

    def __init__(self, record: Record, clock: Clock, slots: int) -> None:
        self._record, self._clock, self._slots = record, clock, slots
        self._begun: set[int] = set()
        self._held: dict[int, float] = {}  # trial -> GPUs that it got: those from before packing=auto keep theirs
        self._spent, self._trained = clock.spent, _trained(record.trials())

    def running(self) -> list[TrialView]:
        """The trials whose training has begun: of those that are issued, some may wait for a slot."""
        running = [view for view in self._record.trials() if view.state == "running"]
        self._begun &= {view.number for view in running}
        self._begun |= {
            view.number
            for view in running
            if view.number not in self._begun and self._record.run.trial(view.number).progress.exists()
        }
        return [view for view in running if view.number in self._begun]

    def gpus(self, one: Shape) -> float:
        """GPUs, or fractions, that the trials hold: each what `one` said when it was first seen."""
        if not one.gpus:
            return 0.0
        held = {view.number: self._held.get(view.number, one.gpus) for view in self.running()}
        self._held = held
        return sum(held.values())

    def left_seconds(self, trials: int, final: float) -> float:
        """Forecast of the seconds to the end: so many trials at the most, and `final` seconds of full training."""
        views = self._record.trials()
        running = self.running()
        self._slots = max(self._slots, len(running))
        dearer = self._overhead(views)
        ended = [dearer * view.seconds for view in views if view.state not in ("running", "due")]
        begun = [dearer * view.seconds for view in views if view.state in ("running", "due")]
        for_trials, _ = self._clock.for_trials()
        return left_seconds(ended, begun, max(0, trials - len(views)), self._slots, for_trials, final)

    @property
    def slots(self) -> int:
        """Trials at once, as far as is known."""
        return self._slots

    def _overhead(self, views: Sequence[TrialView]) -> float:
        """Slot-seconds a second of training, from 1 to 3; 1 while little has been trained."""
        trained = _trained(views) - self._trained
        passed = (self._clock.spent - self._spent) * max(1, self._slots)
        return min(3.0, max(1.0, passed / trained)) if trained > 1.0 else 1.0


def _trained(views: Sequence[TrialView]) -> float:
    return sum(view.seconds for view in views)
