"""One settings language: typed classes, spelt as dotted keys (`model.head.alpha=0.1`) everywhere."""

import difflib
import io
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError
from pydantic_core import PydanticUndefined

from geotune.errors import GeotuneError, SettingsError

Flat = dict[str, Any]
S = TypeVar("S", bound="Settings")


class Settings(BaseModel):
    """Base of every settings class: unknown keys are errors, values never change, a field's docstring documents it."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        validate_default=True,
        coerce_numbers_to_str=True,  # data=2024 is a folder
    )


@dataclass(frozen=True)
class Setting:
    """One documented setting: its dotted key, its kind in words, its default and its one-line meaning."""

    key: str
    kind: str
    default: Any
    doc: str
    owner: str = ""
    """The `name` of the union member that has it, or "" where every config has it."""


# ------------------------------------------------------------------------------------------ reading


def parse_value(text: str) -> Any:
    """A value as YAML 1.2 reads it: `1e-3` is a number, `no` a word, `[1, 2]` a list; what is no YAML is text."""
    from ruamel.yaml.error import YAMLError

    try:
        return _yaml().load(text)
    except (YAMLError, *_YAML_BUGS):
        return text


def parse_overrides(words: Iterable[str]) -> Flat:
    """`["train.epochs=3", "data=x"]` -> `{"train.epochs": 3, "data": "x"}`; no `=` or a double is an error."""
    flat: Flat = {}
    problems: list[tuple[str, str]] = []
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            problems.append((word, "expected key=value"))
        elif key in flat:
            problems.append((key, "given twice"))
        else:
            flat[key] = parse_value(text)
    if problems:
        raise SettingsError(problems)
    return flat


def load_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML 1.2 file; a missing file, a fault of syntax or a key given twice is a GeotuneError."""
    from ruamel.yaml.error import YAMLError

    try:
        loaded = _yaml().load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GeotuneError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise GeotuneError(f"{path}: cannot be read ({error})") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise GeotuneError(f"{path}:{line} {problem}") from None
    except _YAML_BUGS as error:
        raise GeotuneError(f"{path}: cannot be read as YAML ({error})") from None
    if loaded is None:
        raise GeotuneError(f"{path}: is empty, expected a mapping of settings")
    if not isinstance(loaded, dict):
        raise GeotuneError(f"{path}: expected a mapping of settings, found {type(loaded).__name__}")
    return loaded


def dump_yaml(value: Mapping[str, Any]) -> str:
    """YAML text of plain values; what `load_yaml` reads back unchanged."""
    stream = io.StringIO()
    _yaml().dump(dict(value), stream)
    return stream.getvalue()


# What ruamel.yaml raises, besides its own errors, on odd tags, keys and numbers.
_YAML_BUGS = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    RecursionError,
    OverflowError,
)


def _yaml() -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import SafeConstructor

    class Constructor(SafeConstructor):  # YAML 1.2 knows no dates: a folder called 2024-05-01 is a word
        pass

    Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = Constructor
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 4096
    return yaml


# ------------------------------------------------------------------------------- flat <-> nested <-> typed


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
    wrong kind with the value.
    """
    flat = flatten(flat)
    known = settings_of(cls)
    keys = {setting.key: setting for setting in known}
    problems = {key: unknown(key, keys) for key in flat if key not in keys}
    tree = nest(_with_tags({key: value for key, value in flat.items() if key in keys}, known))
    try:
        built = cls.model_validate(tree)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            key, problem = _explain(fault, tree, known)
            if key not in problems or not fault["type"].endswith(_WRONG_KIND):
                problems[key] = problem  # each member of a union complains: once, and the closest one, is enough
    for setting in known:  # pydantic takes true for 1
        if isinstance(flat.get(setting.key), bool) and setting.kind in ("whole number", "number"):
            problems[setting.key] = f"expected {_a(setting.kind)}; got {str(flat[setting.key]).lower()}"
    if problems:
        raise SettingsError(list(problems.items()), source)
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
        if setting is None or not setting.owner or chosen in setting.owner.split(", "):
            kept[key] = value
    return kept


def unknown(key: str, keys: Iterable[str]) -> str:
    """`no such setting; did you mean …?`"""
    keys = list(keys)
    members = [known for known in keys if known.startswith(f"{key}.")]
    if members:
        named = next((known for known in members if known == f"{key}.name"), members[0])
        return f"is a group of settings, not one; say {named}=…"
    near = difflib.get_close_matches(key, keys, n=1, cutoff=0.6)
    if not near:  # a right last word under a wrong group is the other common slip
        near = [k for k in keys if k.rsplit(".", 1)[-1] == key.rsplit(".", 1)[-1]][:1]
    return "no such setting" + (f"; did you mean {near[0]}?" if near else "")


def settings_of(cls: type[Settings], prefix: str = "", owner: str = "") -> list[Setting]:
    """Every setting below a class, in the order of definition; a union's members share their keys."""
    found: dict[str, Setting] = {}
    for name, field in cls.model_fields.items():
        key = f"{prefix}{name}"
        members = _members(field.annotation)
        if members:
            if len(members) > 1 and isinstance(field.default, Settings):  # the default member comes first
                members.sort(key=lambda member: member is not type(field.default))
            for member in members:
                tag = _tag(member) if len(members) > 1 else ""
                for setting in settings_of(member, f"{key}.", tag or owner):
                    shared = found.get(setting.key)
                    if shared and shared.owner != setting.owner:
                        owners = f"{shared.owner}, {setting.owner}" if shared.owner else setting.owner
                        kind = shared.kind if shared.kind == setting.kind else f"{shared.kind} | {setting.kind}"
                        setting = Setting(setting.key, kind, shared.default, shared.doc, owners)
                    found[setting.key] = setting
        else:
            default = None if field.default is PydanticUndefined else field.default
            if field.default_factory is not None:
                default = field.default_factory()  # type: ignore[call-arg]
            kind = next((word for word in field.metadata if isinstance(word, str)), "") or _kind(field.annotation)
            found[key] = Setting(key, kind, default, field.description or "", owner)
    return list(found.values())


