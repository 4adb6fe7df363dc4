"""Plans of made-up spaces, and trials that ended in them as somebody says; nothing is trained."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from geotune.record.plan import Plan
from geotune.record.proposals import Proposer
from geotune.record.space import Space

DATA = {"path": "data", "extent": "world", "fingerprint": "f", "photos": {"train": 10}}
LONG_AGO = datetime(2020, 1, 1)
CHOICES: dict[str, Any] = {
    "model.head.name": {"choice": ["regression", "cells"]},
    "model.head.cells": {"choice": [32, 64, 128], "when": {"model.head.name": ["cells"]}},
    "model.frozen_layers": {"int": [0, 3]},
}
"""16 combinations: the cells count for one head only."""
PLAIN: dict[str, Any] = {
    "optim.lr": {"log": [1e-5, 1e-2]},
    "model.head.dropout": {"uniform": [0.0, 0.5]},
    "train.batch_size": {"pow2": [32, 512]},
}
"""No conditions."""


def plan_of(search: dict[str, Any], tree: dict[str, Any] | None = None, **asked: Any) -> Plan:
    """A plan of a space with these searched settings; `tree` adds keys of a space file, `asked` words of a search."""
    whole = {"base": {"train.epochs": 9}, "search": search, **(tree or {})}
    return Plan.make(asked, Space.parse("toy", whole, {}), whole, {}, DATA)


def ended(
    plan: Plan,
    number: int,
    params: dict[str, Any],
    values: list[float] | float,
    *,
    state: TrialState = TrialState.COMPLETE,
    epochs: int = 9,
    constraints: dict[str, float] | None = None,
) -> FrozenTrial:
    """A trial whose value was the same in all its epochs; a stopped or running one has it there only."""
    every = values if isinstance(values, list) else [values]
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=state,
        value=None,
        values=every if state is TrialState.COMPLETE else None,
        datetime_start=LONG_AGO,
        datetime_complete=None if state is TrialState.RUNNING else LONG_AGO,
        params=params,
        distributions={p.key: p.distribution for p in plan.space.parameters if p.key in params},
        user_attrs={},
        system_attrs={f"constraints:{name}": value for name, value in (constraints or {}).items()},
        intermediate_values=dict.fromkeys(range(1, epochs + 1), every[0]),
    )


def searched(plan: Plan, trials: int, value: Callable[[dict[str, Any]], list[float] | float]) -> list[FrozenTrial]:
    """So many trials in a row, each proposed from those before it and trained to its end."""
    proposer, found = Proposer(plan), list[FrozenTrial]()
    for number in range(trials):
        params = proposer.propose(number, found)
        found.append(ended(plan, number, params, value(params)))
    return found
