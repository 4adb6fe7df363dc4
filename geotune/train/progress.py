"""Where a run stands within its epoch: `progress.json`, for whoever displays it."""

import json
import time
from contextlib import suppress
from pathlib import Path

EVERY_SECONDS = 0.5


class Progress:
    """Writes {"epoch", "epochs", "step", "steps", "stage", "time"} atomically, at most twice a second.

    `stage` is "features", "training" or "validating"; `epoch` is 0 before the first. A file that cannot be written ends
    no training: it is for show.
    """

    def __init__(self, path: Path | None, epochs: int) -> None:
        """`path` of None: nothing is written."""
        self.path = path
        self.epochs = epochs
        self.epoch = 0
        self._next = 0.0

    def due(self) -> bool:
        """Whether `report` would write."""
        return time.monotonic() >= self._next

    def report(self, stage: str, step: int, steps: int) -> None:
        if not self.due():
            return
        self._next = time.monotonic() + EVERY_SECONDS
        if self.path is None:
            return
        content = {"epoch": self.epoch, "epochs": self.epochs, "step": step, "steps": steps, "stage": stage}
        fresh = self.path.with_name(f".{self.path.name}.tmp")
        with suppress(OSError):
            fresh.write_text(json.dumps(content | {"time": time.time()}), encoding="utf-8")
            fresh.replace(self.path)
