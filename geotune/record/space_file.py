"""The keys of a file in search_spaces/, read with every way to write them; a faulty key spoils none of the others."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from geotune.config import Duration, Flat, Settings, build, flatten
from geotune.errors import SettingsError
from geotune.record import goals, limits, stopping
from geotune.record.goals import Goal
from geotune.record.samplers import SamplerName
from geotune.record.spellings import spelt, spelt_range
from geotune.record.stopping import StoppingSettings


class BudgetSettings(Settings):
    """What a search may cost; whichever ends first."""

    trials: int | None = Field(None, ge=1)
    """Trials at the most. Default: 64; of a grid all its combinations."""
    time: Duration | None = Field(None, gt=0)
    """Wall-clock time, the final training included, as in 20m or 8h."""
    gpu_hours: float | None = Field(None, gt=0)
    """Hours of the GPUs that its trainings hold, the final training included: 2 GPUs for 3 hours are 6."""


class SpaceFile(Settings):
    """The keys of a file in search_spaces/."""

    data: str = ""
    goal: Goal = Goal(minimize="valid/median")
    budget: BudgetSettings = BudgetSettings()
    where: list[str] = []
    sampler: SamplerName = "tpe"
    stopping: StoppingSettings = StoppingSettings()
    base: dict[str, Any] = {}
    search: dict[str, Any] = {}
    first: list[dict[str, Any]] = []
    full: dict[str, Any] = {}


def spelt_words(flat: Flat) -> Flat:
    """The words of a search that can be written in several ways, as their settings store them."""
    return limits.spelt_out(goals.spelt_out(stopping.spelt_out(flat)))


def faults_of(*checks: Callable[[], object]) -> list[tuple[str, str]]:
    """Everything that several checks say, each of which may raise a SettingsError."""
    problems: list[tuple[str, str]] = []
    for check in checks:
        try:
            check()
        except SettingsError as error:
            problems += error.problems
    return problems


def read_file(tree: Mapping[str, Any]) -> tuple[SpaceFile, list[tuple[str, str]]]:
    """The file's keys, and what is wrong with them; a faulty one counts as not given, so that the rest is checked."""
    groups: dict[str, type] = {"base": dict, "search": dict, "first": list, "full": dict}
    problems: list[tuple[str, str]] = []
    flat = spelt_words(flatten({key: value for key, value in tree.items() if key not in groups}))
    try:
        words = build(SpaceFile, flat)
    except SettingsError as error:
        problems = list(error.problems)
        faulty = {key.partition(".")[0] for key, _ in problems}
        words = build(SpaceFile, {key: value for key, value in flat.items() if key.partition(".")[0] not in faulty})
    problems += faults_of(lambda: goals.check(words.goal), lambda: limits.limits(words.where))
    rest: dict[str, Any] = {}
    for key, wanted in groups.items():
        value: Any = tree.get(key) or wanted()
        if not isinstance(value, wanted):
            problems.append((key, f"expected a {'list' if wanted is list else 'mapping'}; got {value!r}"))
        elif isinstance(value, list) and not all(isinstance(point, dict) for point in value):
            problems.append((key, f"expected a list of mappings; got {value!r}"))
        else:
            rest[key] = value
    for key in ("base", "full"):
        rest[key] = {name: spelt(name, value) for name, value in flatten(rest.get(key, {})).items()}
    rest["first"] = [{k: spelt(k, value) for k, value in flatten(point).items()} for point in rest.get("first", [])]
    rest["search"] = {key: spelt_range(key, spec) for key, spec in rest.get("search", {}).items()}
    return words.model_copy(update=rest), problems
