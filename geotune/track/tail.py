"""A trial's folder, read as it grows: of each file only what has been added."""

import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from geotune.config import Flat, flatten, load_yaml
from geotune.record.folder import RunFolder, TrialFolder, read_json

Row = tuple[str, float, float, int]
"""A metric: key, value, unix seconds, epoch."""


@dataclass
class Tail:
    """One training's folder, open until all of it has been sent."""

    folder: TrialFolder
    config: Flat = field(default_factory=dict)
    """Every setting by its dotted key; empty until the trial has begun."""
    epochs: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Epochs of `metrics.jsonl` that are not sent yet; of an epoch told twice, around a kill, the first."""
    last: float | None = None
    """Unix seconds of the newest epoch."""
    outcome: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    _offset: int = 0
    _seen: int = 0

    @property
    def name(self) -> str:
        """`7` for a trial, `final` for the full training."""
        return str(int(self.folder.path.name)) if self.folder.path.name.isdigit() else self.folder.path.name

    @property
    def began(self) -> float:
        """Unix seconds: when its settings were written, if its first epoch is not older."""
        first = min((float(line["time"]) for line in self.epochs.values()), default=math.inf)
        return min(self.folder.config.stat().st_mtime, first)

    def read(self) -> None:
        """Read what has been added."""
        if not self.config and self.folder.config.is_file():
            self.config = flatten(load_yaml(self.folder.config))
        if not self.about:
            self.about = read_json(self.folder.about)
        if not self.outcome:  # before the epochs: they are all there when it is
            self.outcome = read_json(self.folder.outcome)
        for line in self._lines():
            epoch, metrics = line.get("epoch"), line.get("metrics")
            if isinstance(epoch, int) and isinstance(metrics, dict) and epoch > self._seen:
                self._seen, self.last = epoch, float(line["time"])
                self.epochs[epoch] = line

    def _lines(self) -> Iterator[dict[str, Any]]:
        """The whole lines behind the offset; a torn last one is left for later."""
        try:
            with self.folder.metrics.open("rb") as file:
                file.seek(self._offset)
                added = file.read()
        except FileNotFoundError:
            return
        whole, newline, _ = added.rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        for text in whole.splitlines():
            try:
                line = json.loads(text)
            except ValueError:  # a killed writer's, ended by the next
                continue
            if isinstance(line, dict):
                yield line


def rows(metrics: dict[str, Any], when: float, step: int) -> Iterator[Row]:
    """A line's numbers as MLflow takes them."""
    for key, value in metrics.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield key, float(value), when, step


def leader(run: RunFolder) -> str:
    """The trial that leads and what it has reached, as the record writes it above best.yaml; "" where there is none."""
    try:
        with run.best_yaml.open(encoding="utf-8") as file:
            found = re.match(r"# Trial (\d+) of .*?: (.*)", file.readline())
    except FileNotFoundError:
        return ""
    return f"trial {found[1]}: {found[2].strip()}" if found else ""


def numbers(run: RunFolder) -> list[int]:
    """Every trial that has a folder."""
    try:
        return sorted(int(name) for name in os.listdir(run.path / "trials") if name.isdigit())  # noqa: PTH208 (quick)
    except FileNotFoundError:
        return []
