"""What a search may cost, and what it has cost: the run folder's budget.yaml and spend.json.

search.yaml says what was asked at the start; budget.yaml holds what `geotune budget` changed since, by any process
and at any time. spend.json is written by the search every few seconds, so a `kill -9` loses no more than those.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from geotune.config import Flat, build, dump_yaml, flatten, load_yaml
from geotune.record.folder import RunFolder, read_json, write_atomic
from geotune.record.plan import Plan
from geotune.record.space_file import BudgetSettings

Limit = Literal["time", "gpu_hours"]
"""The limits that a search reaches while trials run; the number of trials is known beforehand."""
LIMITS: tuple[Limit, ...] = get_args(Limit)
NONE = "none"
"""The word for a limit that is taken away."""


@dataclass(frozen=True)
class Spend:
    """What a search has cost so far; times of this process and of all before it that worked on the run."""

    seconds: float = 0.0
    """Wall-clock seconds, the final training included; suspended time is none."""
    gpu_hours: float = 0.0
    """Hours of the GPUs, or fractions of them, that its trainings held."""
    slots: int = 0
    """Trials that run at once; 0 where that is not known."""
    left_seconds: float = math.nan
    """Forecast, when this was written, of the seconds to the end, the final training included; NaN where unknown."""
    final_seconds: float = 0.0
    """Forecast of the full training, for which time is kept."""
    written: float = 0.0
    """Unix seconds."""

    @property
    def gpu_seconds(self) -> float:
        return self.gpu_hours * 3600.0


def asked_limits(plan: Plan) -> BudgetSettings:
    """What the search was begun with."""
    settings = plan.settings
    return BudgetSettings.model_construct(trials=plan.trials, time=settings.time, gpu_hours=settings.gpu_hours)


def read_limits(run: RunFolder, plan: Plan) -> BudgetSettings:
    """The limits that hold now; SettingsError where somebody edited budget.yaml and it cannot be read."""
    if not run.budget_yaml.is_file():
        return asked_limits(plan)
    return changed(asked_limits(plan), load_yaml(run.budget_yaml), str(run.budget_yaml))


def changed(limits: BudgetSettings, words: Mapping[str, Any], source: str = "") -> BudgetSettings:
    """The limits with `words` over them, as `{"trials": 80, "time": "none"}`; SettingsError with all their faults."""
    own = {key: value for key, value in flatten(limits).items() if value is not None}
    gone = {key for key, value in words.items() if key in LIMITS and value in (NONE, None)}
    return build(BudgetSettings, {key: value for key, value in (own | dict(words)).items() if key not in gone}, source)


def write_limits(run: RunFolder, words: Flat) -> None:
    """Add checked words to budget.yaml; a search that runs reads them within a second."""
    before = dict(load_yaml(run.budget_yaml)) if run.budget_yaml.is_file() else {}
    write_atomic(run.budget_yaml, dump_yaml(before | {k: NONE if v is None else v for k, v in words.items()}))


def read_spend(run: RunFolder) -> Spend:
    """What has been spent; nothing where no search has run here yet."""
    stored = read_json(run.spend_json)
    known = {field.name: stored[field.name] for field in fields(Spend) if stored.get(field.name) is not None}
    return replace(Spend(), **known)


def write_spend(run: RunFolder, spend: Spend) -> None:
    plain = {key: None if math.isnan(value) else value for key, value in asdict(spend).items()}
    write_atomic(run.spend_json, json.dumps(plain) + "\n")
