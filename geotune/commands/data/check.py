"""`geotune data check`: what a dataset holds, whether it is whole, and whether a result on it can be trusted."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from geotune.commands.data.common import progress, show, show_flattery
from geotune.errors import GeotuneError

if TYPE_CHECKING:
    from pandas import DataFrame

    from geotune.data.audit.audit import Audit, Seen
    from geotune.data.dataset import Dataset
    from geotune.data.sources.found import LeftOut


@click.command()
@click.argument("dataset")
@click.option("--against", "other", metavar="DATASET",
              help="Another dataset: which photos of the two look the same?")  # fmt: skip
@click.option("--report", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Where cleaning.csv and cleaning.html go, with --against against.csv  [default: the dataset's own "
                   "folder, or nowhere]")  # fmt: skip
@click.option("--fast", is_flag=True,
              help="Believe the hashes that import stored, and decode only photos without one.")  # fmt: skip
def command(dataset: str, other: str | None, report: Path | None, fast: bool) -> None:
    """Show what DATASET holds, whether it is whole, and whether a result on it can be trusted.

    How far is each validation and test photo from the nearest training photo? Which of them has training seen, or
    nearly? What is odd about the photos? Every case goes to cleaning.csv, and with a map to cleaning.html.

    \b
    geotune data check data/town
    geotune data check data/town --against data/flickr     has one seen the other's test?
    """
    from geotune.data.dataset import open_dataset

    opened = open_dataset(dataset)
    if other is not None:
        from geotune.commands.data.check_against import check_against

        check_against(opened, open_dataset(other), (dataset, other), report, fast=fast)
        return
    from geotune.commands.data.check_photos import odd_photos, report_photos, show_photos
    from geotune.data.audit.audit import audit

    catalogue, broken = read(opened, fast=fast)
    if not (catalogue["split"] == "train").any():
        raise _not_whole(dataset, broken)
    found = audit(catalogue, opened.description.split)
    odd = odd_photos(opened, catalogue)
    show(opened)
    _show_whole(len(catalogue), broken, fast=fast)
    show_photos(opened, odd)
    _show_seen(found)
    _show_flattery(found, opened)
    if report is not None or "://" not in dataset:
        report_photos(opened, catalogue, odd, broken, report)
    if broken:
        raise _not_whole(dataset, broken)


def read(dataset: "Dataset", *, fast: bool, stage: str = "looking at photos") -> "tuple[DataFrame, list[LeftOut]]":
    """The catalogue of a dataset, with progress, and the photos that do not decode."""
    from geotune.data.catalogue import catalogue_of

    broken: list[LeftOut] = []
    with progress() as tell:
        catalogue = catalogue_of(
            dataset, lambda done, of: tell(stage, done, of), on_left_out=broken.append, decode=not fast
        )
    return catalogue, broken


def _not_whole(dataset: str, broken: "list[LeftOut]") -> GeotuneError:
    return GeotuneError(
        f"{dataset}: not whole: {_count(len(broken), 'photo')} cannot be used (the first: {broken[0].id}: "
        f"{broken[0].reason})",
        "import the photos again",
    )


def _show_whole(photos: int, broken: "list[LeftOut]", *, fast: bool) -> None:
    if fast:
        click.echo(f"  all {_count(photos, 'photo')} are there; --fast does not look whether each can be decoded")
    elif not broken:
        click.echo(f"  whole: all {_count(photos, 'photo')} are there and can be decoded")


def _show_seen(found: "Audit") -> None:
    from geotune.data.audit.flattery import ground, percent

    click.echo("\nFrom a held-out photo to the nearest training photo:")
    for name, seen in found.seen.items():
        click.echo(
            f"  {name:<6} median {ground(seen.median_m)}, 5 % nearer than {ground(seen.p5_m)}, closest "
            f"{ground(seen.closest_m)}"
        )
    click.echo("\nWhat training has seen of the held-out photos:")
    rows = {
        "look like a training photo": "lookalikes",
        "stand exactly where a training photo stands": "same_position",
        "belong to a burst that training has the rest of": "in_bursts",
        "were taken on an outing that training has photos of": "in_sessions",
    }
    width = max(map(len, rows))

    def cell(name: str, seen: "Seen", what: str) -> str:
        count = int(getattr(seen, what))
        return f"{name} {count:,} of {seen.photos:,} ({percent(count / seen.photos)})"

    for words, what in rows.items():
        if all(getattr(seen, what) < 0 for seen in found.seen.values()):
            click.echo(f"  {words:<{width}}  unknown: no photo has a capture time")
        else:
            click.echo(f"  {words:<{width}}  {', '.join(cell(name, seen, what) for name, seen in found.seen.items())}")
    for one, split, twin, their in found.twins[:3]:
        click.echo(f"    {one} ({split}) looks like {twin} ({their})")


def _show_flattery(found: "Audit", dataset: "Dataset") -> None:
    from geotune.data.audit.flattery import enough, interval, percent, spots_for

    test = found.seen.get("test")
    if test and enough(test):
        within = percent(interval(test.spots))
        click.echo(
            f"\nWith {_count(test.spots, 'spot')} to test on expect a mean error to be right to some ±{within}; "
            f"±10 % takes some {spots_for(0.1):,}."
        )
    # of few photos to test on `show` has spoken
    told = [one for one in found.flattery if one.kind != "few" or (test and enough(test))]
    if told:
        show_flattery(told, "import again")
    else:
        click.echo(f"\nNothing flatters: an error says how well it does {dataset.split_question}.")


def _count(number: int, noun: str) -> str:
    from geotune.data.words import counted

    return counted(number, noun)
