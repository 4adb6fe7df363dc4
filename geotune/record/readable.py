"""What may be read of an open search, from any thread: its trials, their order, the best of them."""

import threading

from geotune.record.ranking import Ranking
from geotune.record.trial import TrialView


class Readable:
    """The reading half of a record, behind the mutex of the deciding half (geotune.record.record)."""

    def __init__(self, mutex: threading.RLock, ranking: Ranking) -> None:
        self._mutex, self._ranking = mutex, ranking

    def trials(self) -> list[TrialView]:
        """Every started trial, by number."""
        with self._mutex:
            return self._ranking.by_number()

    def ranked(self) -> list[TrialView]:
        """Trials by their value, stopped and running ones included (geotune.record.ranking)."""
        with self._mutex:
            return list(self._ranking)

    def best(self) -> TrialView | None:
        """The first of `ranked`."""
        with self._mutex:
            return self._ranking.best

    def front(self) -> list[TrialView]:
        """The best compromises between several goals (geotune.record.ranking)."""
        with self._mutex:
            return self._ranking.front()
