"""`geotune data import`: photos of any source become a dataset."""

import shlex
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from geotune.commands.data.common import cleaning_up, progress, show, space_for
from geotune.errors import GeotuneError


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--split", "by", type=click.Choice(["place", "block", "given"]), default="place", show_default=True,
              help="What is held out: places, blocks of a grid, or the source's own split column.")  # fmt: skip
@click.option("--radius", default="25m", show_default=True, metavar="LENGTH",
              help="With --split place: how far from its centre a place reaches.")  # fmt: skip
@click.option("--block", default="50m", show_default=True, metavar="LENGTH",
              help="With --split block: side of a block, as in 50m or 2km.")  # fmt: skip
@click.option("--valid", default=0.15, show_default=True, help="Share of the photos that choose between trials.")
@click.option("--test", default=0.15, show_default=True, help="Share of the photos kept for the one final test.")
@click.option("--seed", default=0, show_default=True, help="Which places or blocks are held out.")
@click.option("--max-side", default=512, show_default=True, help="Longest side of a stored photo in pixels.")
@click.option("--images", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Folder that a CSV's image names are relative to  [default: the CSV's own]")  # fmt: skip
@click.pass_context
def command(ctx: click.Context, /, source: Path, out: Path, images: Path | None, max_side: int, **split: Any) -> None:
    """Make the dataset OUT of SOURCE, your photos with positions.

    SOURCE is a folder of photos with GPS in EXIF, or a CSV file with the columns file, latitude, longitude and, if you
    like, place and split.

    The photos are stored upright, scaled down and without their EXIF; SOURCE stays as it is.

    \b
    geotune data import PHOTOS data/town
    geotune data import labels.csv data/town --split block --block 50m
    """
    from geotune.config import build
    from geotune.data.dataset import open_dataset
    from geotune.data.importer import ImportSettings, import_photos, source_of
    from geotune.data.split import SplitSettings
    from geotune.data.writer import refuse_existing
    from geotune.geo.extent import extent_of

    _refuse_strange(ctx, "block", only_with="block")
    _refuse_strange(ctx, "radius", only_with="place")
    refuse_existing(out.expanduser(), source)  # before the source: they may stand in the wrong order
    given = source_of(source, images)
    divided = build(SplitSettings, split)
    chosen = build(
        ImportSettings, {"source": given.model_dump(), "max_side": max_side, "split": divided.model_dump(mode="json")}
    )
    with cleaning_up(), progress() as tell:
        done = import_photos(chosen, out, extent_of=extent_of, on_progress=tell)
    dataset = open_dataset(out)
    show(dataset)
    for reason, count in done.left_out.most_common():
        click.echo(f"  left out {count:>7,}  {reason} (the first: {done.examples[reason]})")
    click.echo(f"\nSearch on it:  geotune search space={space_for(dataset.extent)} data={shlex.quote(str(out))}")


def _refuse_strange(ctx: click.Context, option: str, *, only_with: str) -> None:
    """Refuse an option of another kind of split: it would pass for a question that the split does not answer."""
    by, value = ctx.params["by"], ctx.params[option]
    if by != only_with and ctx.get_parameter_source(option) is ParameterSource.COMMANDLINE:
        raise GeotuneError(
            f"--{option} {value} belongs to --split {only_with}, not to --split {by}",
            f"hold out {only_with}s: --split {only_with} --{option} {value}; or leave --{option} out",
        )
