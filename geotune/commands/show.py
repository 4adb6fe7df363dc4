"""`geotune show`: a search that runs, has ended or was killed, from its files; as tables for papers too."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from geotune.record.history import History
    from geotune.search.glance import Glance

TOP = 10
"""Trials that are shown unless told otherwise."""
FAILURES = 3
"""Trials without a result whose reasons are shown, the latest ones."""
WIDTH = 1000
"""Columns where the output is no terminal: nothing is cut off."""


@click.command("show")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--top", type=click.IntRange(0), default=None, help=f"So many trials, 0 for all.  [default: {TOP}]")
@click.option("--csv", "form", flag_value="csv", help="Every trial as comma-separated values.")
@click.option("--markdown", "form", flag_value="markdown", help="The best trials as a Markdown table.")
@click.option("--latex", "form", flag_value="latex", help="The best trials as a LaTeX table.")
def command(run: Path, top: int | None, form: str | None) -> None:
    """Show the search in the folder RUN: what it has found, what runs, what it has cost.

    Only files are read, so it may run, have ended or have been killed.

    \b
    geotune show runs/img2gps-1
    geotune show runs/img2gps-1 --csv > trials.csv
    geotune show runs/img2gps-1 --latex --top 5
    """
    from geotune.record.history import read_history

    history = read_history(run)
    if form is not None:
        from geotune.report.tables import WRITERS

        click.echo(WRITERS[form](history, TOP if top is None and form != "csv" else top), nl=False)
        return
    from rich.console import Console

    from geotune.search.from_files import glance_at

    glance, shown = glance_at(history), TOP if top is None else top
    if sys.stdout.isatty():
        _show(history, glance, shown, run, Console(highlight=False, markup=False))
        return
    console = Console(width=WIDTH, highlight=False, markup=False)
    with console.capture() as text:
        _show(history, glance, shown, run, console)
    click.echo("\n".join(line.rstrip() for line in text.get().splitlines()))


def _show(history: "History", glance: "Glance", top: int, run: Path, console: "Console") -> None:
    from geotune.record.outcome import FAILED
    from geotune.record.runs import state_of
    from geotune.search import table
    from geotune.search.from_files import rows_of

    state = state_of(history.run, glance.ended, glance.most_trials)
    console.print(f"{table.headline(glance)} ({state})", style="bold")
    if glance.final:
        console.print(f"full training: {glance.final}")
    if glance.note:
        console.print(glance.note, style="yellow")
    if glance.running:
        console.print(table.running_table(glance.running, glance.metrics, console.width, console.is_terminal))
    ranked = history.ranked()
    if len(history.goals) > 1 and (front := history.front()):
        console.print()
        console.print(table.ranking(table.FRONT, rows_of(history, front), glance.metrics, console.is_terminal))
    if ranked:
        shown = ranked[: top or None]
        console.print()
        title = f"The best {len(shown)} of {len(history.trials)} trials ({table.counts_text(glance.counts)})"
        console.print(table.ranking(title, rows_of(history, shown), glance.metrics, console.is_terminal))
    elif history.trials:
        console.print(f"no result yet: {table.counts_text(glance.counts)}")
    for row in rows_of(history, [t for t in history.trials if t.state in FAILED][-FAILURES:]):
        console.print(f"trial {row.number} {row.state}: {table.reason_line(row).strip()}")
    console.print()
    _conclude(history, state, run, console)


def _conclude(history: "History", state: str, run: Path, console: "Console") -> None:
    """The test result, or how to get to one."""
    from geotune.record.words import tested_text

    if history.test:
        console.print(tested_text(history.test), style="bold", soft_wrap=True)
        console.print(f"model     {run}/model     geotune predict {run}/model photo.jpg", soft_wrap=True)
        console.print(f"report    {run}/report.html", soft_wrap=True)
    elif state == "interrupted":
        console.print(f"geotune resume {run}    to go on", soft_wrap=True)
        if history.ranked():
            console.print(f"geotune finish {run}    to train the best so far in full, now", soft_wrap=True)
    elif state == "ended":
        console.print(f"geotune resume {run}    to train the best trial in full and test it", soft_wrap=True)
