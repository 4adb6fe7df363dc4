"""`geotune finish`: no more trials; train the best so far in full."""

from pathlib import Path

import click


@click.command("finish")
@click.argument("run", type=click.Path(path_type=Path))
def command(run: Path) -> None:
    """Take the best trial of the search in the folder RUN so far, train it in full, test it once and export it."""
    from geotune.record.folder import RunFolder

    folder = RunFolder.open(run)  # before anything heavy is imported
    from geotune.commands.conduct import conduct
    from geotune.record.plan import Plan
    from geotune.search.budget import Clock
    from geotune.search.prepare import unchanged

    unchanged(Plan.read(folder))
    conduct(folder, Clock(None), more_trials=False)
