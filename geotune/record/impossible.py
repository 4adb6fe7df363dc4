"""Values of a space that no trial could have, found by trying them in whole configs before anything starts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from geotune.config import Flat, flatten, settings_of
from geotune.errors import SettingsError
from geotune.train.settings import TrainConfig

if TYPE_CHECKING:
    from geotune.record.space import Space


def unusable(space: "Space", pins: Flat) -> Iterator[tuple[str, str]]:
    """Fixed settings that no trial could have, or whose values no trial could take."""
    tag = "model.head.name"
    heads = space.possible(tag)
    full, base = space.full, flatten(space.file.base).keys() - pins.keys()
    for setting in settings_of(TrainConfig):
        if setting.key in pins and setting.owner and not set(heads) & set(setting.owner.split(", ")):
            yield setting.key, f"only {setting.owner} has it; this space has {', '.join(map(str, heads))}"
    seen: set[tuple[str, str]] = set()
    for head in heads:
        for prefix, settings in (("", {}), ("full.", full)):
            try:
                space.config({tag: head} | settings)
            except SettingsError as error:
                found = {(prefix + key, text) for key, text in error.problems} - seen
                seen |= found | {("full." + key, text) for key, text in error.problems}
                yield from sorted((f"base.{key}" if key in base else key, text) for key, text in found)


def impossible(space: "Space") -> Iterator[tuple[str, str]]:
    """Values in the ranges that the settings cannot take, each tried in a whole config."""
    for parameter in space.parameters:
        owners = next(s.owner for s in settings_of(TrainConfig) if s.key == parameter.key)
        tag = f"{parameter.key.rpartition('.')[0]}.name"
        if owners and parameter.key != tag:
            heads = parameter.when.get(tag, space.possible(tag))
            without = [head for head in heads if head not in owners.split(", ")]
            if without:
                mend = f"add when: {{{tag}: [{owners}]}}"
                yield f"search.{parameter.key}", f"{without[0]} has no such setting; {mend}"
                continue
        for value in parameter.samples:
            context = {parent: values[0] for parent, values in parameter.when.items()}
            try:
                space.config(context | {parameter.key: value})
            except SettingsError as error:
                yield from ((f"search.{parameter.key}", text) for key, text in error.problems[:1])
                break
