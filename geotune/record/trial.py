"""One trial as the record tells of it: what is to run, how it can end, what it has reached."""

import json
import math
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from geotune.config import Flat
from geotune.record.folder import TrialFolder
from geotune.record.space import Space
from geotune.train.settings import TrainConfig


class Outcome(StrEnum):
    """How an attempt at a trial ended."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    INFEASIBLE = "infeasible"
    CRASHED = "crashed"


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
    best: float = math.nan
    seconds: float = 0.0
    reason: str = ""


FAILED = (Outcome.DIVERGED, Outcome.INFEASIBLE, Outcome.CRASHED)
"""Endings after which the same settings, trained for longer, are not to be expected to do well."""

STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "stopped",
    TrialState.FAIL: "crashed",
    TrialState.RUNNING: "due",
}
"""Optuna's states of started trials. A trial that runs when a record is opened has lost its process: it is due."""


def view_of(trial: FrozenTrial, folder: TrialFolder, space: Space, sign: float) -> TrialView:
    """A stored trial; `sign` is -1 where the goal is maximised."""
    drawn = {p.key: p.decode(trial.params[p.key]) for p in space.parameters if p.key in trial.params}
    outcome = json.loads(folder.outcome.read_text()) if folder.outcome.is_file() else {}
    values = [v for v in trial.intermediate_values.values() if not math.isnan(v)]
    return TrialView(
        number=trial.number,
        state="due" if trial.state is TrialState.RUNNING else outcome.get("state", STATES[trial.state]),
        drawn=drawn,
        values=dict(trial.intermediate_values),
        best=sign * min((sign * v for v in values), default=math.nan),
        seconds=sum(float(line["metrics"].get("train/seconds") or 0.0) for line in folder.epochs()),
        reason=outcome.get("reason", ""),
    )
