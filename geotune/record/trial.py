"""One trial as the record tells of it: what is to run, how it can end, what it has reached."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from geotune.config import Flat
from geotune.record.folder import TrialFolder
from geotune.record.outcome import FAILED, Outcome
from geotune.record.plan import Plan
from geotune.record.reported import Reported
from geotune.train.settings import TrainConfig

__all__ = ["FAILED", "STATES", "Assignment", "Decision", "Outcome", "TrialView", "view_of"]

STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "stopped",
    TrialState.FAIL: "crashed",
    TrialState.RUNNING: "due",
}
"""Optuna's states of started trials. A trial that runs when a record is opened has lost its process: it is due."""
ATTEMPT, SEEN, FRUITLESS = "attempt", "seen", "fruitless"
"""Trial attributes: the attempt that was issued last; the journal's events that its proposal saw; attempts in a row
that came no farther."""
STOP = "stop"
"""Trial attribute: why its last epoch had it stopped; written with that epoch, so that no kill changes the decision."""
OUTCOME, REASON, SECONDS = "outcome", "reason", "seconds"
"""Trial attributes of one that has ended: how, why, and after how many seconds of training in all."""


class Decision(StrEnum):
    """The answer to a reported epoch."""

    GO_ON = "go on"
    STOP = "stop"


@dataclass(frozen=True)
class Assignment:
    """One attempt at one trial: what an executor is to run, and where."""

    number: int
    attempt: int
    config: TrainConfig
    workdir: Path
    resume_from: Path | None

    def checkpoint(self, epoch: int) -> Path:
        return self.workdir / "checkpoint" / f"{self.attempt}-{epoch}"


@dataclass
class TrialView:
    """What the display, the budget and the summary show of a trial; as it was when the record was asked."""

    number: int
    state: str
    drawn: Flat
    best: float = math.nan
    """What the trial has reached of the first goal, by `train.selection`."""
    objectives: tuple[float, ...] = ()
    """What it has reached of every goal; of several known when it is complete."""
    epochs: int = 0
    """Epochs that it has had."""
    seconds: float = 0.0
    """Seconds of training in all."""
    reason: str = ""
    breaks: tuple[str, ...] = ()
    """The limits of `where` that it does not keep, as `seconds_per_epoch < 60`."""
    read: Callable[[], dict[int, float]] = field(default=dict, repr=False, compare=False)

    @cached_property
    def values(self) -> dict[int, float]:
        """The first goal's metric by epoch; of a trial that has ended its folder is read, at the first asking."""
        return self.read()


def view_of(trial: FrozenTrial, folder: TrialFolder, plan: Plan) -> TrialView:
    """A trial that has ended, from the study alone."""
    attrs = trial.user_attrs
    reached = [value for value in trial.intermediate_values.values() if not math.isnan(value)]
    best = reached[-1] if reached else math.nan
    return TrialView(
        number=trial.number,
        state=attrs.get(OUTCOME, STATES[trial.state]),
        drawn=drawn_of(trial, plan),
        best=best,
        objectives=tuple(trial.values or (best,)),
        epochs=trial.last_step or 0,
        seconds=attrs.get(SECONDS, 0.0),
        reason=attrs.get(REASON, ""),
        breaks=tuple(name for limit in plan.where if trial.constraints.get(name := str(limit), 0.0) > 0),
        read=lambda: Reported.read(plan, trial, folder).values,
    )


def view_of_running(trial: FrozenTrial, reported: Reported, state: str, reason: str = "") -> TrialView:
    """A trial that has not ended, from what it has reported so far."""
    objectives = reported.objectives
    return TrialView(
        number=trial.number,
        state=state,
        drawn=drawn_of(trial, reported.plan),
        best=objectives[0],
        objectives=tuple(objectives),
        epochs=max(reported.epochs, default=0),
        seconds=reported.seconds,
        reason=reason,
        breaks=tuple(name for name, excess in reported.excess.items() if excess > 0),
        read=lambda: reported.values,
    )


def drawn_of(trial: FrozenTrial, plan: Plan) -> Flat:
    """The searched settings that a trial has."""
    return {p.key: p.decode(trial.params[p.key]) for p in plan.space.parameters if p.key in trial.params}
