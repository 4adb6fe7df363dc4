"""What a search keeps on disk of its trials' work: best.yaml, and the checkpoints that may still be wanted."""

import math
from collections.abc import Iterable
from itertools import islice

from geotune.record.folder import RunFolder, write_atomic
from geotune.record.outcome import Outcome
from geotune.record.plan import Plan
from geotune.record.trial import TrialView

CANDIDATES = 3
"""So many of the best trials are tried for the full training, one after another."""


class Keeping:
    """Follows the ranked trials: `ranked` is the record's order, best first, at the time of the call."""

    def __init__(self, run: RunFolder, plan: Plan, ranked: Iterable[TrialView]) -> None:
        self.run, self.plan = run, plan
        self._written = (-1, math.nan)  # the trial in best.yaml, and its value
        self._kept = self._candidates(ranked, CANDIDATES + 1)  # a kill may have come when the last was overtaken
        self.write_best(ranked)

    def write_best(self, ranked: Iterable[TrialView]) -> None:
        """Keep best.yaml current."""
        view = next(iter(ranked), None)
        if view is None or self._written == (view.number, view.best):
            return
        head = f"# Trial {view.number} of {self.run.name}: {self.plan.goal} {view.best:.6g}\n"
        write_atomic(self.run.best_yaml, head + self.run.trial(view.number).config.read_text(encoding="utf-8"))
        self._written = (view.number, view.best)

    def drop_checkpoints(self, ended: int, ranked: Iterable[TrialView]) -> None:
        """Of a trial that has just ended, and of those that it has overtaken; the candidates' newest stay."""
        candidates = self._candidates(ranked)
        for number in {ended} | self._kept - candidates:
            self.run.trial(number).drop_checkpoints(keep=int(number in candidates))
        self._kept = candidates

    def drop_kept(self) -> None:
        """The full training is done: delete the checkpoints that it could have begun with."""
        for number in self._kept:
            self.run.trial(number).drop_checkpoints()

    def _candidates(self, ranked: Iterable[TrialView], count: int = CANDIDATES) -> set[int]:
        """Trials that have ended and whose weights the full training may begin with."""
        if not self.plan.full_from_winner:
            return set()
        ended = (view.number for view in ranked if view.state in (Outcome.COMPLETE, Outcome.STOPPED))
        return set(islice(ended, count))
