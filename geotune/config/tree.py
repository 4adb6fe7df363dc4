"""Dotted keys: flat <-> nested <-> a checked settings object."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from geotune.config.explain import WRONG_KIND, a_kind, explain, unknown
from geotune.config.lines import places
from geotune.config.schema import Setting, Settings, settings_of
from geotune.errors import SettingsError

Flat = dict[str, Any]
"""Settings by dotted key: `{"model.head.alpha": 0.1}`."""
S = TypeVar("S", bound=Settings)


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` -> `{"a": {"b": 1}}`."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        node = tree
        *parents, leaf = key.split(".")
        for parent in parents:
            child = node.setdefault(parent, {})
            if not isinstance(child, dict):
                raise SettingsError([(key, f"{parent} is a single value, not a group of settings")])
            node = child
        node[leaf] = value
    return tree


def flatten(tree: Mapping[str, Any] | Settings, prefix: str = "") -> Flat:
    """`{"a": {"b": 1}}` -> `{"a.b": 1}`; a Settings object is dumped to plain YAML values first."""
    if isinstance(tree, Settings):
        tree = tree.model_dump(mode="json")
    flat: Flat = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def build(cls: type[S], flat: Mapping[str, Any], source: str = "") -> S:
    """A checked settings object from dotted keys (nested mappings are accepted too).

    Raises SettingsError with every problem at once: unknown keys with the nearest valid name, values of a
    wrong kind with the value; of what load_yaml gave, with their lines.
    """
    given, flat = flat, flatten(flat)
    known = settings_of(cls)
    keys = {setting.key: setting for setting in known}
    problems = {key: unknown(key, keys) for key in flat if key not in keys}
    tree = nest(_with_tags({key: value for key, value in flat.items() if key in keys}, known))
    try:
        built = cls.model_validate(tree)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            key, problem = explain(fault, tree, known)
            if key not in problems or not fault["type"].endswith(WRONG_KIND):
                problems[key] = problem  # each member of a union complains: once, and the closest one, is enough
    for setting in known:  # pydantic takes true for 1
        if isinstance(flat.get(setting.key), bool) and setting.kind in ("whole number", "number"):
            problems[setting.key] = f"expected {a_kind(setting.kind)}; got {str(flat[setting.key]).lower()}"
    if problems:
        raise SettingsError(list(problems.items()), source, places(given, problems))
    return built


def _with_tags(flat: Flat, known: list[Setting]) -> Flat:
    """The default member's `name` for every union of which `flat` sets something but not the member."""
    groups = {key.rpartition(".")[0] for key in flat}
    tags = {s.key: s.default for s in known if s.owner and s.key.endswith(".name")}
    return {k: tag for k, tag in tags.items() if k not in flat and k.rpartition(".")[0] in groups} | flat


def applicable(cls: type[Settings], flat: Mapping[str, Any]) -> Flat:
    """`flat` without the settings that the chosen member of a union does not have.

    So one value can be given for every head that has it: `model.head.alpha` is left out where the head is `cells`.
    """
    known = {setting.key: setting for setting in settings_of(cls)}
    kept: Flat = {}
    for key, value in flat.items():
        setting, tag = known.get(key), f"{key.rpartition('.')[0]}.name"
        chosen = flat.get(tag, known[tag].default if tag in known else None)
        if setting is None or not setting.owner or key == tag or chosen in setting.owner.split(", "):
            kept[key] = value
    return kept
