"""`geotune data check A --against B`: has one dataset seen what the other holds out?"""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from geotune.errors import GeotuneError

if TYPE_CHECKING:
    from pandas import DataFrame

    from geotune.data.audit.against import Alike
    from geotune.data.dataset import Dataset

EXAMPLES = 5


def check_against(a: "Dataset", b: "Dataset", words: tuple[str, str], report: Path | None, *, fast: bool) -> None:
    """Print the near duplicates between two datasets; with `report` all of them go to against.csv there.

    `words` is what the user called the datasets.
    """
    from geotune.commands.data.check import read
    from geotune.data.audit.against import against, write_pairs

    if a.folder.resolve() == b.folder.resolve():
        raise GeotuneError(
            f"{words[0]} --against {words[1]}: one dataset, not two",
            f"what is alike across its splits: geotune data check {shlex.quote(words[0])}",
        )
    short = tuple(word if "://" in word else one.folder.name for word, one in zip(words, (a, b), strict=True))
    names = (short[0], short[1]) if short[0] != short[1] else words
    mine, broken = read(a, fast=fast, stage="looking at the first")
    theirs, others = read(b, fast=fast, stage="and at the second")
    alike = against(mine, theirs)
    _show(alike, mine, theirs, names)
    if broken or others:
        click.echo(f"  ({len(broken) + len(others):,} photos cannot be decoded and were not compared)")
    if report is not None and len(alike):
        try:
            report.mkdir(parents=True, exist_ok=True)
            write_pairs(report / "against.csv", alike, mine, theirs)
        except OSError as error:
            raise GeotuneError(f"{report}: cannot be written ({error.strerror})", "name another folder") from None
        click.echo(f"\nEvery pair: {report / 'against.csv'}")


def _show(alike: "Alike", mine: "DataFrame", theirs: "DataFrame", names: tuple[str, str]) -> None:
    import numpy as np

    from geotune.data.audit.against import leaks
    from geotune.data.audit.flattery import ground, percent
    from geotune.data.words import counted

    click.echo(f"{names[0]}: {counted(len(mine), 'photo')}; {names[1]}: {counted(len(theirs), 'photo')}")
    if not len(alike):
        click.echo("  no photo of one looks like a photo of the other")
        return
    count = len(np.unique(alike.pairs[:, 0]))
    same = len(np.unique(alike.pairs[alike.same_file, 0]))
    click.echo(
        f"  {count:,} of {names[0]}'s photos ({percent(count / len(mine))}) look like one of {names[1]}'s"
        + (f", {same:,} as the same file" if same else "")
    )
    columns = (alike.pairs, alike.metres, alike.bits, alike.same_file)
    for (i, j), metres, bits, copy in zip(*(column[:EXAMPLES] for column in columns), strict=True):
        one, other = mine.iloc[i], theirs.iloc[j]
        how = "the same file" if copy else f"{bits} of 64 bits differ"
        click.echo(
            f"    {one['id']} ({one['split']}) ~ {other['id']} ({other['split']}): {how}, {ground(metres)} apart"
        )
    clean = True
    for (train, tested), (one, other), swapped in (
        (names, (mine, theirs), False),
        (names[::-1], (theirs, mine), True),
    ):
        for split, seen in leaks(alike, one, other, swapped=swapped).items():
            if seen:
                clean = False
                share = percent(seen / int((other["split"] == split).sum()))
                click.echo(
                    f"  warning: a model trained on {train} has seen {counted(seen, 'photo')} ({share}) of {tested}'s "
                    f"{split} split: a result there would flatter"
                )
    if clean:
        click.echo("  neither has seen in training what the other holds out")
