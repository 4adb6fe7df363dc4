"""Settings classes, and what they say of themselves: every setting with its key, kind, default and meaning."""

import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticUndefined


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


@dataclass(frozen=True, slots=True)
class Spellings(BeforeValidator):
    """Marks a setting that can be spelt in several ways; the function gives the one that is stored and shown.

    It takes any value, raises ValueError or leaves alone what it does not know, and is idempotent. A search space reads
    its ranges with it.
    """


@dataclass(frozen=True)
class Setting:
    """One documented setting: its dotted key, its kind in words, its default and its one-line meaning."""

    key: str
    kind: str
    default: Any
    doc: str
    owner: str = ""
    """The `name` of the union member that has it, or "" where every config has it."""
    spelt: Callable[[Any], Any] | None = None
    """Of a setting with several spellings: value -> the one that is stored."""


def settings_of(cls: type[Settings], prefix: str = "", owner: str = "") -> list[Setting]:
    """Every setting below a class, in the order of definition; a union's members share their keys."""
    return list(_settings_of(cls, prefix, owner))


@cache  # a search asks several times a trial, and looking takes milliseconds
def _settings_of(cls: type[Settings], prefix: str, owner: str) -> tuple[Setting, ...]:
    found: dict[str, Setting] = {}
    for name, field in cls.model_fields.items():
        key = f"{prefix}{name}"
        members = _members(field.annotation)
        if members:
            if len(members) > 1 and isinstance(field.default, Settings):  # the default member comes first
                members.sort(key=lambda member: member is not type(field.default))
            for member in members:
                tag = _tag(member) if len(members) > 1 else ""
                for setting in _settings_of(member, f"{key}.", tag or owner):
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
            spellings: Any = next((word.func for word in field.metadata if isinstance(word, Spellings)), None)
            found[key] = Setting(key, kind, default, field.description or "", owner, spellings)
    return tuple(found.values())


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
