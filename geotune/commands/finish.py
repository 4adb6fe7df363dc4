"""`geotune finish`: no more trials; train the best so far in full."""

from pathlib import Path

import click


@click.command("finish")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--changed", is_flag=True, help="Go on although the data, the space or the code is not what it was.")
def command(run: Path, changed: bool) -> None:
    """Take the best trial of the search in the folder RUN so far, train it in full, test it once and export it.

    It takes the time that it needs, whatever is left of the search's budget.
    """
    from geotune.record.folder import RunFolder

    folder = RunFolder.open(run)  # before anything heavy is imported
    from geotune.commands.conduct import conduct
    from geotune.record.plan import Plan
    from geotune.search.changed import unchanged
    from geotune.search.spending import clock_of

    plan = Plan.read(folder)
    for line in unchanged(plan, folder, told=changed, command="finish"):
        click.echo(line)
    conduct(folder, clock_of(folder, plan, limited=False), more_trials=False)
