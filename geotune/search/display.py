"""What a search shows while it runs: a live table on a terminal, plain lines elsewhere."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from geotune.config import Flat
from geotune.record.folder import TrialFolder, read_json
from geotune.record.record import Record
from geotune.record.trial import TrialView
from geotune.search.background import repeated
from geotune.search.budget import Clock

REFRESH_SECONDS = 0.5
LINE_SECONDS = 30.0


def value_text(value: float, metric: str) -> str:
    """`812 km`, `57.4 m`, `0.31`: a metric's value with the unit that its name ends in."""
    if math.isnan(value):
        return "–"
    unit = metric.rpartition("_")[2] if metric.rpartition("_")[2] in ("m", "km") and "within" not in metric else ""
    return f"{value:,.0f} {unit}" if unit and abs(value) >= 100 else f"{value:.3g} {unit}".rstrip()


def drawn_text(drawn: Flat) -> str:
    """`backbone=resnet18 lr=0.003`: the searched settings of a trial, by their last word."""
    parts = (f"{key.removesuffix('.name').rpartition('.')[2]}={_short(value)}" for key, value in drawn.items())
    return " ".join(parts)


def duration_text(seconds: float) -> str:
    """`4:05` or `1:02:30`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def progress_of(folder: TrialFolder) -> tuple[str, float]:
    """What a training is doing, and the share of its epochs that is done."""
    progress = read_json(folder.progress)
    if not progress:
        return "starting", 0.0
    within = progress.get("step", 0) / max(1, progress.get("steps", 1))
    stage, epoch, epochs = progress.get("stage", ""), progress.get("epoch", 0), max(1, progress.get("epochs", 1))
    if epoch < 1:
        return f"{stage} {within:.0%}", 0.0
    return f"{stage}, epoch {epoch} of {epochs}", (epoch - 1 + within) / epochs


@contextmanager
def following(folder: TrialFolder, title: str, console: Console) -> Iterator[None]:
    """Show how one training goes on while the block runs it."""
    status = console.status(title)
    told = time.monotonic()
    said = ""

    def follow() -> None:
        nonlocal told, said
        if not said and (said := read_json(folder.about).get("model", "")):
            console.print(said, highlight=False, soft_wrap=True)
        text = f"{title}: {progress_of(folder)[0]}"
        status.update(text)
        if not console.is_terminal and time.monotonic() - told > LINE_SECONDS:
            told = time.monotonic()
            console.print(text, highlight=False)

    folder.about.unlink(missing_ok=True)  # an earlier try's
    with status, repeated(follow, REFRESH_SECONDS, "display"):
        yield
    follow()


class Display:
    """Follows a record from a thread of its own; it reads and never decides."""

    def __init__(self, record: Record, clock: Clock, console: Console) -> None:
        self._record, self._clock, self._console = record, clock, console
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="display", daemon=True)
        self._told: dict[int, str] = {view.number: view.state for view in record.trials()}
        self._best = math.nan

    def __enter__(self) -> "Display":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _follow(self) -> None:
        if self._console.is_terminal:
            with Live(self._table(), console=self._console, refresh_per_second=4, transient=True) as live:
                while not self._stop.wait(REFRESH_SECONDS):
                    self._tell_finished()
                    live.update(self._table())
            self._tell_finished()
            return
        last = time.monotonic()
        while not self._stop.wait(REFRESH_SECONDS):
            self._tell_finished()
            if time.monotonic() - last > LINE_SECONDS:
                last = time.monotonic()
                self._console.print(self._headline(), highlight=False)
                for view in self._running():
                    self._console.print(f"  trial {view.number}: {self._where(view)[0]}", highlight=False)
        self._tell_finished()

    def _tell_finished(self) -> None:
        metric = self._record.plan.goal
        best = self._record.best()
        for view in self._record.trials():
            if view.state in ("running", "due") or self._told.get(view.number) == view.state:
                continue
            self._told[view.number] = view.state
            star = " ← best so far" if best and best.number == view.number else ""
            line = (
                f"trial {view.number:>3} {view.state:<10} {value_text(view.best, metric):>9}  "
                f"{len(view.values):>3} epochs {duration_text(view.seconds):>6}  {drawn_text(view.drawn)}{star}"
            )
            self._console.print(line, highlight=False, soft_wrap=True, style="bold" if star else None)
            if view.state in ("crashed", "infeasible", "diverged") and view.reason:
                self._console.print(f"          {view.reason.strip().splitlines()[-1]}", highlight=False, markup=False)

    def _running(self) -> list[TrialView]:
        return [view for view in self._record.trials() if view.state == "running"]

    def _headline(self) -> str:
        record, plan = self._record, self._record.plan
        ended = sum(view.state not in ("running", "due") for view in record.trials())
        best = record.best()
        found = f"best {value_text(best.best, plan.goal)} (trial {best.number})" if best else "no result yet"
        limit = f" of {duration_text(plan.settings.time)}" if plan.settings.time else ""
        return f"{record.run.name}: {ended} of {plan.trials} trials, {found}, {duration_text(self._clock.spent)}{limit}"

    def _where(self, view: TrialView) -> tuple[str, float]:
        return progress_of(self._record.run.trial(view.number))

    def _table(self) -> Group:
        table = Table.grid(padding=(0, 1))
        for view in self._running():
            where, share = self._where(view)
            latest = view.values[max(view.values)] if view.values else math.nan
            table.add_row(
                f"  trial {view.number}",
                ProgressBar(total=1.0, completed=share, width=20),
                where,
                value_text(latest, self._record.plan.goal),
                Text(drawn_text(view.drawn), style="dim", overflow="ellipsis", no_wrap=True),
            )
        return Group(Text(self._headline(), style="bold"), table)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
