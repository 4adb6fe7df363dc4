"""`geotune budget`: what a search may cost."""

from pathlib import Path

import click


@click.command("budget")
@click.argument("run", type=click.Path(path_type=Path))
def command(run: Path) -> None:
    """Say what the search in the folder RUN may cost."""
    from geotune.record.folder import RunFolder

    folder = RunFolder.open(run)  # before anything heavy is imported
    from geotune.record.plan import Plan

    plan = Plan.read(folder)
    click.echo(f"trials {plan.trials}")
    click.echo(f"time   {'any' if plan.settings.time is None else f'{plan.settings.time:.0f} s'}")
