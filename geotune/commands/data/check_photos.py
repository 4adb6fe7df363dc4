"""What is odd about the photos of a dataset: on the screen in counts, every case in the cleaning report."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from geotune.commands.data.common import show_cases
from geotune.errors import GeotuneError

if TYPE_CHECKING:
    from pandas import DataFrame

    from geotune.data.clean import Finding
    from geotune.data.dataset import Dataset
    from geotune.data.sources.found import LeftOut


def odd_photos(dataset: "Dataset", catalogue: "DataFrame") -> "list[Finding]":
    """The cases among the photos of a dataset, by the settings of its import; none is left out: all are in it."""
    from geotune.config import build
    from geotune.data.clean import CleanSettings, clean

    stored = dataset.description.settings.get("clean", {})
    known = {key: stored[key] for key in CleanSettings.model_fields if key in stored}
    found = clean(catalogue, build(CleanSettings, known), dataset.extent).findings
    return [replace(case, left_out=False) for case in found]


def show_photos(dataset: "Dataset", odd: "list[Finding]") -> None:
    """What import left out, and what is odd about the rest, in counts."""
    from geotune.data.importing.cases import counts

    noted, first = counts(odd)
    _, example = counts(_left_out_at_import(dataset))
    show_cases(dataset.left_out, noted, first | example)


def report_photos(
    dataset: "Dataset", catalogue: "DataFrame", odd: "list[Finding]", broken: "list[LeftOut]", folder: Path | None
) -> None:
    """Write cleaning.csv and cleaning.html to `folder`, or to the dataset's own where that can be written.

    What import left out stays in them. Raises GeotuneError where a folder that was named cannot be written.
    """
    from geotune.data.importing.cases import finding_of
    from geotune.report.cleaning import write_report

    into = folder or dataset.folder
    if folder is None and not os.access(into, os.W_OK):
        click.echo(f"\nNo report: {into} cannot be written. Name another folder: --report FOLDER")
        return
    held = [replace(finding_of(item), left_out=False) for item in broken]  # import left none of these out
    gone = _left_out_at_import(dataset) or dataset.left_out
    try:
        into.mkdir(parents=True, exist_ok=True)
        table, page = write_report(
            into, catalogue, [*held, *odd], gone, _pictures(dataset), splits=catalogue["split"].to_numpy(str)
        )
    except OSError as error:
        raise GeotuneError(
            f"{into}: cannot be written ({error.strerror})", "name another folder: --report FOLDER"
        ) from None
    click.echo(f"\nEvery case: {table}; with a map: {page}")


def _left_out_at_import(dataset: "Dataset") -> "list[Finding]":
    """The cases that the report of the import names."""
    from geotune.data.importing.cases import old_cases
    from geotune.data.writing.writer import REPORT

    return old_cases(dataset.folder / REPORT[0])


def _pictures(dataset: "Dataset") -> Callable[[str], bytes | None]:
    """The picture of a photo by its id, or None."""
    splits = {name: dataset.split(name) for name in dataset.counts}
    at: dict[str, tuple[str, int]] = {}

    def picture(identity: str) -> bytes | None:
        if not at:
            at.update((str(id), (name, i)) for name, split in splits.items() for i, id in enumerate(split.ids))
        if identity not in at:
            return None
        name, i = at[identity]
        return splits[name].photo(i)

    return picture
