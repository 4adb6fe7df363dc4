"""What the commands of `geotune data` share: progress, tidying up, the lines that describe a dataset."""

import shlex
import shutil
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import click

if TYPE_CHECKING:
    from geotune.data.audit.flattery import Flattery
    from geotune.data.dataset import Dataset

MOST_LOOKED_UP = 10_000
"""Photos whose country is looked up to say where they lie."""


def show(dataset: "Dataset") -> None:
    from geotune.data.audit.flattery import FEW_PHOTOS, FEW_PLACES
    from geotune.data.words import counted

    total = sum(dataset.counts.values())
    group = "block" if dataset.description.split.get("by") == "block" else "place"
    photos = {name: counted(count, "photo") for name, count in dataset.counts.items()}
    groups = {name: counted(count, group) for name, count in dataset.places.items()}
    wide, broad = (max(map(len, column.values())) for column in (photos, groups))
    click.echo(f"{dataset.folder}: {counted(total, 'photo')}, {dataset.extent}, fingerprint {dataset.fingerprint[:12]}")
    click.echo(f"  where: {where(dataset)}")
    for name, count in dataset.counts.items():
        click.echo(f"  {name:<6} {photos[name]:>{wide}} of {groups[name]:>{broad}}  {count / total:>4.0%}")
    click.echo(f"  held out: how well does it do {dataset.split_question}?")
    if dataset.counts.get("test", 0) < FEW_PHOTOS or dataset.places.get("test", 0) < FEW_PLACES:
        held = f"{photos['test']} of {groups['test']}" if "test" in photos else "nothing"
        click.echo(
            f"  warning: only {held} to test on; below {FEW_PHOTOS} photos or {FEW_PLACES} {group}s the interval of a "
            "test means little"
        )


def where(dataset: "Dataset") -> str:
    """Where the photos lie, in words: swapped coordinates and wrong signs show here first."""
    import numpy as np

    from geotune.data.audit.flattery import ground
    from geotune.geo.countries import country_codes
    from geotune.geo.sphere import LocalFrame, geometric_median

    splits = [dataset.split(name) for name, count in dataset.counts.items() if count]
    lat, lon = (np.concatenate([getattr(split, name) for split in splits]) for name in ("lat", "lon"))
    step = -(-len(lat) // MOST_LOOKED_UP)
    codes, counts = np.unique(country_codes(lat[::step], lon[::step]), return_counts=True)
    by_count = codes[np.argsort(-counts, kind="stable")]
    most = ", ".join(str(code) or "the sea" for code in by_count[:5]) + (" …" if len(codes) > 5 else "")
    at_sea = counts[codes == ""].sum() / counts.sum()
    hint = " - most of them at sea: are latitude and longitude swapped?" if at_sea > 0.5 else ""
    if dataset.extent == "world":
        return (
            f"{lat.min():.1f} to {lat.max():.1f} latitude, {lon.min():.1f} to {lon.max():.1f} longitude ({most}){hint}"
        )
    middle = geometric_median(lat, lon)
    east, north = (ground(float(np.ptp(side))) for side in LocalFrame(*middle).to_metres(lat, lon).T)
    return f"{east} x {north} around {middle[0]:.5f}, {middle[1]:.5f} ({most}){hint}"


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
    from geotune.data.clean import why

    if left_out:
        click.echo("\nLeft out:")
        firsts = {reason: f" (the first: {_short(name)})" for reason, name in examples.items()}
        _count(left_out, lambda reason: f"{reason}{firsts.get(reason, '')}", why)
    if noted:
        click.echo("\nKept, but worth a look:")
        _count(noted, str, why)


def show_flattery(told: "Sequence[Flattery]", mend: str) -> None:
    """Why a result on the split would look better than it is, and what mends it; of few photos `show` has spoken."""
    click.echo(f"\nA result on this split would flatter. To mend it, {mend} with what stands behind the arrow:")
    for one in told:
        click.echo(textwrap.fill(one.words, 110, initial_indent="  - ", subsequent_indent="    "))
        click.echo(f"    -> {one.mend}")


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
        stages: dict[str, _Stage] = {}

        def tell(stage: str, done: int, of: int | None) -> None:
            if stage not in stages:
                for other in stages.values():  # one after the other: the one before has ended
                    other.end()
                task = bar.add_task(stage, total=of, count="", rate="")
                stages[stage] = _Stage(stage, partial(bar.update, task), console.is_terminal)
            stages[stage].tell(done, of)

        yield tell
        for last in stages.values():
            last.end()


class _Stage:
    """One stage's bar, or line, moved no more often than can be seen."""

    def __init__(self, name: str, update: Callable[..., None], terminal: bool) -> None:
        self._name, self._update, self._terminal = name, update, terminal
        self._begun = self._shown = time.monotonic()
        self._done, self._ended = 0, False
        self._of: int | None = None
        if not terminal:
            click.echo(f"{name} …", err=True)

    def tell(self, done: int, of: int | None) -> None:
        self._done, self._of = done, of
        now = time.monotonic()
        if now - self._shown >= (0.1 if self._terminal else 60):
            self._shown = now
            self._show()

    def end(self) -> None:
        if not self._ended and self._terminal:
            self._of = self._done = max(1, self._done)
            self._show()
        self._ended = True

    def _show(self) -> None:
        per_second = self._done / max(time.monotonic() - self._begun, 1e-3)
        rate = f"{per_second:,.{0 if per_second >= 10 else 1}f}/s" if self._done > 1 else ""
        count = f"{self._done:,} of {self._of:,}" if self._of and self._of > self._done else f"{self._done:,}"
        if self._terminal:
            self._update(completed=self._done, total=self._of, count=count if self._done > 1 else "", rate=rate)
        else:
            click.echo(f"{self._name} … {count}, {rate}", err=True)


@contextmanager
def cleaning_up() -> Iterator[None]:
    """Being asked to end (SIGTERM) unwinds like Ctrl-C, so that nothing half-made stays."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
