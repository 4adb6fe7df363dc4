"""`geotune resume`: go on with a search after anything."""

from pathlib import Path

import click

from geotune.commands.settings_help import SettingsCommand


class ResumeCommand(SettingsCommand):
    settings = ("geotune.record.space_file:BudgetSettings:Another budget",)


@click.command("resume", cls=ResumeCommand)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("words", nargs=-1, metavar="[trials=N] [time=8h] [gpu_hours=H]")
@click.option("--changed", is_flag=True, help="Go on although the data, the space or the code is not what it was.")
def command(run: Path, words: tuple[str, ...], changed: bool) -> None:
    """Go on with the search in the folder RUN, as in `geotune resume runs/demo-1`.

    No trial is lost and none is run twice; what was running goes on from its last checkpoint. What was spent counts on;
    trials=, time= and gpu_hours= give the search another budget, in all and from its start, as `geotune budget` does.
    """
    from geotune.record.folder import RunFolder

    folder = RunFolder.open(run)  # before anything heavy is imported
    from geotune.commands.budget import change, refuse_what_is_spent
    from geotune.commands.conduct import conduct
    from geotune.record.plan import Plan
    from geotune.search.changed import unchanged
    from geotune.search.spending import clock_of

    plan = Plan.read(folder)
    for line in unchanged(plan, folder, told=changed):
        click.echo(line)
    if words:
        refuse_what_is_spent(folder, plan, words)
        change(folder, plan, words)
    conduct(folder, clock_of(folder, plan))
