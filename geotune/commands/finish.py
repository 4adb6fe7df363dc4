"""`geotune finish`: no more trials; train the best so far in full."""

from pathlib import Path

import click


@click.command("finish")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--changed", is_flag=True, help="Go on although the data, the space or the code is not what it was.")
def command(run: Path, changed: bool) -> None:
    """Take the best trial of the search in the folder RUN so far, train it in full, test it once and export it."""
    from geotune.record.folder import RunFolder

    folder = RunFolder.open(run)  # before anything heavy is imported
    from geotune.commands.conduct import conduct
    from geotune.record.plan import Plan
    from geotune.search.budget import Clock
    from geotune.search.changed import unchanged

    for line in unchanged(Plan.read(folder), folder, told=changed, command="finish"):
        click.echo(line)
    conduct(folder, Clock(None), more_trials=False)
