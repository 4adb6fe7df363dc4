"""On which line of its YAML file a setting stands, so that a fault can be told as `space.yaml:12`."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class Loaded(dict[str, Any]):
    """A YAML file's mapping that knows where its keys stand.

    `lines` spells a place like a setting: `search.model.head.alpha` is one however many of the dots are nesting, and
    `first[2]` is the second entry of a list. Lines count from 1.
    """

    def __init__(self, values: Mapping[str, Any], path: Path | None = None, lines: Mapping[str, int] = {}) -> None:
        super().__init__(values)
        self.path = path
        self.lines = dict(lines)


def line_of(tree: Mapping[str, Any], key: str) -> int | None:
    """The line of a key, else of the nearest group that should hold it; None where the file has neither."""
    lines: Mapping[str, int] = getattr(tree, "lines", {})
    while key:
        if key in lines:
            return lines[key]
        key = re.sub(r"(\[\d+\]|\.[^.\[]*|^[^.\[]*)$", "", key)
    return None


def places(tree: Mapping[str, Any], keys: Iterable[str]) -> dict[str, str]:
    """`{"search.optim.lr": "space.yaml:12"}` for those of the keys that the tree's file has: for SettingsError."""
    path: Path | None = getattr(tree, "path", None)
    found = {key: line_of(tree, key) for key in keys} if path else {}
    return {key: f"{path.name}:{line}" for key, line in found.items() if path and line}


def lines_of(node: Any) -> dict[str, int]:
    """The line of every key and list entry below a composed YAML node; of what several aliases share, the first."""
    found: dict[str, int] = {}
    seen: set[int] = set()  # an alias may lead back to where it stands
    waiting = [("", node)]
    while waiting:
        place, node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.id == "mapping":
            below = [(f"{place}.{key.value}" if place else str(key.value), key, value) for key, value in node.value]
        elif node.id == "sequence":
            below = [(f"{place}[{number}]", value, value) for number, value in enumerate(node.value, start=1)]
        else:
            continue
        for inner, start, _ in below:
            found.setdefault(inner, start.start_mark.line + 1)
        waiting += [(inner, value) for inner, _, value in reversed(below)]
    return found
