"""`geotune data import`: photos of any source become a dataset, or join one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from geotune.commands.data.common import cleaning_up, progress, say_next, show, show_cases, show_flattery
from geotune.commands.data.fetched import fetched
from geotune.errors import GeotuneError

if TYPE_CHECKING:
    from geotune.data.importing.importer import Imported, ImportSettings
    from geotune.data.sources.kinds import Source

SETTLED = (
    "by", "radius", "block", "group", "gap", "valid", "test", "seed", "max_side", "quality", "columns", "keep_far",
    "keep_duplicates",
)  # fmt: skip
"""Options that a dataset has once and for all."""


@click.command()
@click.argument("source")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--add", is_flag=True, help="Add the photos to the dataset OUT; each of its photos keeps its split.")
@click.option("--in-place", is_flag=True, help="Use .msg shards where they lie: nothing is copied.")
@click.option("--images", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Folder that a CSV's image names are relative to  [default: the CSV's own]")  # fmt: skip
@click.option("--labels", type=click.Path(path_type=Path), metavar="FILE",
              help="CSV or JSON with the positions of .msg shards  [default: the one beside them]")  # fmt: skip
@click.option(
    "--split",
    "by",
    type=click.Choice(["place", "block", "given", "photo"]),
    default="place",
    show_default=True,
    help="What is held out: places, blocks of a grid, the source's own splits, or photos of known spots.",
)
@click.option("--radius", default="25m", show_default=True, metavar="LENGTH",
              help="With --split place: how far from its centre a place reaches.")  # fmt: skip
@click.option("--block", default="50m", show_default=True, metavar="LENGTH",
              help="With --split block: side of a block, as in 50m or 2km.")  # fmt: skip
@click.option("--group", default="", metavar="NAME",
              help="Never divide a burst, a session, a camera, or a column of the source such as owner.")  # fmt: skip
@click.option("--gap", default="0m", show_default=True, metavar="LENGTH",
              help="Leave out training photos nearer than this to a held-out one.")  # fmt: skip
@click.option("--valid", default=0.15, show_default=True, help="Share of the photos that choose between trials.")
@click.option("--test", default=0.15, show_default=True, help="Share of the photos kept for the one final test.")
@click.option("--seed", default=0, show_default=True, help="Which places, blocks or photos are held out.")
@click.option("--max-side", default=512, show_default=True, help="Longest side of a stored photo in pixels.")
@click.option("--quality", default=90, show_default=True, help="JPEG quality of a stored photo.")
@click.option("--columns", default="all", show_default=True, metavar="NAMES",
              help="Other columns that are kept: all (but EXIF and serial numbers), none, or a,b,c.")  # fmt: skip
@click.option("--keep-far", is_flag=True, help="Keep a region's photos that lie far from all others.")
@click.option("--keep-duplicates", is_flag=True, help="Keep copies of the same file.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    source: str,
    out: Path,
    add: bool,
    images: Path | None,
    labels: Path | None,
    **options: Any,
) -> None:
    """Make the dataset OUT of SOURCE, your photos with positions.

    SOURCE is a folder of photos with GPS in EXIF (Google Takeout too), a CSV file with the columns file, latitude,
    longitude and, if you like, place and split, Hugging Face parquet, WebDataset .tar files, or .msg shards; here or
    on s3://, gs://, hf:// or https://.

    The photos are stored upright, scaled down and without their EXIF; capture time, heading, GPS error and a number for
    the camera are kept. What is wrong with them stands in OUT/cleaning.html and cleaning.csv. SOURCE stays as it is.

    \b
    geotune data import PHOTOS data/town
    geotune data import labels.csv data/town --split block --block 50m --gap 20m
    geotune data import SHARDS data/town --in-place
    geotune data import NEW_PHOTOS data/town --add
    """
    from geotune.data.dataset import open_dataset
    from geotune.data.importing.extend import add_photos
    from geotune.data.importing.importer import import_photos
    from geotune.data.sources.kinds import source_of
    from geotune.data.writing.writer import refuse_existing
    from geotune.report.cleaning import write_report

    _refuse_strange(ctx, "block", fits=("block",))
    _refuse_strange(ctx, "radius", fits=("place",))
    if add:
        _refuse_settled(ctx, out)
        open_dataset(out)  # before the source is looked at, which may take its time
    else:
        refuse_existing(out.expanduser(), Path(source))  # before the source: they may stand in the wrong order
    given = source_of(fetched(source, in_place=options["in_place"]), images=images, labels=labels)
    _refuse_in_place(ctx, given)
    if add:
        with _saying(out, add), cleaning_up(), progress() as tell:
            done = add_photos(given, out, in_place=options["in_place"], on_progress=tell, report=write_report)
    else:
        chosen = _settings(given, options)
        with _saying(out, add), cleaning_up(), progress() as tell:
            done = import_photos(chosen, out, on_progress=tell, report=write_report)
    _tell_what_was_done(done, add, given)


@contextmanager
def _saying(out: Path, add: bool) -> Iterator[None]:
    """Whoever interrupts is told what there is now."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        click.echo(f"\nStopped: {out} {'is as it was' if add else 'was not made'}.", err=True)
        raise


