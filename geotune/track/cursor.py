"""`track.json`: how much of a run folder MLflow has been sent. It spares work; without it everything is sent again."""

import json
import uuid
from pathlib import Path
from typing import Any

from geotune.record.folder import read_json, write_atomic


class Cursor:
    """`track.json`: the search's own key, and what each of its MLflow runs has been sent. Written before it is used."""

    def __init__(self, path: Path, uri: str) -> None:
        self._path = path
        content = read_json(path)
        self.key = str(content.get("key") or uuid.uuid4().hex)
        """The tag by which this search's runs are found again, in whatever store."""
        self.runs: dict[str, dict[str, Any]] = content.get("runs", {}) if content.get("tracking") == uri else {}
        self._content = {"key": self.key, "tracking": uri, "runs": self.runs}
        if content.get("key") != self.key:
            self.save()

    def entry(self, name: str) -> dict[str, Any]:
        """What the trial's run (the parent's for "") has been sent; changed in place."""
        return self.runs.setdefault(name, {})

    def forget(self) -> None:
        """The store is a new one: everything is to be found or sent again."""
        self.runs.clear()

    def save(self) -> None:
        write_atomic(self._path, json.dumps(self._content) + "\n")
