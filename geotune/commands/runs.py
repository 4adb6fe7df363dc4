"""`geotune runs`: the runs of a folder."""

from pathlib import Path

import click


@click.command("runs")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
def command(folder: Path) -> None:
    """List the runs in FOLDER (default: runs)."""
    for found in sorted(folder.glob("*/search.yaml")):
        click.echo(str(found.parent))
