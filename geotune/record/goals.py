"""`goal`: the metrics that a search goes by, each with its direction; the first of them leads."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from geotune.config import Flat, Settings, unknown
from geotune.errors import GeotuneError, SettingsError
from geotune.geo.metrics import Extent, larger_is_better, on_scale

Direction = Literal["minimize", "maximize"]
DIRECTIONS: tuple[Direction, ...] = ("minimize", "maximize")
COSTS = {"train/seconds": False, "train/peak_mb": False, "train/photos_per_second": True}
"""What else than an error may be a goal, after the first: whether more of it is better."""


@dataclass(frozen=True)
class Objective:
    """One goal: a metric of an epoch under its full name, as `valid/median_m`, and whether more of it is better."""

    metric: str
    maximize: bool

    @property
    def direction(self) -> Direction:
        return "maximize" if self.maximize else "minimize"


class Goal(Settings):
    """The metrics that the search goes by: `{minimize: valid/median}`, `{minimize: [valid/median, train/seconds]}`.

    With several goals a search looks for the best compromises; the first goal alone decides who is stopped early, and
    who wins. `goal: [{maximize: valid/within_25km}, {minimize: train/seconds}]` is another way to write them.
    """

    minimize: str | list[str] = ""
    """Validation metrics to make small, as `valid/median` (on the data's own scale); after the first also
    `train/seconds` (of an epoch) and `train/peak_mb`."""
    maximize: str | list[str] = ""
    """Validation metrics to make large, as `valid/within_25km`; after the first also `train/photos_per_second`."""
    lead: Direction | None = None
    """Of goals in both directions, those that come first. Default: those that are written first."""

    @property
    def all(self) -> list[tuple[Direction, str]]:
        """Every goal as it was written, the first one first."""
        order = DIRECTIONS if self.lead != "maximize" else DIRECTIONS[::-1]
        return [(side, metric) for side in order for metric in _listed(getattr(self, side))]


def spelt_out(flat: Flat) -> Flat:
    """The ways to write goals (a metric, a list of them, `minimize` and `maximize`) -> the settings of `Goal`."""
    written = {key: value for key, value in flat.items() if key == "goal" or key.startswith("goal.")}
    if not written:
        return flat
    rest = {key: value for key, value in flat.items() if key not in written}
    for entry in _listed(written.pop("goal", [])):
        found = entry if isinstance(entry, dict) else {_better(str(entry)): entry}
        for side, metrics in found.items():
            key = f"goal.{side}"
            written[key] = [*_listed(written.get(key)), *_listed(metrics)] if key in written else metrics
    sides = [key.removeprefix("goal.") for key in written if key.removeprefix("goal.") in DIRECTIONS]
    if len(sides) == len(DIRECTIONS):
        written.setdefault("goal.lead", sides[0])
    return rest | written


def objectives(goal: Goal, extent: Extent) -> tuple[Objective, ...]:
    """The goals under their full names on data of this extent; GeotuneError for a metric that it does not have."""
    return tuple(
        Objective(metric if metric in COSTS else on_scale(metric, extent), side == "maximize")
        for side, metric in goal.all
    )


def check(goal: Goal) -> None:
    """Raise SettingsError unless the goals are known metrics, each once, in the direction in which it is better."""
    problems = list(_problems(goal))
    if problems:
        raise SettingsError(problems)


def _problems(goal: Goal) -> Iterator[tuple[str, str]]:
    metrics = [metric for _, metric in goal.all]
    if not metrics:
        yield "goal", "expected minimize or maximize with a metric, as goal.minimize=valid/median"
    for number, (side, metric) in enumerate(goal.all):
        if metric in COSTS and number > 0:
            better = COSTS[metric]
        elif metric.startswith("valid/") and not metric.startswith("valid/loss"):
            better = larger_is_better(metric)
            if fault := _unknown(metric):
                yield "goal", fault
                continue
        else:
            yield "goal", _unfit(metric, first=number == 0)
            continue
        if better != (side == "maximize"):
            right = "maximize" if side == "minimize" else "minimize"
            yield "goal", f"{metric} is better the other way; did you mean goal.{right}={metric}?"
        if metric in metrics[:number]:
            yield "goal", f"{metric} is named twice"


def _unfit(metric: str, first: bool) -> str:
    if first:
        mend = " as the first goal" if metric in COSTS else ""
        return f"expected an error on the validation photos{mend}, as valid/median; got {metric}"
    problem = unknown(metric, COSTS).partition("; ")[2]
    others = ", ".join(COSTS)
    return f"expected an error on the validation photos, or {others}; got {metric}" + (
        f"; {problem}" if problem else ""
    )


def _unknown(metric: str) -> str:
    """What is wrong with a metric of the validation photos that no data has; empty where some have it."""
    faults: list[str] = []
    extents: tuple[Extent, ...] = ("region", "world")
    for extent in extents:
        try:
            on_scale(metric, extent)
        except GeotuneError as error:
            faults.append(error.problem)
    return faults[0] if len(faults) == len(extents) else ""


def _better(metric: str) -> Direction:
    return "maximize" if COSTS.get(metric, larger_is_better(metric)) else "minimize"


def _listed(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]
