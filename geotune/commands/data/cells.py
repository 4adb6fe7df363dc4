"""`geotune data cells`: build cells, say how good they can be, draw them."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from geotune.errors import GeotuneError

if TYPE_CHECKING:
    from geotune.data.dataset import Dataset
    from geotune.geo.cells.partition import Partition
    from geotune.geo.cells.statistics import CellStatistics

KINDS = ("kmeans", "borders", "countries", "s2", "quadtree")


@click.command()
@click.argument("dataset")
@click.option("--kind", default="kmeans", show_default=True, type=click.Choice(KINDS), help="As model.head.kind.")
@click.option("--cells", default=64, show_default=True, type=click.IntRange(1, 1_000_000), help="As model.head.cells.")
@click.option("--minimum", default=1, show_default=True, type=click.IntRange(min=1),
              help="Photos that a cell has at the least (not of kind kmeans).")  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of k-means.")
@click.option("--from", "source", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Build nothing: take a CSV of S2 or quadtree cells, or what --save wrote.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.html", help="Draw them here.")
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.json",
              help="Write them here, for model.head.cells_file.")  # fmt: skip
def command(
    dataset: str, kind: Any, cells: int, minimum: int, seed: int, source: Path | None, out: Path | None,
    save: Path | None,
) -> None:  # fmt: skip
    """Cut the Earth into cells by the training photos of DATASET, and say how good a head on them can be.

    \b
    geotune data cells data/town --cells 64 --out cells.html
    geotune data cells data/world --kind borders --cells 10000 --minimum 50 --save cells.json
    """
    from geotune.data.dataset import open_dataset
    from geotune.geo.cells.files import read_cells
    from geotune.geo.cells.kinds import KINDS as ABOUT
    from geotune.geo.cells.kinds import build
    from geotune.geo.cells.statistics import statistics

    for file, suffix in ((out, ".html"), (save, ".json")):
        if file is not None and file.suffix.lower() != suffix:
            raise GeotuneError(f"{file}: not a name that ends in {suffix}", f"say {file.with_suffix(suffix)}")
    if minimum > 1 and (kind == "kmeans" or source):
        raise GeotuneError(
            f"--minimum {minimum}: not for {'a file' if source else 'kind kmeans'}, whose cells need one photo",
            "take another kind: --kind borders",
        )
    opened = open_dataset(dataset)
    train = opened.split("train")
    told = _Told()
    logging.getLogger("geotune.geo.cells").addHandler(told)
    try:
        if source:
            partition = read_cells(source, train.lat, train.lon)
        else:
            partition = build(kind, train.lat, train.lon, cells, seed, minimum)
    finally:
        logging.getLogger("geotune.geo.cells").removeHandler(told)
    found = statistics(partition, train.lat, train.lon)
    lines = [f"{len(partition):,} {partition.kind} cells of {len(train):,} training photos"]
    lines += [ABOUT[partition.kind]] if partition.kind in ABOUT else []
    lines += [*told.lines, *_lines(opened, partition, found)]
    click.echo(f"{lines[0]}\n" + "\n".join(f"  {line}" for line in lines[1:]))
    try:
        if save:
            partition.save(save)
            click.echo(f"\nTrain on them:  model.head.name=cells model.head.cells_file={save}")
        if out:
            from geotune.record.folder import write_atomic
            from geotune.report.cells import page

            write_atomic(out, page(partition, found, train.lat, train.lon, opened.extent, lines))
            click.echo(f"\n{out}: the map")
    except OSError as error:
        raise GeotuneError(f"{error.filename}: cannot be written ({error.strerror})", "name another place") from None


class _Told(logging.Handler):
    """What the builders warn of, as lines of the answer."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"warning: {record.getMessage()}")


def _lines(opened: "Dataset", partition: "Partition", found: "CellStatistics") -> list[str]:
    """Sizes, the floor that the centres set, and what held-out photos find."""
    import numpy as np

    from geotune.geo.cells.statistics import statistics
    from geotune.geo.metrics import format_distance

    def told(km: float) -> str:
        return format_distance(float(km), opened.extent)

    full = found.photos[found.photos > 0]
    lines = [
        f"photos a cell  {full.min():,} to {full.max():,}, median {np.median(full):,.0f}",
        f"radius         {told(np.nanmin(found.rms_km))} to {told(np.nanmax(found.rms_km))}, "
        f"median {told(np.nanmedian(found.rms_km))} (RMS distance of a cell's photos from its centre)",
    ]
    splits = [("train", found)]
    for name in [name for name in ("valid", "test") if opened.counts.get(name)][:1]:
        held = opened.split(name)
        splits.append((name, statistics(partition, held.lat, held.lon)))
    for name, some in splits:
        inside = some.error_km[np.isfinite(some.error_km)]
        if len(inside):
            floor = f"median {told(np.median(inside))}, mean {told(inside.mean())}"
            lines.append(f"floor, {name:<7} {floor}: the error of who always knows the cell, and names its centre")
        if some.outside:
            lines.append(f"outside, {name:<5} {some.outside:,} of {len(some.cell):,} photos lie in no cell")
    countries = f" ({len(set(partition.countries))} countries)" if partition.countries else ""
    lines.append(f"borders        {int(found.crossing.sum()):,} cells have photos on both sides of one{countries}")
    if len(partition.levels):
        lines.append(
            f"hierarchy      {' > '.join(f'{row.max() + 1:,}' for row in partition.levels)} > {len(partition):,}"
        )
    return [*lines, f"fingerprint    {partition.fingerprint}"]
