"""What the commands of `geotune data` share: progress, tidying up, the lines that describe a dataset."""

import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import click

if TYPE_CHECKING:
    from geotune.data.dataset import Dataset

FEW_PHOTOS, FEW_PLACES = 30, 5
"""With fewer to test on, a bootstrap interval says little."""


def show(dataset: "Dataset") -> None:
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


def space_for(extent: Literal["region", "world"]) -> str:
    """The shipped space for a dataset on this machine; an NVIDIA driver is looked for without loading torch."""
    if extent == "world":
        return "geolocator"
    return "img2gps" if Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") else "img2gps_cpu"


class Tell(Protocol):
    def __call__(self, stage: str, done: int, of: int | None) -> None: ...


@contextmanager
def progress() -> Iterator[Tell]:
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
def cleaning_up() -> Iterator[None]:
    """Being asked to end (SIGTERM) unwinds like Ctrl-C, so that nothing half-made stays."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
