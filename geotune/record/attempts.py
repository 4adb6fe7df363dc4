"""Who runs which attempt at which trial, and which trials are due to be run again, from where they were."""

from geotune.record.trial import ATTEMPT, FRUITLESS
from geotune.record.trials import Trials

RETRIES = 2
"""A trial that crashed is run again so many times before it counts as failed."""


class Attempts:
    """Of the trials that have not ended. Those that were running when a run is opened have lost their process."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials
        self.live: dict[int, int] = {}
        """Trial number -> its attempt that is running now."""
        self.due: list[int] = sorted(trials.reported)
        self._began: dict[int, tuple[int, int]] = {}  # trial number -> where its attempt began

    def runs(self, number: int, attempt: int) -> bool:
        """Whether this is the attempt that is running; one that was given up may still talk."""
        return self.live.get(number) == attempt

    def begin(self, number: int, attempt: int) -> None:
        self.live[number], self._began[number] = attempt, self._reached(number)
        self._trials.show(number, "running")

    def again(self, number: int) -> tuple[int, int]:
        """A trial that was due, and its new attempt."""
        self.due.remove(number)
        attempt = self._trials.study.trial(number).user_attrs.get(ATTEMPT, 0) + 1
        self._trials.study.attribute(number, ATTEMPT, attempt)
        return number, attempt

    def make_due(self, number: int, reason: str = "") -> None:
        """An attempt is over, its trial is not."""
        del self.live[number]
        self._trials.show(number, "due", reason)
        self.due = sorted([*self.due, number])

    def end(self, number: int) -> None:
        """A trial is over."""
        self.live.pop(number, None)
        self.due = [other for other in self.due if other != number]

    def may_retry(self, number: int) -> bool:
        """Whether a trial whose attempt has failed is worth another one.

        After RETRIES attempts in a row that came no farther it is not: what kills a worker each time (the system's
        out-of-memory killer, say) would else be tried for ever. The last one starts anew, for what the others went on
        from may be what is wrong.
        """
        study = self._trials.study
        fruitful = self._reached(number) > self._began[number]
        fruitless = 0 if fruitful else study.trial(number).user_attrs.get(FRUITLESS, 0) + 1
        if fruitless > RETRIES:
            return False
        if fruitless == RETRIES:
            self._trials.run.trial(number).drop_checkpoints()
        study.attribute(number, FRUITLESS, fruitless)
        return True

    def _reached(self, number: int) -> tuple[int, int]:
        """The epoch that a trial is at, and its steps that are saved."""
        last = max(self._trials.reported[number].epochs, default=0)
        return max((last + 1, 0), self._trials.run.trial(number).within_epoch())
