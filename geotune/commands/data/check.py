"""`geotune data check`: what a dataset holds, and whether a result on it can be trusted."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from geotune.commands.data.common import show

if TYPE_CHECKING:
    from geotune.data.dataset import Dataset


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Show what a dataset holds, and whether it is whole.

    Also how far its held-out photos are from the nearest training photo.
    """
    from geotune.data.dataset import open_dataset

    dataset = open_dataset(folder)
    distances = distances_to_training(dataset)  # reads every split: counts are shown only where they are true
    show(dataset)
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
