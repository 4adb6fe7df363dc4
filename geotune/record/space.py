"""A search space: which settings are searched over which ranges, read from a YAML file and checked as a whole."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from pydantic import Field

from geotune.config import Duration, Flat, Settings, applicable, build, flatten, settings_of, unknown
from geotune.errors import SettingsError
from geotune.record.parameter import Parameter
from geotune.record.spellings import spelt, spelt_range
from geotune.record.stopping import StoppingSettings
from geotune.record.winner import misplaced
from geotune.train.settings import TrainConfig

MEASURES = ("train.select", "train.selection")
"""Settings that say how good a trial is."""


class Goal(Settings):
    """The metric that the search goes by; exactly one of the two."""

    minimize: str = ""
    """Validation metric to make small, as `valid/median` (on the data's own scale)."""
    maximize: str = ""
    """Validation metric to make large, as `valid/within_25km`."""

    @property
    def metric(self) -> str:
        return self.minimize or self.maximize


class BudgetSettings(Settings):
    """What a search may cost; whichever ends first."""

    trials: int = Field(64, ge=1)
    """Trials at the most."""
    time: Duration | None = None
    """Wall-clock time, the final training included, as in 20m or 8h."""


class SpaceFile(Settings):
    """The keys of a file in search_spaces/."""

    data: str = ""
    goal: Goal = Goal(minimize="valid/median")
    budget: BudgetSettings = BudgetSettings()
    sampler: Literal["tpe", "random"] = "tpe"
    stopping: StoppingSettings = StoppingSettings()
    base: dict[str, Any] = {}
    search: dict[str, Any] = {}
    first: list[dict[str, Any]] = []
    full: dict[str, Any] = {}


@dataclass(frozen=True)
class Space:
    """A checked space with the settings pinned on the command line taken out of it."""

    name: str
    file: SpaceFile
    parameters: tuple[Parameter, ...]
    fixed: Flat
    """Settings that every trial has: the file's base, then the pins."""
    first: tuple[Flat, ...]
    """Known-good points to try first, as drawn values; each names every searched setting that applies."""

    @classmethod
    def parse(cls, name: str, tree: Mapping[str, Any], pins: Flat, source: str = "") -> "Space":
        """Check the mapping of a space file; `pins` are dotted settings of the command line, which win."""
        file, problems = _read(tree)
        pins = {key: spelt(key, value) for key, value in pins.items()}
        known = {setting.key for setting in settings_of(TrainConfig)}
        base, full = flatten(file.base), flatten(file.full)
        for prefix, settings in (("", pins), ("base.", base), ("full.", full), ("search.", file.search)):
            problems += [(prefix + key, unknown(key, known)) for key in settings if key not in known]
        problems += [
            (f"search.{key}", "trials are compared by one measure: put it under base")
            for key in file.search
            if key in MEASURES
        ]
        fixed = {key: value for key, value in (base | pins).items() if key in known}
        parameters: list[Parameter] = []
        for key, spec in file.search.items():
            try:
                parameter = _resolve(Parameter.parse(key, spec), fixed, parameters, set(file.search))
            except ValueError as error:
                problems.append((f"search.{key}", str(error)))
                continue
            if parameter is not None and key not in pins and key in known:
                parameters.append(parameter)
        problems += misplaced(base, pins, file.search, full)
        if not file.search:
            problems.append(("search", "is empty; to train one config: geotune train KEY=VALUE"))
        space = cls(name, file, tuple(parameters), fixed, ())
        problems += list(space._unusable(pins)) or list(space._impossible())
        first = []
        for number, point in enumerate(file.first, start=1):
            try:
                first.append(space._complete(flatten(point)))
            except ValueError as error:
                problems.append((f"first[{number}]", str(error)))
        if problems:
            raise SettingsError(problems, source)
        return cls(name, file, tuple(parameters), fixed, tuple(first))

    @property
    def size(self) -> float:
        """How many different configs there are, conditions left aside; infinite with a continuous range."""
        return math.prod(parameter.size for parameter in self.parameters)

    def draw(self, trial: optuna.Trial) -> Flat:
        """The searched settings of a trial, drawn (or, for a trial drawn before, read) through Optuna."""
        drawn: Flat = {}
        for parameter in self.parameters:
            if self._applies(parameter, drawn):
                drawn[parameter.key] = parameter.draw(trial)
        return drawn

    def encode(self, drawn: Flat) -> Flat:
        """Drawn values as Optuna sees them, for `study.enqueue_trial`."""
        return {p.key: p.encode(drawn[p.key]) for p in self.parameters if p.key in drawn}

    def config(self, drawn: Flat, **words: Any) -> TrainConfig:
        """The whole config of a trial; `words` are the settings without a group (data, seed, device)."""
        return build(TrainConfig, applicable(TrainConfig, self.fixed | words | drawn))

    def possible(self, key: str) -> tuple[Any, ...]:
        """Every value that a setting can have in this space: its choices, or the one that all trials share."""
        for parameter in self.parameters:
            if parameter.key == key:
                return parameter.values
        defaults = {setting.key: setting.default for setting in settings_of(TrainConfig)}
        return (self.fixed.get(key, defaults.get(key)),)

    @property
    def _full(self) -> Flat:
        known = {setting.key for setting in settings_of(TrainConfig)}
        return {key: value for key, value in flatten(self.file.full).items() if key in known}

    def _applies(self, parameter: Parameter, drawn: Flat) -> bool:
        return all(drawn.get(parent, self.fixed.get(parent)) in values for parent, values in parameter.when.items())

    def _complete(self, point: Flat) -> Flat:
        """A first point with every applying setting: its own value, else the base's, else the setting's default."""
        keys = {parameter.key for parameter in self.parameters}
        stray = [key for key in point if key not in keys and key not in self.file.search]
        if stray:
            raise ValueError(f"{stray[0]} is not searched here; put it under base or search")
        defaults = {setting.key: setting.default for setting in settings_of(TrainConfig)}
        drawn: Flat = {}
        for parameter in self.parameters:
            key = parameter.key
            if self._applies(parameter, drawn):
                drawn[key] = point.get(key, self.fixed.get(key, defaults[key]))
                try:
                    parameter.encode(drawn[key])
                except ValueError as error:
                    default = "" if key in point else " (its default, since the point does not name it)"
                    raise ValueError(f"{key}: {error}{default}") from None
        return drawn

    def _unusable(self, pins: Flat) -> Iterator[tuple[str, str]]:
        """Fixed settings that no trial could have, or whose values no trial could take."""
        tag = "model.head.name"
        heads = self.possible(tag)
        for setting in settings_of(TrainConfig):
            if setting.key in pins and setting.owner and not set(heads) & set(setting.owner.split(", ")):
                yield setting.key, f"only {setting.owner} has it; this space has {', '.join(map(str, heads))}"
        seen: set[tuple[str, str]] = set()
        for head in heads:
            for prefix, settings in (("", {}), ("full.", self._full)):
                try:
                    self.config({tag: head} | settings)
                except SettingsError as error:
                    found = {(prefix + key, text) for key, text in error.problems} - seen
                    seen |= found | {("full." + key, text) for key, text in error.problems}
                    yield from sorted(found)

    def _impossible(self) -> Iterator[tuple[str, str]]:
        """Values in the ranges that the settings cannot take, each tried in a whole config."""
        for parameter in self.parameters:
            owners = next(s.owner for s in settings_of(TrainConfig) if s.key == parameter.key)
            tag = f"{parameter.key.rpartition('.')[0]}.name"
            if owners and parameter.key != tag:
                heads = parameter.when.get(tag, self.possible(tag))
                without = [head for head in heads if head not in owners.split(", ")]
                if without:
                    mend = f"add when: {{{tag}: [{owners}]}}"
                    yield f"search.{parameter.key}", f"{without[0]} has no such setting; {mend}"
                    continue
            for value in parameter.samples:
                context = {parent: values[0] for parent, values in parameter.when.items()}
                try:
                    self.config(context | {parameter.key: value})
                except SettingsError as error:
                    yield from ((f"search.{parameter.key}", text) for key, text in error.problems[:1])
                    break


def _read(tree: Mapping[str, Any]) -> tuple[SpaceFile, list[tuple[str, str]]]:
    """The file's keys, and what is wrong with them; a faulty one counts as not given, so that the rest is checked."""
    groups: dict[str, type] = {"base": dict, "search": dict, "first": list, "full": dict}
    problems: list[tuple[str, str]] = []
    try:
        words = build(SpaceFile, {key: value for key, value in tree.items() if key not in groups})
    except SettingsError as error:
        problems, words = list(error.problems), SpaceFile()
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


def _resolve(parameter: Parameter, fixed: Flat, above: list[Parameter], searched: set[str]) -> Parameter | None:
    """The parameter with its conditions on fixed settings settled; None where it can never apply under a pin."""
    open_conditions: dict[str, tuple[Any, ...]] = {}
    for parent, values in parameter.when.items():
        drawn = next((p for p in above if p.key == parent), None)
        if drawn is not None:
            never = [value for value in values if value not in drawn.values]
            if drawn.kind == "choice" and len(never) == len(values):
                raise ValueError(f"when: {parent} is never {never[0]!r}; its values are {list(drawn.values)}")
            open_conditions[parent] = values
        elif parent in fixed:
            if fixed[parent] not in values:
                if parent in searched:
                    return None
                raise ValueError(f"when: {parent} is always {fixed[parent]!r} here")
        elif parent in searched:
            raise ValueError(f"when: {parent} must stand above {parameter.key}")
        else:
            raise ValueError(f"when: {parent} is not searched here")
    return Parameter(parameter.key, parameter.kind, parameter.values, parameter.zero, open_conditions)
