"""A search space: which settings are searched over which ranges, read from a YAML file and checked as a whole."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import optuna

from geotune.config import Flat, applicable, build, flatten, settings_of, unknown
from geotune.errors import SettingsError
from geotune.record.goals import Goal
from geotune.record.grid import count
from geotune.record.impossible import impossible, unusable
from geotune.record.parameter import Parameter
from geotune.record.space_file import BudgetSettings, SpaceFile, read_file
from geotune.record.spellings import spelt
from geotune.record.winner import misplaced
from geotune.train.settings import TrainConfig

__all__ = ["BudgetSettings", "Goal", "Space", "SpaceFile"]

MEASURES = ("train.select", "train.selection")
"""Settings that say how good a trial is."""


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
        """As `checked`; SettingsError with all faults."""
        space, problems = cls.checked(name, tree, pins)
        if problems:
            raise SettingsError(problems, source)
        return space

    @classmethod
    def checked(cls, name: str, tree: Mapping[str, Any], pins: Flat) -> tuple["Space", list[tuple[str, str]]]:
        """What a space file's mapping gives, and what is wrong with it; what is at fault counts as not given.

        `pins` are dotted settings of the command line, which win.
        """
        file, problems = read_file(tree)
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
        problems += list(unusable(space, pins)) or list(impossible(space))
        first = []
        for number, point in enumerate(file.first, start=1):
            try:
                first.append(space._complete(flatten(point)))
            except ValueError as error:
                problems.append((f"first[{number}]", str(error)))
        return cls(name, file, tuple(parameters), fixed, tuple(first)), problems

    @property
    def size(self) -> float:
        """How many different configs there are, conditions left aside; infinite with a continuous range."""
        return math.prod(parameter.size for parameter in self.parameters)

    @cached_property
    def combinations(self) -> int:
        """How many different configs there are, conditions counted; of a space without ranges."""
        return count(self)

    def draw(self, trial: optuna.Trial) -> Flat:
        """The searched settings of a trial, drawn (or, for a trial drawn before, read) through Optuna."""
        drawn: Flat = {}
        for parameter in self.parameters:
            if self.applies(parameter, drawn):
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
    def full(self) -> Flat:
        known = {setting.key for setting in settings_of(TrainConfig)}
        return {key: value for key, value in flatten(self.file.full).items() if key in known}

    def applies(self, parameter: Parameter, drawn: Flat) -> bool:
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
            if self.applies(parameter, drawn):
                drawn[key] = point.get(key, self.fixed.get(key, defaults[key]))
                try:
                    parameter.encode(drawn[key])
                except ValueError as error:
                    default = "" if key in point else " (its default, since the point does not name it)"
                    raise ValueError(f"{key}: {error}{default}") from None
        return drawn


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
