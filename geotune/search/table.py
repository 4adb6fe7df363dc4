"""A search at an instant as lines and tables of a terminal."""

import math
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from geotune.config import Flat
from geotune.record.outcome import FAILED, Outcome
from geotune.record.words import NONE, drawn_text, duration_text, value_text
from geotune.search.glance import Glance, Row, Running

BAR = {False: 8, True: 20}
"""Columns of a progress bar on a narrow terminal and on a wide one."""
FRONT = "No other trial beats these in every goal"
"""Heads the best compromises between several goals."""
WIDE = 110
"""Columns from which a terminal is wide."""


def headline(glance: Glance) -> str:
    """`img2gps-1: 23 of 64 trials, 1:02:30 of 8:00:00, 2.1 of 8 GPU hours, about 3:40:00 left`."""
    cost = glance.cost
    parts = [f"{glance.ended} of {glance.most_trials} trials" if glance.most_trials else f"{glance.ended} trials"]
    if cost.seconds:
        of = f" of {duration_text(cost.most_seconds)}" if cost.most_seconds else ""
        parts.append(duration_text(cost.seconds) + of)
    if cost.gpu_hours or cost.most_gpu_hours:
        of = f" of {cost.most_gpu_hours:.3g}" if cost.most_gpu_hours else ""
        parts.append(f"{cost.gpu_hours:.3g}{of} GPU hours")
    if not math.isnan(cost.left_seconds):
        parts.append(f"about {duration_text(cost.left_seconds)} left")
    return f"{glance.name}: {', '.join(parts)}"


def best_line(glance: Glance) -> str:
    """`best 57.4 m by trial 17: backbone=resnet101 …`, or that there is none yet."""
    if glance.best is None:
        return "no result yet"
    row = glance.best
    return f"best {values_text(row, glance.metrics)} by trial {row.number}{_but(row)}: {drawn_text(row.drawn)}"


def trial_line(row: Row, metrics: Sequence[str], best: bool) -> str:
    """A trial that has ended, as one line."""
    return (
        f"trial {row.number:>3} {row.state:<10} {values_text(row, metrics):>9}  {row.epochs:>3} epochs "
        f"{duration_text(row.seconds):>6}  {drawn_text(row.drawn)}{_but(row)}{' ← best so far' if best else ''}"
    )


def reason_line(row: Row) -> str:
    """Why a trial gave no result, as far as one line tells it; empty for the others."""
    lines = row.reason.strip().splitlines()
    return f"          {lines[-1]}" if lines and row.state in FAILED else ""


def running_line(running: Running, metrics: Sequence[str]) -> str:
    """A trial at work, as one line."""
    parts = (running.where, running.rung, values_text(running.row, metrics) if running.row.epochs else "")
    return f"  trial {running.row.number}: {', '.join(filter(None, parts))}"


def live(glance: Glance, columns: int, rows: int) -> Group:
    """What a terminal of that size shows of a search that runs; never higher than the terminal."""
    best = Text(best_line(glance), overflow="ellipsis", no_wrap=True)
    head: list[RenderableType] = [Text(headline(glance), style="bold"), best]
    if glance.final:
        head.append(Text(f"full training: {glance.final}"))
    if glance.note:
        head.append(Text(glance.note, style="yellow"))
    room = max(1, rows - len(head) - 3)
    shown = glance.running[:room] if len(glance.running) <= room else glance.running[: room - 1]
    left = len(glance.running) - len(shown)
    more = [Text(f"  and {left} more", style="dim")] if left else []
    return Group(*head, running_table(shown, glance.metrics, columns), *more)


def running_table(running: Sequence[Running], metrics: Sequence[str], columns: int, fill: bool = True) -> Table:
    """The trials at work, a line each: number, bar, epoch, rung, value so far, settings.

    `fill` cuts the settings off at the terminal's edge.
    """
    table = Table.grid(padding=(0, 1), expand=fill)
    for _ in range(5):
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", style="dim", ratio=1 if fill else None)
    for each in running:
        bar = ProgressBar(total=1.0, completed=each.share, width=BAR[columns >= WIDE])
        said = (each.where, each.rung, values_text(each.row, metrics), drawn_text(each.row.drawn))
        table.add_row(Text(f"  trial {each.row.number}"), bar, *map(Text, said))
    return table


def ranking(title: str, rows: Sequence[Row], metrics: Sequence[str], fill: bool) -> Group:
    """Trials in the order given: what they reached, and the settings that they do not all share; below it those.

    `fill` cuts the settings off at the terminal's edge.
    """
    shared = _shared(rows)
    table = Table(box=None, pad_edge=False, expand=fill)
    for column in ("trial", "state", *metrics, "epochs", "time"):
        table.add_column(column, justify="left" if column == "state" else "right", no_wrap=True)
    table.add_column("settings", no_wrap=True, overflow="ellipsis", ratio=1 if fill else None)
    for row in rows:
        values = [value_text(value, metric) for value, metric in zip(row.values, metrics, strict=True)]
        own = drawn_text({key: value for key, value in row.drawn.items() if key not in shared})
        said = [row.state, *values, str(row.epochs), duration_text(row.seconds), own + _but(row)]
        table.add_row(*map(Text, (str(row.number), *said)))
    below = [Text(f"all have {drawn_text(shared)}", style="dim")] if shared else []
    return Group(Text(title, style="bold"), table, *below)


def _shared(rows: Sequence[Row]) -> Flat:
    """The settings that several trials all have, with the same value."""
    first = rows[0].drawn if len(rows) > 1 else {}
    return {key: value for key, value in first.items() if all(row.drawn.get(key) == value for row in rows)}


def counts_text(counts: Mapping[str, int]) -> str:
    """`40 stopped, 20 complete`."""
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "none begun"


def values_text(row: Row, metrics: Sequence[str]) -> str:
    """What a trial has reached of every goal: `57.4 m, 12.0 s`; one dash where it has nothing yet."""
    if all(map(math.isnan, row.values)):
        return NONE
    return ", ".join(value_text(value, metric) for value, metric in zip(row.values, metrics, strict=True))


def _but(row: Row) -> str:
    """What speaks against a trial, in brackets: the limits that it breaks, why it was stopped."""
    told = [f"breaks {', '.join(row.breaks)}"] if row.breaks else []
    told += [row.reason] if row.state == Outcome.STOPPED and row.reason else []
    return f" ({'; '.join(told)})" if told else ""
