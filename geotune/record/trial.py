"""One trial as the record tells of it: what is to run, how it can end, what it has reached."""

import json
import math
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from geotune.config import Flat
from geotune.record.folder import TrialFolder
from geotune.record.outcome import FAILED, Outcome
from geotune.record.plan import Plan
from geotune.train.settings import TrainConfig

__all__ = ["FAILED", "STATES", "Assignment", "Decision", "Outcome", "TrialView", "view_of"]


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
    """What the display, the budget and the summary show of a trial."""

    number: int
    state: str
    drawn: Flat
    values: dict[int, float] = field(default_factory=dict)
    """The goal metric by epoch."""
    best: float = math.nan
    """What the trial has reached, by `train.selection`."""
    seconds: float = 0.0
    reason: str = ""


STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "stopped",
    TrialState.FAIL: "crashed",
    TrialState.RUNNING: "due",
}
"""Optuna's states of started trials. A trial that runs when a record is opened has lost its process: it is due."""


def view_of(trial: FrozenTrial, folder: TrialFolder, plan: Plan) -> TrialView:
    """A stored trial: its epochs as the study knows them, their own metrics as its folder tells them."""
    drawn = {p.key: p.decode(trial.params[p.key]) for p in plan.space.parameters if p.key in trial.params}
    outcome = json.loads(folder.outcome.read_text()) if folder.outcome.is_file() else {}
    told = {line["epoch"]: line["metrics"] for line in folder.epochs()}
    values = {e: _number(told[e].get(plan.goal)) if e in told else v for e, v in trial.intermediate_values.items()}
    return TrialView(
        number=trial.number,
        state="due" if trial.state is TrialState.RUNNING else outcome.get("state", STATES[trial.state]),
        drawn=drawn,
        values=values,
        best=plan.value(values),
        seconds=sum(float(metrics.get("train/seconds") or 0.0) for metrics in told.values()),
        reason=outcome.get("reason", ""),
    )


def _number(value: float | None) -> float:
    """JSON's word for a NaN is none."""
    return math.nan if value is None else float(value)