def _settings(source: "Source", options: dict[str, Any]) -> "ImportSettings":
    """The options as settings; all that is wrong with them is said at once."""
    from geotune.config import build
    from geotune.data.importing.importer import ImportSettings
    from geotune.data.split import SplitSettings

    options = dict(options)
    cleaning = {name: options.pop(name) for name in ("keep_far", "keep_duplicates")}
    whole = {name: options.pop(name) for name in ("max_side", "quality", "columns", "in_place")}
    split = build(SplitSettings, options)  # on its own first: its faults are named as the options are
    given = {**whole, "source": source.model_dump(), "clean": cleaning, "split": split.model_dump(mode="json")}
    return build(ImportSettings, given)


def _tell_what_was_done(done: "Imported", add: bool, source: "Source") -> None:
    from geotune.data.dataset import open_dataset
    from geotune.data.words import counted

    dataset = open_dataset(done.out)
    if add:
        total = sum(done.added.values())
        splits = ", ".join(f"{count:,} to {name}" for name, count in done.added.items() if count)
        click.echo(f"Added {counted(total, 'photo')}{f': {splits}' if splits else ', so nothing changed'}.\n")
    show(dataset)
    show_cases(done.left_out, done.noted, done.examples)
    if done.on_places:
        click.echo(f"\n{done.on_places}")
    if done.columns:
        click.echo(f"\nOther columns kept with each photo: {', '.join(done.columns)}  (--columns none leaves them out)")
    if done.own_splits:
        click.echo(f"\n{source.path.name} has splits of its own: --split given keeps to them.")
    if told := [one for one in done.flattery if one.kind != "few"]:  # of few photos `show` has spoken
        show_flattery(told, f"remove {done.out} and import again")  # more of it: geotune data check
    if (dataset.folder / "cleaning.html").is_file():
        click.echo(f"\nEvery case, with a map and pictures:  {done.out / 'cleaning.html'}")
    say_next(dataset, done.out)


# ------------------------------------------------------------------------------------------ refusals


def _said(ctx: click.Context, option: str) -> bool:
    return ctx.get_parameter_source(option) is ParameterSource.COMMANDLINE


def _refuse_strange(ctx: click.Context, option: str, *, fits: tuple[str, ...]) -> None:
    """Refuse an option of another kind of split: it would pass for a question that the split does not answer."""
    by, value = ctx.params["by"], ctx.params[option]
    if by not in fits and _said(ctx, option):
        raise GeotuneError(
            f"--{option} {value} belongs to --split {fits[0]}, not to --split {by}",
            f"hold out {fits[0]}s: --split {fits[0]} --{option} {value}; or leave --{option} out",
        )


def _refuse_settled(ctx: click.Context, out: Path) -> None:
    """Refuse what the dataset has decided already."""
    names = [option for option in SETTLED if _said(ctx, option)]
    if names:
        spelt = ", ".join("--split" if name == "by" else f"--{name.replace('_', '-')}" for name in names)
        raise GeotuneError(
            f"{spelt} with --add: {out} was made with settings of its own, and newcomers are treated alike",
            f"leave {spelt} out, or make another dataset of all photos",
        )


def _refuse_in_place(ctx: click.Context, source: "Source") -> None:
    """Refuse to use where they lie what are no shards, or to change what stays where it lies."""
    if not ctx.params["in_place"]:
        return
    if source.name != "shards":
        raise GeotuneError(
            f"--in-place: only .msg shards can be used where they lie, and {source.path} is none",
            "leave --in-place out: photos are copied, scaled down",
        )
    for option in ("max_side", "quality", "columns"):
        if _said(ctx, option):
            raise GeotuneError(
                f"--{option.replace('_', '-')} with --in-place: nothing is copied, so nothing is changed",
                f"leave one of the two out: --in-place, or --{option.replace('_', '-')}",
            )
