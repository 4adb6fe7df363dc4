"""Where each setting of a search comes from: default, space, known-good points, draws, or the command line."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from geotune.config import Flat, flatten, read_words, settings_of
from geotune.record.parameter import Parameter
from geotune.record.plan import Plan, SearchSettings
from geotune.record.public import shown
from geotune.record.space_file import spelt_words
from geotune.record.words import short, short_key
from geotune.train.settings import TrainConfig

Source = Literal["command line", "pin", "drawn", "first, drawn", "space", "space base", "space full", "goal", "default"]
"""pin: of the command line, where the space would search it; first, drawn: the known-good points name it first."""


@dataclass(frozen=True)
class Sourced:
    """A setting by its dotted key (`full.…`: of the full training alone), its value or range in words, its source."""

    key: str
    text: str
    source: Source


def provenance(plan: Plan) -> list[Sourced]:
    """Every setting that a trial or the search itself has, in the order of `--help`."""
    given = spelt_words(read_words(plan.tree.get("words", []))[0])
    return [*_of_search(plan, given), *_of_trials(plan, given), *_of_full(plan, given)]


def lines(found: list[Sourced], width: int) -> list[str]:
    """For a terminal: a line a setting with its source; those at their default in a paragraph."""
    own = [one for one in found if one.source != "default"]
    keys, sources = (max((len(word) for word in column), default=0) for column in _columns(own))
    rows = [f"  {one.key:<{keys}}  {one.source:<{sources}}  {one.text}" for one in own]
    rest = ", ".join(f"{one.key}={one.text}" for one in found if one.source == "default")
    return [*rows, *textwrap.wrap(f"default: {rest}", width, initial_indent="  ", subsequent_indent="    ")]


def _columns(found: list[Sourced]) -> tuple[list[str], list[str]]:
    return [one.key for one in found], [one.source for one in found]


def _of_search(plan: Plan, given: Flat) -> Iterator[Sourced]:
    file = spelt_words(flatten(plan.tree["space"]["file"]))
    there = {key.removeprefix("budget.") for key in file}
    values = flatten(plan.settings)
    for setting in settings_of(SearchSettings):
        key, value = setting.key, values.get(setting.key)
        if key == "space":
            value = given.get("space", value)
        if key == "tracking":
            value = shown(str(value))
        if value in (None, "", []) and key not in given:
            continue
        source: Source = "command line" if key in given else "space" if key in there else "default"
        yield Sourced(key, _value(value), source)


def _of_trials(plan: Plan, given: Flat) -> Iterator[Sourced]:
    searched = {parameter.key: parameter for parameter in plan.space.parameters}
    known = {key for point in plan.space.file.first for key in point}
    fixed = plan.config({}).model_dump(mode="json")
    values = flatten(fixed) | plan.space.fixed
    heads = {str(head) for head in plan.space.possible("model.head.name")}
    for setting in settings_of(TrainConfig):
        key = setting.key
        if key in ("data", "seed") or (setting.owner and not heads & set(setting.owner.split(", "))):
            continue
        if key in searched:
            yield Sourced(key, _range(searched[key]), "first, drawn" if key in known else "drawn")
        elif key in given:
            yield Sourced(
                key, _value(plan.space.fixed[key]), "pin" if key in plan.space.file.search else "command line"
            )
        elif key in plan.space.fixed:
            yield Sourced(key, _value(plan.space.fixed[key]), "space base")
        elif key == "train.select":
            yield Sourced(key, plan.goal, "goal")
        else:
            yield Sourced(key, _value(values.get(key, setting.default)), "default")


def _of_full(plan: Plan, given: Flat) -> Iterator[Sourced]:
    for key, value in flatten(plan.space.file.full).items():
        yield Sourced(f"full.{key}", _value(value), "command line" if f"full.{key}" in given else "space full")


def _range(parameter: Parameter) -> str:
    ends = [_value(value) for value in parameter.values]
    if parameter.kind == "choice":
        text = " | ".join(ends)
    else:
        words = {"log": ", logarithmic", "pow2": ", powers of two"}.get(parameter.kind, "")
        text = f"{ends[0]} to {ends[1]}{words}{', or 0' if parameter.zero else ''}"
    when = [f"{short_key(parent)} {' | '.join(map(str, values))}" for parent, values in parameter.when.items()]
    return f"{text}, for {' and '.join(when)}" if when else text


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(one) for one in value)}]"
    return "null" if value is None else short(value)
