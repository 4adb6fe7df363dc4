"""`track.json`: how much of a run folder MLflow has been sent. It spares work; without it everything is sent again."""

import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from geotune.record.folder import read_json, write_atomic


class Cursor:
    """The search's own key, and what each of its MLflow runs has been sent. The key is on disk before it is used.

    Trials that have ended and stand there whole are only numbers in `closed`, so the file stays small.
    """

    def __init__(self, path: Path, uri: str) -> None:
        self._path = path
        content = read_json(path)
        same = content.get("tracking") == uri
        self.key = str(content.get("key") or uuid.uuid4().hex)
        """The tag by which this search's runs are found again, in whatever store."""
        self.new = "key" not in content
        """Whether nothing was ever sent, to any store."""
        self.runs: dict[str, dict[str, Any]] = content.get("runs", {}) if same else {}
        """What each run that is still worked on has been sent."""
        self.closed: set[int] = set(_numbers(content.get("closed", []) if same else []))
        self._head = {"key": self.key, "tracking": uri}
        self._saved = "" if self.new else self._text()
        self.save()

    def entry(self, name: str) -> dict[str, Any]:
        """What a run has been sent, by its `geotune.trial`; changed in place."""
        return self.runs.setdefault(name, {})

    def close(self, name: str) -> None:
        """The trial has ended and all of it has been sent."""
        self.closed.add(int(name))
        del self.runs[name]

    def forget(self) -> None:
        """The store is a new one: everything is to be found or sent again."""
        self.runs.clear()
        self.closed.clear()

    def save(self) -> None:
        """Write it down where it has changed."""
        text = self._text()
        if text != self._saved:
            write_atomic(self._path, text)
            self._saved = text

    def _text(self) -> str:
        return json.dumps(self._head | {"closed": _ranges(self.closed), "runs": self.runs}) + "\n"


def _ranges(numbers: Iterable[int]) -> list[list[int]]:
    """{0, 1, 2, 5} -> [[0, 2], [5, 5]]"""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def _numbers(ranges: Iterable[list[int]]) -> Iterable[int]:
    for first, last in ranges:
        yield from range(first, last + 1)
