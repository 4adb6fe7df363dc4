"""The trials of a search as they stand, and their order, best first, kept up to date trial by trial."""

import bisect
import math
from collections.abc import Iterator, Sequence

from geotune.record.goals import Objective
from geotune.record.outcome import FAILED, Outcome
from geotune.record.pareto import front
from geotune.record.trial import TrialView

Key = tuple[bool, bool, float, int]


class Ranking:
    """Trials by their value of the first goal, stopped and running ones included.

    One that failed in the end comes after all that did not: its settings would fail in the full training too. Of
    either, those that keep every limit of `where` come first. A trial without a value has no place.
    """

    def __init__(self, goals: Sequence[Objective]) -> None:
        self._signs = [-1.0 if goal.maximize else 1.0 for goal in goals]
        self._views: dict[int, TrialView] = {}
        self._keys: dict[int, Key] = {}
        self._sorted: list[Key] = []

    def put(self, view: TrialView) -> None:
        """Give a trial the place that it now has; new ones come in the order of their numbers."""
        self._views[view.number] = view
        old = self._keys.pop(view.number, None)
        if old is not None:
            del self._sorted[bisect.bisect_left(self._sorted, old)]
        if not math.isnan(view.best):
            key = (view.state in FAILED, bool(view.breaks), self._signs[0] * view.best, view.number)
            self._keys[view.number] = key
            bisect.insort(self._sorted, key)

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, number: int) -> TrialView:
        return self._views[number]

    def __iter__(self) -> Iterator[TrialView]:
        """Best first."""
        return (self._views[number] for *_, number in self._sorted)

    @property
    def best(self) -> TrialView | None:
        return next(iter(self), None)

    def by_number(self) -> list[TrialView]:
        """Every trial."""
        return list(self._views.values())

    def front(self) -> list[TrialView]:
        """The complete trials that keep `where` and that no other one beats in every goal; by the first goal.

        Stopped ones are left out: with less training they would win each goal that is a cost.
        """
        views = [view for view in self if self._whole(view)]
        return [views[row] for row in front([self._point(view) for view in views])] if views else []

    def _point(self, view: TrialView) -> tuple[float, ...]:
        return tuple(sign * value for sign, value in zip(self._signs, view.objectives, strict=True))

    def _whole(self, view: TrialView) -> bool:
        known = len(view.objectives) == len(self._signs) and not any(map(math.isnan, view.objectives))
        return view.state == Outcome.COMPLETE and not view.breaks and known
