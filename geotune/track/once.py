"""Each training has one run in MLflow, although `create` may be repeated by kills, and its answer lost.

A run carries two tags of ours: `geotune.run`, the search's key, and `geotune.trial`, what it is of. Where a run may
stand there that the cursor does not know it is looked for before it is created; where an answer was lost it is looked
for once more when the training has ended, for a slow server may have created it late.
"""

from collections.abc import Iterable
from typing import Any

from geotune.track.cursor import Cursor
from geotune.track.mlflow import MlflowStore

FEW = 16
"""Runs that are looked for one by one; more are found by reading them all."""


class Runs:
    """Finds and creates the runs of one search in one store."""

    def __init__(self, store: MlflowStore, cursor: Cursor) -> None:
        self._store = store
        self._key = cursor.key
        self._doubtful = not cursor.new
        self._known: dict[str, list[str]] = {}

    def look(self, names: Iterable[str], cursor: Cursor) -> None:
        """At first, look for runs of these names that stand there although the cursor does not know them."""
        unknown = [name for name in names if "id" not in cursor.runs.get(name, {})] if self._doubtful else []
        if len(unknown) > FEW:
            self._known = self._store.find({"geotune.run": self._key}, "geotune.trial")
        else:
            for name in unknown:
                self._known |= self._store.find(self._tags(name), "geotune.trial")
        self._doubtful = False

    def open(self, entry: dict[str, Any], name: str, title: str, started: float, parent: str | None = None) -> str:
        """The id of the run, which is found, or created where there is none; of several the first stays."""
        if "id" not in entry:
            if found := self._known.pop(name, []):
                for double in found[1:]:
                    self._store.delete(double)
                entry["id"] = found[0]
            else:
                before = entry.get("suspect", False)
                entry["suspect"] = True  # until there is an answer
                entry["id"] = self._store.create(self._tags(name), title, started, parent)
                entry["suspect"] = before
        return str(entry["id"])

    def only(self, entry: dict[str, Any], name: str) -> None:
        """Where an answer was lost, delete the run that came to be late beside the one that is used."""
        if entry.pop("suspect", False):
            for run in self._store.find(self._tags(name), "geotune.trial").get(name, []):
                if run != entry["id"]:
                    self._store.delete(run)

    def _tags(self, name: str) -> dict[str, str]:
        return {"geotune.run": self._key, "geotune.trial": name}
