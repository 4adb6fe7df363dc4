"""What a search shows while it runs: a live table on a terminal, plain lines elsewhere."""

import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live

from geotune.config import flatten
from geotune.data.words import counted
from geotune.record.folder import RunFolder, read_json
from geotune.record.record import Record
from geotune.record.standings import pace
from geotune.record.trial import TrialView
from geotune.search import table
from geotune.search.background import repeated
from geotune.search.budget import Clock
from geotune.search.glance import Cost, Glance, Row, Rungs, progress_of, running
from geotune.search.waiting import waiting

REFRESH_SECONDS = 0.5
LINE_SECONDS = 30.0
STATE = {"due": "unfinished"}
"""What a state of the record is called where it is another word."""
BEST = 5
"""Trials that the end of a search ranks."""
LINES = 8
"""Running trials of which plain lines tell."""


def glance_of(record: Record, clock: Clock) -> Glance:
    """A search that this process runs, now."""
    views, best, spend = record.trials(), record.best(), clock.spend
    stopping = Rungs(flatten(record.plan.stopping))
    return Glance(
        name=record.run.name,
        metrics=tuple(goal.metric for goal in record.plan.goals),
        counts=Counter(STATE.get(view.state, view.state) for view in views),
        most_trials=record.limit,
        cost=Cost(spend.seconds, spend.gpu_hours, spend.left_seconds, clock.limits.time, clock.limits.gpu_hours),
        best=row_of(best, record) if best else None,
        running=[
            running(
                row_of(view, record), record.run.trial(view.number), stopping, partial(_photos, record, view.number)
            )
            for view in views
            if view.state == "running"
        ],
        note=waiting(record.run),
    )


def row_of(view: TrialView, record: Record) -> Row:
    """A trial as it is shown; of several goals those that it has no value of are NaN."""
    missing = (math.nan,) * (len(record.plan.goals) - len(view.objectives))
    values = (view.best, *view.objectives[1:], *missing) if view.objectives else (math.nan, *missing[1:])
    state = STATE.get(view.state, view.state)
    return Row(view.number, state, view.drawn, values, view.epochs, view.seconds, view.reason, view.breaks)


def result_of(record: Record, fill: bool) -> Group:
    """What the trials of a search gave: their best, and of several goals the trials that no other beats in every one.

    `fill` cuts settings off at the terminal's edge.
    """
    metrics = [goal.metric for goal in record.plan.goals]
    best = [row_of(view, record) for view in record.ranked()[:BEST]]
    counts = Counter(STATE.get(view.state, view.state) for view in record.trials())
    title = f"{counted(counts.total(), 'trial')}: {table.counts_text(counts)}"
    front = [row_of(view, record) for view in record.front()] if len(metrics) > 1 else []
    shown: list[RenderableType] = [table.ranking(table.FRONT, front, metrics, fill), ""] if front else []
    return Group(*shown, table.ranking(title, best, metrics, fill))


def _photos(record: Record, number: int) -> float | None:
    return pace(record.study.get_trials(deepcopy=False)[number], "photos")


@contextmanager
def following(run: RunFolder, title: str, console: Console) -> Iterator[None]:
    """Show how the full training goes on while the block runs it, or why it waits."""
    folder = run.final
    status = console.status(title)
    told = time.monotonic()
    said = noted = ""

    def follow() -> None:
        nonlocal told, said, noted
        if (note := waiting(run)) != noted:
            noted = note
            if note:
                console.print(note, highlight=False, soft_wrap=True)
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
        self._noted = ""

    def __enter__(self) -> "Display":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _follow(self) -> None:
        if self._console.is_terminal:
            with Live(self._table(), console=self._console, auto_refresh=False, transient=True) as live:
                while not self._stop.wait(REFRESH_SECONDS):
                    self._tell_ended()
                    live.update(self._table(), refresh=True)
            self._tell_ended()
            return
        last = time.monotonic()
        while not self._stop.wait(REFRESH_SECONDS):
            self._tell_ended()
            self._tell_note()
            if time.monotonic() - last > LINE_SECONDS:
                last = time.monotonic()
                self._tell_standing()
        self._tell_ended()

    def _tell_ended(self) -> None:
        """A line for every trial that has ended since the last look."""
        best, metrics = self._record.best(), [goal.metric for goal in self._record.plan.goals]
        for view in self._record.trials():
            if view.state in ("running", "due") or self._told.get(view.number) == view.state:
                continue
            self._told[view.number] = view.state
            row, leads = row_of(view, self._record), best is not None and best.number == view.number
            self._print(table.trial_line(row, metrics, leads), bold=leads)
            if reason := table.reason_line(row):
                self._print(reason)

    def _tell_note(self) -> None:
        note = waiting(self._record.run)
        if note and note != self._noted:
            self._print(note)
        self._noted = note

    def _tell_standing(self) -> None:
        """Where the search stands, in plain lines."""
        glance = glance_of(self._record, self._clock)
        self._print(table.headline(glance))
        self._print(table.best_line(glance))
        for each in glance.running[:LINES]:
            self._print(table.running_line(each, glance.metrics))
        if len(glance.running) > LINES:
            self._print(f"  and {len(glance.running) - LINES} more")

    def _print(self, text: str, bold: bool = False) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True, style="bold" if bold else None)

    def _table(self) -> Group:
        console = self._console
        return table.live(glance_of(self._record, self._clock), console.width, console.height)
