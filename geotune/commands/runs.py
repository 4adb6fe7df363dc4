"""`geotune runs`: the runs of a folder, and the removal of some."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from geotune.errors import GeotuneError

if TYPE_CHECKING:
    from geotune.record.runs import Summary

WIDTH = 1000
"""Columns where the output is no terminal: nothing is cut off."""

ROOMY = 100
"""Columns from which the table has wider gaps."""


class Runs(click.Group):
    """A group whose first word may be a folder instead of a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = {*self.commands, *ctx.help_option_names}
        return super().parse_args(ctx, args if args and args[0] in words else ["list", *args])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[FOLDER] | rm RUN..."]


@click.group("runs", cls=Runs)
def command() -> None:
    """List the runs in FOLDER (default: runs): state, best, cost, size; `rm` removes some.

    \b
    geotune runs
    geotune runs /data/runs
    geotune runs rm runs/img2gps-1 runs/img2gps-2

    \b
    running      a search is at work there
    interrupted  geotune resume RUN goes on
    ended        all trials are done, geotune resume RUN trains the best in full
    tested       all is done
    """


@command.command("list", hidden=True)
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
def list_runs(folder: Path) -> None:
    """List the runs in FOLDER."""
    folder = Path(str(folder).removeprefix("runs="))  # as `geotune ui` and `geotune search` spell it
    if not folder.is_dir():
        raise GeotuneError(f"{folder}: no such folder", "name the folder of the runs, as in geotune runs /data/runs")
    from geotune.record.runs import runs_in, summary_of

    runs = runs_in(folder)
    if not runs:
        hint = f"it is one itself: geotune show {folder}" if (folder / "search.yaml").is_file() else ""
        raise GeotuneError(f"{folder}: no runs there", hint)
    found = []
    for run in runs:
        try:
            found.append(summary_of(run))
        except GeotuneError as error:  # one damaged run hides no other
            click.echo(str(error), err=True)
    _print(sorted(found, key=lambda summary: -summary.changed))


@command.command("rm")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove_runs(runs: Sequence[Path], yes: bool) -> None:
    """Remove the runs in the folders RUN with all their trials and models. What MLflow was sent stays there.

    A run that is at work is refused, and nothing but folders of runs is touched; links are never followed.
    """
    from geotune.record.driver import is_running
    from geotune.record.folder import RunFolder
    from geotune.record.runs import remove, size_of
    from geotune.record.words import size_text

    found: dict[Path, RunFolder] = {}
    for path in runs:
        if path.is_symlink():
            raise GeotuneError(f"{path}: is a link, to {path.readlink()}", "name the folder itself")
        run = RunFolder.open(path)
        found[run.path] = run
        if is_running(run):
            raise GeotuneError(f"{path}: a search runs there", "stop it first, with Ctrl-C in its terminal")
    for run in found.values():
        if yes or click.confirm(f"Remove {run.path} ({size_text(size_of(run.path))})?"):
            remove(run)
            click.echo(f"removed {run.path}")


def _print(found: Sequence["Summary"]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from geotune.record.words import age_text, duration_text, size_text

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2 if console.width >= ROOMY else 1, 0, 0))
    gpus = any(summary.gpu_hours for summary in found)
    left = ("run", "state")
    columns = [*left, "trials", "best", "test", "time", *(["GPU h"] if gpus else []), "size", "age"]
    for column in columns:
        table.add_column(column, justify="left" if column in left else "right", no_wrap=True)
    for summary in found:
        cells = [summary.run.name, summary.state, _trials(summary), _best(summary), _test(summary)]
        cells.append(duration_text(summary.seconds) if summary.seconds else "–")
        if gpus:
            cells.append(f"{summary.gpu_hours or 0:.3g}")
        cells += [size_text(summary.size_bytes), age_text(time.time() - summary.changed)]
        table.add_row(*map(Text, cells), style="bold" if summary.state == "running" else None)
    if sys.stdout.isatty():
        console.print(table)
        return
    with console.capture() as text:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in text.get().splitlines()))


def _trials(summary: "Summary") -> str:
    return f"{summary.ended}/{summary.most_trials}" if summary.most_trials else str(summary.ended)


def _best(summary: "Summary") -> str:
    from geotune.record.words import NONE, value_text

    return value_text(summary.best[1], summary.best[0]) if summary.best else NONE


def _test(summary: "Summary") -> str:
    """The median error on the test photos."""
    from geotune.record.words import NONE, tested_metric, value_text

    test = summary.test
    return value_text(test["metrics"][tested_metric(test)], tested_metric(test)) if test else NONE
