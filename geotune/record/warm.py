"""Trials of earlier searches as a run keeps them, in warm.jsonl: for its sampler to read, and for nothing else.

A copy, so that proposals stay what they were when the earlier run goes on or is removed.
"""

import json
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from geotune.record.folder import RunFolder, read_lines, whole_file
from geotune.record.parameter import Parameter
from geotune.record.thinning import CONSTRAINT

LONG_AGO = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)
"""Optuna wants a time of every trial; no sampler reads it."""


def warm_trial(
    params: dict[str, Any],
    parameters: Iterable[Parameter],
    *,
    state: TrialState,
    values: Sequence[float] | None,
    step: int | None,
    value: float,
    constraints: dict[str, float],
) -> FrozenTrial:
    """A trial that ended in some other search, in the terms of this one; `value` is that of its last epoch, `step`."""
    return FrozenTrial(
        number=-1,
        trial_id=-1,
        state=state,
        value=None,
        values=values,
        datetime_start=LONG_AGO,
        datetime_complete=LONG_AGO,
        params=params,
        distributions={parameter.key: parameter.distribution for parameter in parameters if parameter.key in params},
        user_attrs={},
        system_attrs={CONSTRAINT + name: excess for name, excess in constraints.items()},
        intermediate_values={} if step is None else {step: value},
    )


def write_warm(run: RunFolder, trials: Sequence[FrozenTrial]) -> None:
    with whole_file(run.warm) as file:
        for trial in trials:
            step = trial.last_step
            value = math.nan if step is None else trial.intermediate_values[step]
            line = {
                "params": trial.params,
                "state": trial.state.name,
                "values": trial.values,
                "step": step,
                "value": None if math.isnan(value) else value,
                "constraints": trial.constraints,
            }
            file.write(json.dumps(line, separators=(",", ":")) + "\n")


def read_warm(run: RunFolder, parameters: Sequence[Parameter]) -> tuple[FrozenTrial, ...]:
    """The earlier trials, the oldest first; none where the search began without."""
    found = [
        warm_trial(
            line["params"],
            parameters,
            state=TrialState[line["state"]],
            values=line["values"],
            step=line["step"],
            value=math.nan if line["value"] is None else line["value"],
            constraints=line["constraints"],
        )
        for line in read_lines(run.warm)
    ]
    return numbered(found)


def numbered(trials: Sequence[FrozenTrial]) -> tuple[FrozenTrial, ...]:
    """The trials with the numbers -n to -1, before those of any search."""
    for place, trial in enumerate(trials):
        trial.number = place - len(trials)
    return tuple(trials)
