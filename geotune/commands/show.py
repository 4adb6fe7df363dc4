"""`geotune show`: a search that runs, has ended or was killed, from its files."""

from pathlib import Path

import click


@click.command("show")
@click.argument("run", type=click.Path(path_type=Path))
def command(run: Path) -> None:
    """Show the search in the folder RUN: its trials, best first."""
    from geotune.record.history import read_history

    history = read_history(run)
    for trial in history.ranked():
        value = trial.best(history.goal, history.minimize)
        click.echo(f"trial {trial.name:>3} {trial.state:<10} {value:.6g}  {len(trial.epochs)} epochs")