def _members(annotation: Any) -> list[type[Settings]]:
    """The settings classes that an annotation names: one for a group, several for a tagged union."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [member for part in get_args(annotation) for member in _members(part)]
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return [annotation]
    return []


def _tag(member: type[Settings]) -> str:
    return str(member.model_fields["name"].default)


def _kind(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        return next((word for word in metadata if isinstance(word, str)), "") or _kind(inner)
    if origin is Literal:
        return " | ".join(str(value) for value in get_args(annotation))
    if origin in (Union, types.UnionType):
        return " | ".join(_kind(part) for part in get_args(annotation))
    if origin in (list, tuple):
        inner = _kind(get_args(annotation)[0])
        return f"list of {inner}" if " | " in inner else f"list of {inner}s"
    words = {
        int: "whole number",
        float: "number",
        str: "text",
        bool: "true | false",
        Path: "path",
        type(None): "null",
    }
    return words.get(annotation, getattr(annotation, "__name__", str(annotation)))


_WRONG_KIND = ("_type", "_parsing", "_from_float", "literal_error", "finite_number")
"""Endings of pydantic's names for faults that the setting's own kind explains best."""


def _explain(fault: Any, tree: Any, known: list[Setting]) -> tuple[str, str]:
    """A pydantic fault -> (dotted key, a sentence that names the value)."""
    parts: list[str] = []
    node = tree
    for part in fault["loc"]:
        if isinstance(node, dict) and part not in node and node.get("name") == part:
            continue  # the tag of a union member stands in pydantic's location, not in our keys
        if isinstance(part, str) and "[" not in part:
            parts.append(part)
        node = node.get(part) if isinstance(node, dict) else None
    key, value, kind = ".".join(parts), fault["input"], fault["type"]
    for end in range(len(parts), 0, -1):  # a member of a plain union (`micro_batch: auto | int`) ends the location
        setting = next((s for s in known if s.key == ".".join(parts[:end])), None)
        if setting:
            key, value = setting.key, flatten(tree).get(setting.key, value)
            break
    else:
        setting = None
    if kind == "extra_forbidden":
        return (
            key,
            f"not a setting of this {key.split('.')[-2]}; it belongs to {setting.owner if setting else '?'}",
        )
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        tags = fault["ctx"].get("expected_tags", "").replace("'", "")
        tag = value.get("name") if isinstance(value, dict) else value
        near = difflib.get_close_matches(str(tag), tags.split(", "), n=1)
        mend = f"; did you mean {near[0]}?" if near else ""
        return f"{key}.name", f"expected one of {tags}; got {tag!r}{mend}"
    if kind == "missing":
        return key, "is needed"
    expected = _expected(fault, setting)
    return key, expected if isinstance(value, dict) else f"{expected}; got {value!r}{_nearest(value, setting)}"


def _expected(fault: Any, setting: Setting | None) -> str:
    bounds = {
        "greater_than": "above",
        "greater_than_equal": "at least",
        "less_than": "below",
        "less_than_equal": "at most",
    }
    if fault["type"] in bounds:
        limit = next(iter(fault["ctx"].values()))
        return f"expected a value {bounds[fault['type']]} {limit}"
    if setting and fault["type"].endswith(_WRONG_KIND):
        return f"expected {_a(setting.kind)}"
    return str(fault["msg"]).removeprefix("Value error, ").replace("Input should be", "expected")


def _a(kind: str) -> str:
    return kind if kind == "text" or " | " in kind else f"a {kind}"


def _nearest(value: Any, setting: Setting | None) -> str:
    """`; did you mean mse?` where a setting takes words and got a similar one."""
    words = setting.kind.split(" | ") if setting and " | " in setting.kind else []
    near = difflib.get_close_matches(str(value), words, n=1)
    return f"; did you mean {near[0]}?" if near else ""


# ------------------------------------------------------------------------------- quantities with units

_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_METRES = {"m": 1.0, "km": 1000.0}


def _quantity(units: Mapping[str, float], example: str) -> Any:
    def parse(value: Any) -> float:
        if isinstance(value, str):
            parts = re.findall(r"(\d+(?:\.\d*)?)\s*([a-z]+)", value.strip())
            whole = "".join(number + unit for number, unit in parts) == value.replace(" ", "")
            if parts and whole and all(unit in units for _, unit in parts):
                return sum(float(number) * units[unit] for number, unit in parts)
        raise ValueError(f"expected a number with a unit ({', '.join(units)}), as in {example}")

    return parse


parse_duration = _quantity(_SECONDS, "90s, 20m, 8h or 1h30m")
parse_length = _quantity(_METRES, "50m or 2.5km")


def _largest_unit(units: Mapping[str, float]) -> Any:
    def text(value: float) -> str:
        for unit, size in sorted(units.items(), key=lambda item: -item[1]):
            if value >= size and value % size == 0:
                return f"{int(value // size)}{unit}"
        number = f"{value:.9f}".rstrip("0").rstrip(".")  # no exponent: the parser knows none
        return f"{number}{next(iter(units))}"

    return text


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(_largest_unit({"s": 1, "m": 60, "h": 3600})),
    "time such as 8h",
]
"""Seconds, written with a unit: `90s`, `20m`, `8h`."""
Length = Annotated[float, BeforeValidator(parse_length), PlainSerializer(_largest_unit(_METRES)), "length such as 50m"]
"""Metres, written with a unit: `50m`, `2.5km`."""
