"""`geotune data`: import photos, build the demo dataset, check a dataset."""

import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import click
from click.core import ParameterSource

from geotune.errors import GeotuneError

if TYPE_CHECKING:
    from geotune.data.dataset import Dataset

FEW_PHOTOS, FEW_PLACES = 30, 5
"""With fewer to test on, a bootstrap interval says little."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Import photos, build the demo dataset, check a dataset."""


@command.command("import")
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
def import_(ctx: click.Context, /, source: Path, out: Path, images: Path | None, max_side: int, **split: Any) -> None:
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
    with _cleaning_up(), _progress() as tell:
        done = import_photos(chosen, out, extent_of=extent_of, on_progress=tell)
    dataset = open_dataset(out)
    _show(dataset)
    for reason, count in done.left_out.most_common():
        click.echo(f"  left out {count:>7,}  {reason} (the first: {done.examples[reason]})")
    click.echo(f"\nSearch on it:  geotune search space={_space_for(dataset.extent)} data={shlex.quote(str(out))}")


def _refuse_strange(ctx: click.Context, option: str, *, only_with: str) -> None:
    """Refuse an option of another kind of split: it would pass for a question that the split does not answer."""
    by, value = ctx.params["by"], ctx.params[option]
    if by != only_with and ctx.get_parameter_source(option) is ParameterSource.COMMANDLINE:
        raise GeotuneError(
            f"--{option} {value} belongs to --split {only_with}, not to --split {by}",
            f"hold out {only_with}s: --split {only_with} --{option} {value}; or leave --{option} out",
        )


def _space_for(extent: Literal["region", "world"]) -> str:
    """The shipped space for a dataset on this machine; an NVIDIA driver is looked for without loading torch."""
    if extent == "world":
        return "geolocator"
    return "img2gps" if Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") else "img2gps_cpu"


@command.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--photos", default=4000, show_default=True, type=click.IntRange(min=20), help="How many views.")
@click.option("--size", default=96, show_default=True, type=click.IntRange(16, 1024), help="Side of a view in pixels.")
@click.option("--by", type=click.Choice(["place", "block"]), default="place", show_default=True,
              help="What is held out: points, or the harder blocks of 10°.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Which views are drawn.")
def demo(out: Path, photos: int, size: int, by: Literal["place", "block"], seed: int) -> None:
    """Build the demo dataset OUT: views of NASA's Blue Marble.

    They look at points on land all over the world.
    """
    from geotune.data.dataset import open_dataset
    from geotune.data.demo import build_demo

    with _cleaning_up(), _progress() as tell:
        build_demo(
            out, photos=photos, size=size, by=by, seed=seed, on_progress=lambda n, of: tell("drawing views", n, of)
        )
    _show(open_dataset(out))
    click.echo(f"\nSearch on it:  geotune search space=demo data={shlex.quote(str(out))}")


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
def check(folder: Path) -> None:
    """Show what a dataset holds, and whether it is whole.

    Also how far its held-out photos are from the nearest training photo.
    """
    from geotune.data.dataset import open_dataset

    dataset = open_dataset(folder)
    distances = distances_to_training(dataset)  # reads every split: counts are shown only where they are true
    _show(dataset)
    for reason, count in dataset.left_out.items():
        click.echo(f"  left out {count:>7,}  {reason}")
    click.echo("\nFrom a held-out photo to the nearest training photo:")
    for name, metres in distances.items():
        closest, middle, farthest = (_distance(value, dataset.extent) for value in metres)
        click.echo(f"  {name:<6} closest {closest}, median {middle}, farthest {farthest}")


def distances_to_training(dataset: "Dataset") -> dict[str, tuple[float, float, float]]:
    """Split -> (smallest, median, largest) distance in km from one of its photos to the nearest training photo."""
    import numpy as np
    from sklearn.neighbors import BallTree

    from geotune.geo.sphere import EARTH_RADIUS_KM

    def radians(name: str) -> Any:
        split = dataset.split(name)
        return np.radians(np.column_stack([split.lat, split.lon]))

    tree = BallTree(radians("train"), metric="haversine")
    found = {}
    for name in [name for name in dataset.counts if name != "train"]:
        km = tree.query(radians(name))[0] * EARTH_RADIUS_KM
        found[name] = (float(km.min()), float(np.median(km)), float(km.max()))
    return found


def _distance(km: float, extent: Literal["region", "world"]) -> str:
    from geotune.geo.metrics import format_distance

    return format_distance(km, extent)


def _show(dataset: "Dataset") -> None:
    from geotune.data.words import counted

    total = sum(dataset.counts.values())
    group = "block" if dataset.description.split.get("by") == "block" else "place"
    photos = {name: counted(count, "photo") for name, count in dataset.counts.items()}
    groups = {name: counted(count, group) for name, count in dataset.places.items()}
    wide, broad = (max(map(len, column.values())) for column in (photos, groups))
    click.echo(f"{dataset.folder}: {counted(total, 'photo')}, {dataset.extent}, fingerprint {dataset.fingerprint[:12]}")
    for name, count in dataset.counts.items():
        click.echo(f"  {name:<6} {photos[name]:>{wide}} of {groups[name]:>{broad}}  {count / total:>4.0%}")
    click.echo(f"  held out: how well does it do {dataset.split_question}?")
    if dataset.counts.get("test", 0) < FEW_PHOTOS or dataset.places.get("test", 0) < FEW_PLACES:
        held = f"{photos['test']} of {groups['test']}" if "test" in photos else "nothing"
        click.echo(
            f"  warning: only {held} to test on; below {FEW_PHOTOS} photos or {FEW_PLACES} {group}s the interval of a "
            "test means little"
        )


class _Tell(Protocol):
    def __call__(self, stage: str, done: int, of: int | None) -> None: ...


@contextmanager
def _progress() -> Iterator[_Tell]:
    """A moving bar on a terminal; elsewhere one line a stage."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<21}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def tell(stage: str, done: int, of: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=of)
                if not console.is_terminal:
                    click.echo(f"{stage} …", err=True)
            bar.update(tasks[stage], completed=done, total=of)

        yield tell


@contextmanager
def _cleaning_up() -> Iterator[None]:
    """Being asked to end (SIGTERM) unwinds like Ctrl-C, so that nothing half-made stays."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
