"""`geotune budget`: what a search may cost, what it has cost, and another budget, also while it runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from geotune.commands.settings_help import SettingsCommand

if TYPE_CHECKING:
    from geotune.record.folder import RunFolder
    from geotune.record.plan import Plan


class BudgetCommand(SettingsCommand):
    settings = ("geotune.record.space_file:BudgetSettings:Limits",)


@click.command("budget", cls=BudgetCommand)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("words", nargs=-1, metavar="[trials=N] [time=8h] [gpu_hours=H]")
def command(run: Path, words: tuple[str, ...]) -> None:
    """Say what the search in the folder RUN has cost and has left, or give it another budget.

    Each limit counts from the search's start, over all its interruptions; whichever is reached first ends the trials,
    and the full training of the best follows within what was kept for it. A search that runs heeds it within a second.

    \b
    geotune budget runs/img2gps-1
    geotune budget runs/img2gps-1 trials=100 time=12h
    geotune budget runs/img2gps-1 gpu_hours=none       # no limit any more
    """
    from geotune.record.folder import RunFolder

    folder = RunFolder.open(run)  # before anything heavy is imported
    from geotune.record.plan import Plan

    plan = Plan.read(folder)
    if words:
        change(folder, plan, words)
    for line in _lines(folder, plan):
        click.echo(line)


def change(run: "RunFolder", plan: "Plan", words: Sequence[str]) -> None:
    """Write the limits that the words name to the run; GeotuneError with all their faults, or where it is too late."""
    from geotune.config import parse_overrides
    from geotune.record.budget import changed, read_limits, write_limits

    given = parse_overrides(words)
    changed(read_limits(run, plan), given)
    _refuse_what_is_tested(run, plan)
    write_limits(run, given)


def _refuse_what_is_tested(run: "RunFolder", plan: "Plan") -> None:
    from geotune.errors import GeotuneError
    from geotune.search.changed import anew

    if run.final_json.is_file():
        problem = f"{run.name}: its model is trained and tested; more trials would have the test photos looked at again"
        raise GeotuneError(problem, f"a new search learns from it:  {anew(plan, run)}")


def refuse_what_is_spent(run: "RunFolder", plan: "Plan", words: Sequence[str]) -> None:
    """GeotuneError where a search that is to go on with these words would end at once."""
    from geotune.config import parse_overrides
    from geotune.errors import GeotuneError
    from geotune.record.budget import changed, read_limits, read_spend
    from geotune.record.words import duration_text
    from geotune.search.budget import Clock

    given = parse_overrides(words)
    limits, spend = changed(read_limits(run, plan), given), read_spend(run)
    _refuse_what_is_tested(run, plan)
    left, first = Clock(limits, spend).for_trials(1.0)
    if left > 0:
        return
    if first == "time":
        spent, kept, enough = duration_text(spend.seconds), duration_text(spend.final_seconds), limits.time or 0.0
        mend = f"time={int((spend.seconds + enough) // 60) + 1}m"
    else:
        spent, kept, enough = f"{spend.gpu_hours:.2f} h", duration_text(spend.final_seconds), limits.gpu_hours or 0.0
        mend = f"gpu_hours={spend.gpu_hours + enough:.2f}"
    raise GeotuneError(
        f"{first}: {spent} are spent and {kept} kept for the full training, so no trial could go on",
        f"a limit counts from the search's start, as in {mend}; `geotune finish` trains the best so far",
    )


def _lines(run: "RunFolder", plan: "Plan") -> list[str]:
    """What is spent and left of each limit."""
    from geotune.record.budget import read_limits, read_spend
    from geotune.record.driver import is_running
    from geotune.record.words import duration_text

    limits, spend = read_limits(run, plan), read_spend(run)
    begun, trials = sum(1 for _ in run.trials()), limits.trials or plan.trials
    rows = [("trials", f"{begun} begun", f"of {trials}", f"{max(0, trials - begun)} left")]
    time = limits.time
    left = "" if time is None else f"{duration_text(max(0.0, time - spend.seconds))} left"
    rows.append(("time", duration_text(spend.seconds), _of(time and duration_text(time)), left))
    if spend.gpu_hours or limits.gpu_hours:
        hours = limits.gpu_hours
        left = "" if hours is None else f"{max(0.0, hours - spend.gpu_hours):.2f} left"
        rows.append(("gpu_hours", f"{spend.gpu_hours:.2f}", _of(hours and f"{hours:g}"), left))
    lines = [f"{name:<10}{spent:>12}  {of:<12}{left}".rstrip() for name, spent, of, left in rows]
    if spend.final_seconds and not run.final_json.is_file():
        lines.append(f"of it about {duration_text(spend.final_seconds)} are kept for the full training")
    if is_running(run) and run.final.path.is_dir():
        lines.append("its full training has begun: another budget is heeded when it is interrupted and resumed")
    return lines


def _of(limit: str | float | None) -> str:
    return f"of {limit}" if limit else "no limit"
