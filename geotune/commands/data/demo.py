"""`geotune data demo`: build the demo dataset."""

import shlex
from pathlib import Path
from typing import Literal

import click

from geotune.commands.data.common import cleaning_up, progress, show


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--photos", default=4000, show_default=True, type=click.IntRange(min=20), help="How many views.")
@click.option("--size", default=96, show_default=True, type=click.IntRange(16, 1024), help="Side of a view in pixels.")
@click.option("--by", type=click.Choice(["place", "block"]), default="place", show_default=True,
              help="What is held out: points, or the harder blocks of 10°.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Which views are drawn.")
def command(out: Path, photos: int, size: int, by: Literal["place", "block"], seed: int) -> None:
    """Build the demo dataset OUT: views of NASA's Blue Marble.

    They look at points on land all over the world.
    """
    from geotune.data.dataset import open_dataset
    from geotune.data.demo import build_demo

    with cleaning_up(), progress() as tell:
        build_demo(
            out, photos=photos, size=size, by=by, seed=seed, on_progress=lambda n, of: tell("drawing views", n, of)
        )
    show(open_dataset(out))
    click.echo(f"\nSearch on it:  geotune search space=demo data={shlex.quote(str(out))}")
