"""What is wrong with a setting, in a sentence that names the value and the nearest valid one."""

import difflib
from collections.abc import Iterable
from typing import Any

from geotune.config.schema import Setting


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


WRONG_KIND = ("_type", "_parsing", "_from_float", "literal_error", "finite_number")
"""Endings of pydantic's names for faults that the setting's own kind explains best."""


def explain(fault: Any, tree: Any, known: list[Setting]) -> tuple[str, str]:
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
            key, value = setting.key, _value(tree, setting.key, value)
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
    if setting and fault["type"].endswith(WRONG_KIND):
        return f"expected {a_kind(setting.kind)}"
    return str(fault["msg"]).removeprefix("Value error, ").replace("Input should be", "expected")


def a_kind(kind: str) -> str:
    return kind if kind == "text" or " | " in kind else f"a {kind}"


def _nearest(value: Any, setting: Setting | None) -> str:
    """`; did you mean mse?` where a setting takes words and got a similar one."""
    words = setting.kind.split(" | ") if setting and " | " in setting.kind else []
    near = difflib.get_close_matches(str(value), words, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _value(tree: Any, key: str, default: Any) -> Any:
    """The value at a dotted key of a nested mapping."""
    for part in key.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return default
        tree = tree[part]
    return tree
