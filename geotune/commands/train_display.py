"""What `geotune train` shows: a line an epoch and, on a terminal, where it stands within the epoch."""

import json
import logging
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.status import Status

from geotune.data.words import counted

if TYPE_CHECKING:
    from geotune.train.loop import Epoch


class Display:
    """Context manager: `epoch()` prints a line, as does what geotune logs; below, a terminal shows `progress.json`."""

    def __init__(self, progress: Path, select: str) -> None:
        self.progress = progress
        self.select = select
        self.console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._status: Status | None = None
        self._over = threading.Event()
        self._watcher: threading.Thread | None = None
        self._logged = _Said(self)

    def __enter__(self) -> "Display":
        self._logged.attach()
        if self.console.is_terminal:
            self._status = self.console.status("starting")
            self._status.start()
            self._watcher = threading.Thread(target=self._watch, daemon=True)
            self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._logged.detach()
        self._over.set()
        if self._watcher:
            self._watcher.join()
        if self._status:
            self._status.stop()

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)

    def epoch(self, epoch: "Epoch") -> None:
        """`epoch 3/30  loss 0.412  valid median 612 km  12.3 s (640 photos/s, 3 % waiting, 812 MB)  *`.

        The star marks the epoch that is kept so far.
        """
        metrics = epoch.metrics
        name, value = selected(metrics, self.select)
        line = f"epoch {epoch.number:>{len(str(epoch.epochs))}}/{epoch.epochs}"
        line += f"  loss {metrics['train/loss']:.4g}  {name} {value}  {metrics['train/seconds']:.1f} s"
        line += f" ({metrics['train/photos_per_second']:,.0f} photos/s, {100 * metrics['train/waiting']:.0f} % waiting"
        line += f", {metrics['train/peak_mb']:,.0f} MB)"
        if skipped := metrics["train/skipped"]:
            line += f"  {counted(int(skipped), 'step')} skipped so far"
        self.say(line + ("  *" if epoch.best else ""))

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            try:
                at = json.loads(self.progress.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            where = f"epoch {at['epoch']}/{at['epochs']}, " if at["epoch"] else ""
            if self._status:
                self._status.update(f"{where}{at['stage']} {at['step']:,}/{at['steps']:,}")


class _Said(logging.Handler):
    """Sends what geotune's own modules log to a display: on a terminal it would tear the line that is rewritten."""

    def __init__(self, display: Display) -> None:
        super().__init__(logging.INFO)
        self.display = display
        self._logger = logging.getLogger("geotune")

    def attach(self) -> None:
        self._logger.addHandler(self)
        self._logger.setLevel(logging.INFO)
        self._logger.propagate = False

    def detach(self) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(logging.NOTSET)
        self._logger.propagate = True

    def emit(self, record: logging.LogRecord) -> None:
        self.display.say(record.getMessage())


def selected(metrics: dict[str, float], select: str) -> tuple[str, str]:
    """The metric that decides, as words: ("valid median", "612 km")."""
    for unit in ("km", "m"):
        if f"{select}_{unit}" in metrics:
            select = f"{select}_{unit}"
    value = metrics[select]
    words = select.replace("/", " ")
    for unit in ("km", "m"):
        stem = words.removesuffix(f"_{unit}")
        if stem != words and not words.startswith("valid within"):
            return stem, f"{value:,.0f} {unit}" if value >= 9.95 else f"{value:,.1f} {unit}"
    return words.replace("_", " "), f"{100 * value:.1f} %" if "within" in words else f"{value:.4g}"
