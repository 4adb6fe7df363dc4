"""`geotune predict`: photos in, latitude and longitude out."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from geotune.errors import GeotuneError

if TYPE_CHECKING:
    from geotune.train.bundle import Bundle, Prediction

DECIMALS = {"region": 6, "world": 4}
"""Of a degree: 0.1 m and 11 m, finer than any model."""


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO…")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list with one object a photo.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: a line a photo.")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True,
    help="Where to compute.",
)  # fmt: skip
def command(model: str, photos: tuple[str, ...], as_json: bool, as_csv: bool, device: str) -> None:
    """Say where photos were taken. MODEL is the folder that a search or a training exported.

    \b
    geotune predict runs/demo-1/model photo.jpg another.png
    geotune predict runs/demo-1/model photos/*.jpg --csv > places.csv

    A photo that cannot be read is named at the end, with exit code 2; all others are answered before.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    from geotune.train.bundle import load_bundle

    bundle = load_bundle(Path(model).expanduser(), device)
    predictions = bundle.predict(photos)
    rows = _rows(bundle, predictions)
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif as_csv:
        _print_csv(rows)
    else:
        _print_table(rows, DECIMALS[bundle.extent])
    bad = [prediction for prediction in predictions if prediction.problem]
    if bad:
        lines = [f"  {prediction.path}: {prediction.problem}" for prediction in bad]
        count = f"{len(bad)} of {len(predictions)} photos could not be read"
        raise GeotuneError("\n".join([count, *lines]))


def _rows(bundle: "Bundle", predictions: Sequence["Prediction"]) -> list[dict[str, Any]]:
    """One row a photo: the place, its country for a model of the world, the confidence of heads with cells; or the
    problem of a photo that cannot be read."""
    good = [prediction for prediction in predictions if not prediction.problem]
    codes: list[str] = []
    if bundle.extent == "world" and good:
        from geotune.geo.countries import country_codes

        codes = country_codes([p.lat for p in good], [p.lon for p in good]).tolist()
    digits = DECIMALS[bundle.extent]
    country = dict(zip(map(id, good), codes, strict=False))
    rows = []
    for p in predictions:
        row: dict[str, Any] = {"photo": str(p.path)}
        if p.problem:
            row |= {"problem": p.problem}
        else:
            row |= {"latitude": round(p.lat, digits), "longitude": round(p.lon, digits)}
            if codes:
                row["country"] = country[id(p)]
            if p.confidence is not None:
                row["confidence"] = round(p.confidence, 3)
        rows.append(row)
    return rows


def _print_csv(rows: list[dict[str, Any]]) -> None:
    import csv
    import sys

    columns = ["photo", "latitude", "longitude", *_extra(rows)]
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _print_table(rows: list[dict[str, Any]], digits: int) -> None:
    good = [row for row in rows if "problem" not in row]
    columns = ["photo", "latitude", "longitude", *(name for name in _extra(rows) if name != "problem")]
    decimals = {"latitude": digits, "longitude": digits, "confidence": 3}

    def text(row: dict[str, Any], name: str) -> str:
        return f"{row[name]:.{decimals[name]}f}" if name in decimals else str(row[name])

    lines = [columns, *([text(row, name) for name in columns] for row in good)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines if good else []:
        cells = [
            cell.ljust(width) if name in ("photo", "country") else cell.rjust(width)
            for cell, width, name in zip(line, widths, columns, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def _extra(rows: list[dict[str, Any]]) -> list[str]:
    return [name for name in ("country", "confidence", "problem") if any(name in row for row in rows)]
