"""What the commands of `geotune data` share: progress, tidying up, the lines that describe a dataset."""

import shlex
import shutil
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
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


def say_next(dataset: "Dataset", out: Path) -> None:
    """The command that comes after a dataset is made."""
    click.echo(f"\nSearch on it:  geotune search space={space_for(dataset.extent)} data={shlex.quote(str(out))}")


def show_cases(left_out: Mapping[str, int], noted: Mapping[str, int], examples: Mapping[str, str]) -> None:
    """What was left out and what looks odd, counted, with an example and with what usually causes it."""
    from geotune.data.sources.why import why

    if left_out:
        click.echo("\nLeft out:")
        _count(left_out, lambda reason: f"{reason} (the first: {_short(examples.get(reason, ''))})", why)
    if noted:
        click.echo("\nKept, but worth a look:")
        _count(noted, str, why)


def _count(cases: Mapping[str, int], line: Callable[[str], str], why: Callable[[str], str]) -> None:
    for reason, count in sorted(cases.items(), key=lambda item: -item[1]):
        click.echo(f"  {count:>7,}  {line(reason)}")
        if said := why(reason):
            click.echo(textwrap.fill(said, 100, initial_indent=" " * 11, subsequent_indent=" " * 11))


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"…{name[-59:]}"


class Tell(Protocol):
    def __call__(self, stage: str, done: int, of: int | None) -> None: ...


@contextmanager
def progress() -> Iterator[Tell]:
    """A moving bar with counts and photos a second on a terminal; elsewhere one line a stage, one a minute in it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<20}"), BarColumn(20), TextColumn("{task.fields[count]:>19}"),
        TextColumn("{task.fields[rate]:>10}"), TimeElapsedColumn(), TimeRemainingColumn(elapsed_when_finished=False),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}
        begun: dict[str, float] = {}
        shown: dict[str, float] = {}

        def tell(stage: str, done: int, of: int | None) -> None:
            now = time.monotonic()
            if stage not in tasks:
                for other in tasks.values():  # one stage at a time: the one before has ended
                    finished = bar.tasks[other]
                    bar.update(other, total=max(1, finished.completed), completed=max(1, finished.completed))
                tasks[stage] = bar.add_task(stage, total=of, count="", rate="")
                begun[stage], shown[stage] = now, now
                if not console.is_terminal:
                    click.echo(f"{stage} …", err=True)
            last = done == of
            if now - shown[stage] < (0.1 if console.is_terminal else 60) and not (last and console.is_terminal):
                return
            shown[stage] = now
            per_second = done / max(now - begun[stage], 1e-3)
            rate = f"{per_second:,.{0 if per_second >= 10 else 1}f}/s" if done else ""
            count = f"{done:,} of {of:,}" if of else f"{done:,}" if done else ""
            bar.update(tasks[stage], completed=done, total=of, count=count, rate=rate)
            if not console.is_terminal:
                click.echo(f"{stage} … {count}, {rate}", err=True)

        yield tell


@contextmanager
def cleaning_up() -> Iterator[None]:
    """Being asked to end (SIGTERM) unwinds like Ctrl-C, so that nothing half-made stays."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
