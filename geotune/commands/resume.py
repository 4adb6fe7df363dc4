"""`geotune resume`: go on with a search after anything."""

from pathlib import Path

import click


@click.command("resume")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--changed", is_flag=True, help="Go on although the data, the space or the code is not what it was.")
def command(run: Path, changed: bool) -> None:
    """Go on with the search in the folder RUN, as in `geotune resume runs/demo-1`.

    No trial is lost and none is run twice; what was running goes on from its last checkpoint. The time budget counts
    anew from here.
    """
    from geotune.record.folder import RunFolder

    folder = RunFolder.open(run)  # before anything heavy is imported
    from geotune.commands.conduct import conduct
    from geotune.record.plan import Plan
    from geotune.search.budget import Clock
    from geotune.search.changed import unchanged

    plan = Plan.read(folder)
    for line in unchanged(plan, folder, told=changed):
        click.echo(line)
    conduct(folder, Clock(plan.settings.time))
