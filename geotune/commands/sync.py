"""`geotune sync`: send to MLflow what a search could not."""

from pathlib import Path

import click


@click.command("sync")
@click.argument("run", type=click.Path(path_type=Path))
def command(run: Path) -> None:
    """Send to MLflow what it does not have yet of the search in the folder RUN."""
    from geotune.record.folder import RunFolder

    folder = RunFolder.open(run)  # before anything heavy is imported
    from geotune.record.plan import Plan
    from geotune.track.sender import Sender

    tracking = Plan.read(folder).settings.tracking
    if tracking != "none":
        Sender(folder.path, tracking).sync(unfinished=None)
